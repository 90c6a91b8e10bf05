import type { MessagePort } from 'node:worker_threads'
import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/**
 * The durable store: SQLite in a file or in memory, or PostgreSQL. Nothing else in the gateway talks to a database; all
 * queries are Kysely's and run on both.
 */
export interface Store {
  readonly dialect: 'sqlite' | 'postgres'
  /** A statement takes at most 32,766 values (SQLite's limit): about 1,000 rows of the ledger. */
  readonly db: Kysely<Tables>
  /** Where the data is, for logs and readiness; no credentials. */
  readonly description: string
  /** False while the last contact failed; a background probe (every second) turns it true again. */
  readonly available: boolean
  /**
   * SQLite in a file: runs a module in the thread that writes to it, see `sqlite/guests.ts`.
   * @throws StoreUnavailable
   */
  readonly invite?: (module: URL, settings: unknown) => MessagePort
  /** Waits for what runs, then lets go of the database. Queries after it fail with `StoreUnavailable`. */
  close(): Promise<void>
}

/** Thrown by queries when the database cannot be reached (not for a bad statement): an outage, never a refusal. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
