import type { Secret } from '../security/secret.ts'

export type StoreOptions = MemoryOptions | SqliteOptions | PostgresOptions

interface CommonOptions {
  /** Told when contact is lost (with the reason, free of credentials) and when it is back. For logs and metrics. */
  readonly onAvailability?: ((available: boolean, reason: string) => void) | undefined
  /**
   * Milliseconds a transaction may go without a statement; then it is rolled back, so that a forgotten one does not
   * keep its locks. Default 30,000.
   */
  readonly idleTransactionTimeoutMs?: number | undefined
}

/** SQLite in memory: for one process, gone with it. */
export interface MemoryOptions extends CommonOptions {
  readonly kind: 'memory'
}

/** SQLite in a file, which several processes of one machine may use at once. Not on a network file system. */
export interface SqliteOptions extends CommonOptions {
  readonly kind: 'sqlite'
  /** Made when it is not there, readable by its owner only; its folder must exist. */
  readonly path: string
  /** Milliseconds to wait while another process writes. Default 5,000. */
  readonly busyTimeoutMs?: number | undefined
}

export interface PostgresOptions extends CommonOptions {
  readonly kind: 'postgres'
  /** `postgres://user:password@host:port/database?sslmode=…&schema=…`, see `postgres/database-url.ts`. */
  readonly url: Secret
  /** Connections of this process. Default 10 (LiteLLM's `database_connection_pool_limit`). */
  readonly poolSize?: number | undefined
  /** Milliseconds to wait for a connection, new or from the pool. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds after which the server gives up a statement. Default 30,000. */
  readonly statementTimeoutMs?: number | undefined
  /** Milliseconds after which the server gives up waiting for a lock. Default 10,000. */
  readonly lockTimeoutMs?: number | undefined
  /**
   * Milliseconds after which a server that says nothing counts as lost (a cut cable, a frozen machine). Default:
   * `statementTimeoutMs` and 5,000 more.
   */
  readonly socketTimeoutMs?: number | undefined
  /**
   * What to do when the database cannot be reached now. `fail` (default): reject with `StoreUnavailable`. `carry_on`:
   * return a store that is not available; the background probe connects, migrates and makes it available.
   */
  readonly unreachableAtStart?: 'fail' | 'carry_on' | undefined
}
