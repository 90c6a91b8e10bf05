import { type Kysely, sql } from 'kysely'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { type AuditContent, type AuditRecord, chained, genesis } from './record.ts'

/** Key of the advisory lock under which the end of the chain is read and extended: "rqaudit" in ASCII. */
const chainLock = '32212810740296052'

/** Rows per INSERT: both databases bound the number of parameters of a statement. */
const rowsPerInsert = 50

/**
 * Extends the chain inside a transaction. Writers of all processes come one after another: on PostgreSQL by an advisory
 * lock that ends with the transaction, on SQLite because a transaction that writes is the only one. The lock is a
 * statement of its own: the next statement must see what the holder before has committed (READ COMMITTED).
 */
export async function append(
  trx: Kysely<Tables>,
  dialect: Store['dialect'],
  contents: readonly AuditContent[],
): Promise<readonly AuditRecord[]> {
  if (contents.length === 0) return []
  if (dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.raw(chainLock)})`.execute(trx)
  let head: { readonly seq: number; readonly hash: string } = await chainHead(trx)
  const records: AuditRecord[] = []
  for (const content of contents) {
    const record = chained(content, head)
    records.push(record)
    head = record
  }
  for (let start = 0; start < records.length; start += rowsPerInsert) {
    await trx
      .insertInto('audit')
      .values(records.slice(start, start + rowsPerInsert))
      .execute()
  }
  return records
}

/** The last record's place and hash. Retention never removes the last one. */
export async function chainHead(db: Kysely<Tables>): Promise<{ readonly seq: number; readonly hash: string }> {
  const last = await db.selectFrom('audit').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1).executeTakeFirst()
  return last ?? genesis
}
