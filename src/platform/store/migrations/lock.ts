import { type Kysely, sql } from 'kysely'
import { isBusy } from '../database-error.ts'
import type { Store } from '../store.ts'

/** "routeiq" in ASCII, as the number of the advisory lock. */
const lockNumber = '32210697599674737'

/**
 * Runs the work in a transaction that no other process can run at the same time. False: somebody else is at it.
 *
 * PostgreSQL: an advisory lock that ends with the transaction (a session's lock would stay behind a connection pooler).
 * It is tried rather than waited for, so that no statement runs longer than the statement timeout. SQLite: the immediate
 * transaction is the lock.
 */
export async function underMigrationLock<T>(
  db: Kysely<T>,
  dialect: Store['dialect'],
  work: (trx: Kysely<T>) => Promise<void>,
): Promise<boolean> {
  try {
    return await db.transaction().execute(async trx => {
      if (dialect === 'postgres' && !(await taken(trx))) return false
      await work(trx)
      return true
    })
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

async function taken<T>(trx: Kysely<T>): Promise<boolean> {
  const { rows } = await sql<{
    taken: boolean
  }>`select pg_try_advisory_xact_lock(${sql.raw(lockNumber)}) as taken`.execute(trx)
  return rows[0]?.taken === true
}
