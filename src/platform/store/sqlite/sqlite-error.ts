import { StoreUnavailable } from '../store.ts'
import type { ThreadError } from './protocol.ts'

/** A statement that SQLite refused. `errcode` is its extended result code (sqlite.org/rescode.html). */
export class SqliteError extends Error {
  override readonly name = 'SqliteError'
  readonly errcode: number | undefined

  constructor(error: ThreadError) {
    super(error.message)
    this.errcode = error.errcode
  }
}

/**
 * Primary result codes that say that the database cannot do its work now, whatever the statement: PERM, BUSY, NOMEM,
 * READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
 */
const outages: ReadonlySet<number> = new Set([3, 5, 7, 8, 10, 11, 13, 14, 15, 26])

/** What a failed statement is for the caller: an outage, or a refusal. */
export function fromThread(error: ThreadError): Error {
  if (error.errcode === undefined || !outages.has(error.errcode % 256)) return new SqliteError(error)
  const text = error.errcode % 256 === 5 ? 'another process keeps it locked' : error.message
  return new StoreUnavailable(`the SQLite database cannot be used: ${text}`, { cause: new SqliteError(error) })
}
