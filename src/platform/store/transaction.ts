import { setTimeout as pause } from 'node:timers/promises'
import type { Transaction } from 'kysely'
import { isConflict } from './database-error.ts'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'

const maxAttempts = 5
/** Milliseconds before the second attempt; doubles, and is spread so that two do not meet again. */
const firstPause = 10
/** Milliseconds after which no further attempt is made: waiting for a lock may have used them up. */
const patience = 15_000

/**
 * Runs the work in a transaction: all of it or nothing. The work is run again, at most five times in all, when the
 * database undid it because of another transaction (deadlock, serialization failure, lock timeout): it must do nothing
 * but queries on `trx`, and no query on `store.db`, which would wait for itself on SQLite.
 *
 * Rows of one table are written in the order of their keys, and tables in the order of `Tables`. Two transactions that
 * take the same locks in the same order cannot deadlock; on PostgreSQL that order is also that of the rows of one INSERT.
 *
 * When the connection is lost during the commit it is unknown whether it happened (`StoreUnavailable`): work that is
 * shipped again later must be idempotent.
 */
export async function inTransaction<T>(store: Store, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  const deadline = performance.now() + patience
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.db.transaction().execute(work)
    } catch (error) {
      if (attempt >= maxAttempts || performance.now() > deadline || !isConflict(error)) throw error
      await pause(firstPause * 2 ** (attempt - 1) * (0.5 + Math.random()))
    }
  }
}

/**
 * Locks the rows of a select until the transaction ends, for what is read, changed and written back. SQLite has nothing
 * to lock: its transactions that write come one after another.
 */
export function forUpdate<Q extends { forUpdate(): Q }>(store: Pick<Store, 'dialect'>, query: Q): Q {
  return store.dialect === 'postgres' ? query.forUpdate() : query
}
