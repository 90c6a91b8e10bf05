import { sql } from 'kysely'
import { createPartitions, type Partitioned, partitionsOf } from './postgres/partitions.ts'
import type { Store } from './store.ts'

/** Rows of one delete. Each is a transaction of its own, so that writers wait for none of them long. */
const batch = 2000

/**
 * Makes room for the months ahead. To be called at start (`openStore` does) and about once a day by one process; rows
 * of a month that has no partition are kept in the default one until then.
 */
export async function ensurePartitions(store: Store, now: number): Promise<void> {
  if (store.dialect === 'postgres') await createPartitions(store.db, now)
}

/**
 * Removes the ledger's rows of calls that started before a moment, at most `limit` and a batch of them; call it again
 * while it returns `limit` or more. On PostgreSQL whole months go at once, as soon as all of the month is before the moment.
 * @param before epoch milliseconds
 * @returns rows removed one by one (a dropped month counts as none)
 */
export async function expireLedger(store: Store, before: number, limit = 100_000): Promise<number> {
  if (store.dialect === 'postgres') {
    await dropMonths(store, 'ledger', before)
    return deleteInBatches(store, 'ledger_default', 'started_at', before, limit)
  }
  return deleteInBatches(store, 'ledger', 'started_at', before, limit)
}

/**
 * Removes stored bodies whose time is over. Their promise is exact, so rows go one by one on both databases; months
 * that are empty and past then go as a whole.
 * @param now epoch milliseconds
 */
export async function expireBodies(store: Store, now: number, limit = 100_000): Promise<number> {
  const removed = await deleteInBatches(store, 'ledger_bodies', 'expires_at', now, limit)
  if (store.dialect === 'postgres' && removed < limit) await dropEmptyMonths(store, 'ledger_bodies', now)
  return removed
}

async function dropMonths(store: Store, table: Partitioned, before: number): Promise<void> {
  for (const { name, until } of await partitionsOf(store.db, table)) {
    if (until <= before) await store.db.schema.dropTable(name).ifExists().execute()
  }
}

async function dropEmptyMonths(store: Store, table: Partitioned, before: number): Promise<void> {
  for (const { name, until } of await partitionsOf(store.db, table)) {
    if (until > before) continue
    await store.db.transaction().execute(async trx => {
      // Locked while it is looked at: a late row must not fall into a table that goes.
      await sql`lock table ${sql.table(name)} in access exclusive mode`.execute(trx)
      const row = await sql`select 1 from ${sql.table(name)} limit 1`.execute(trx)
      if (row.rows.length === 0) await trx.schema.dropTable(name).execute()
    })
  }
}

type Aged = Partitioned | 'ledger_default'

async function deleteInBatches(
  store: Store,
  table: Aged,
  column: 'started_at' | 'expires_at',
  before: number,
  limit: number,
): Promise<number> {
  const name = sql.table(table)
  let removed = 0
  for (;;) {
    const { numAffectedRows = 0n } = await sql`
      delete from ${name} where (id, started_at) in
      (select id, started_at from ${name} where ${sql.ref(column)} < ${before} limit ${batch})`.execute(store.db)
    removed += Number(numAffectedRows)
    if (numAffectedRows < batch || removed >= limit) return removed
  }
}
