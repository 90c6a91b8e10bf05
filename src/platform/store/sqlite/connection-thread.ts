/**
 * Entry of a worker thread that owns one SQLite connection and answers statements one by one. It loads nothing but
 * `node:sqlite`, and what its guests need: about 11 MB and 15 ms per thread, most of it the thread itself (Node 24, Linux).
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { type Arrival, Guests } from './guests.ts'
import { openDatabase, retryWhileBusy, threadError } from './open-database.ts'
import { type Answer, closeThread, type Opened, type Statement, type ThreadSettings } from './protocol.ts'
import { columnsOf, StatementCache } from './statement-cache.ts'

/** Rows of one result; more would be memory without bound on both sides. */
const maxRows = 200_000

const settings = workerData as ThreadSettings

/**
 * Integers are bound as integers: `node:sqlite` binds every number as a float, and then `7 / ?` would not be what it is
 * on PostgreSQL.
 */
function bound(parameters: readonly (string | number | null)[]): (string | number | bigint | null)[] {
  return parameters.map(value => (Number.isInteger(value) ? BigInt(value as number) : value))
}

function run(db: DatabaseSync, cache: StatementCache, { id, sql, parameters }: Statement): Answer {
  // SQLite ends a transaction by itself after some errors (disk full); rolling back what is over is no error.
  if (sql === 'rollback' && !db.isTransaction) return { id, columns: [], rows: [], changes: 0 }
  const prepared = cache.get(sql)
  const { statement } = prepared
  const values = bound(parameters)
  if (prepared.columns.length === 0) {
    return { id, columns: [], rows: [], changes: Number(statement.run(...values).changes) }
  }
  const rows = readRows(statement, values)
  // A newer program may have added a column since the statement was prepared; SQLite has prepared it again.
  if (rows[0] !== undefined && rows[0].length !== prepared.columns.length) prepared.columns = columnsOf(statement)
  return { id, columns: prepared.columns, rows, changes: undefined }
}

function readRows(statement: StatementSync, values: (string | number | bigint | null)[]): unknown[][] {
  const rows: unknown[][] = []
  try {
    for (const row of statement.iterate(...values)) {
      // With `setReturnArrays` a row is an array.
      rows.push(row as unknown as unknown[])
      if (rows.length > maxRows) throw new RangeError(`the result has more than ${maxRows} rows: read it page by page`)
    }
    return rows
  } catch (error) {
    // A value that is no safe integer stops the reading but not the statement: left like that it would hold its view of
    // the database, and this connection would see nothing new. Starting again resets it, and nothing runs before `next`.
    statement.iterate(...values).return?.()
    throw error
  }
}

/** Statistics for the query planner, over a bounded sample (sqlite.org/lang_analyze.html §3.1). */
function optimize(db: DatabaseSync): void {
  try {
    db.exec('pragma busy_timeout = 100; pragma analysis_limit = 400; pragma optimize')
  } catch {
    // Another process writes; the next one that closes will do it.
  }
}

function answer(db: DatabaseSync, cache: StatementCache, message: Statement): Answer {
  try {
    // Inside a transaction the lock is ours already, and what went before must not be repeated.
    return db.isTransaction
      ? run(db, cache, message)
      : retryWhileBusy(settings.busyTimeoutMs, () => run(db, cache, message))
  } catch (error) {
    return { id: message.id, error: threadError(error) }
  }
}

function serve(db: DatabaseSync, port: NonNullable<typeof parentPort>): void {
  const cache = new StatementCache(db)
  const guests = new Guests(() => db.isTransaction)
  port.on('message', (message: Statement | Arrival | typeof closeThread) => {
    if (message === closeThread) {
      guests.dismiss()
      if (!settings.readOnly) optimize(db)
      db.close()
      port.close()
    } else if ('guest' in message) {
      void guests.welcome(message)
    } else {
      port.postMessage(answer(db, cache, message))
      guests.statementDone()
    }
  })
}

if (parentPort !== null) {
  try {
    const db = openDatabase(settings)
    parentPort.postMessage({ opened: true } satisfies Opened)
    serve(db, parentPort)
  } catch (error) {
    parentPort.postMessage({ opened: false, error: threadError(error) } satisfies Opened)
    parentPort.close()
  }
}
