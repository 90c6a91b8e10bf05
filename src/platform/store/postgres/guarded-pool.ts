import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import type { Availability } from '../availability.ts'
import { checkedParameters } from '../parameters.ts'
import { StoreUnavailable } from '../store.ts'
import { fromStatement, unreachable } from './postgres-error.ts'

/** Statements that wait for a connection; beyond it the database cannot keep up and callers are told so. */
const maxWaiting = 10_000
/** What `pg-pool` says when all connections stay busy for too long: the server is slow, not gone. */
const poolExhausted = 'timeout exceeded when trying to connect'

/**
 * The pool as Kysely uses it. Errors of the connection become `StoreUnavailable`, and while the database is known to be
 * lost nobody waits for a connect timeout: the probe finds out when it is back.
 */
export class GuardedPool implements PostgresPool {
  readonly options: object = {}
  readonly #availability: Availability
  #pool: Pool | undefined

  constructor(availability: Availability) {
    this.#availability = availability
  }

  /**
   * The pool to use from now on. After an outage it is a new one: connections of the old one may be dead, and each would
   * fail a statement before that is known. They end when their work does.
   */
  use(pool: Pool): void {
    const before = this.#pool
    this.#pool = pool
    // A connection that breaks while it is idle leaves the pool by itself. It may be the first sign of an outage.
    pool.on('error', () => {
      if (this.#pool === pool) this.#availability.suspect()
    })
    // One that breaks between two statements of a transaction tells its next statement; unheard it would end the process.
    pool.on('connect', client => client.on('error', () => undefined))
    before?.end().catch(() => undefined)
  }

  async connect(): Promise<PostgresPoolClient> {
    if (!this.#availability.available) throw new StoreUnavailable(this.#availability.reason)
    const pool = this.#pool
    if (pool === undefined) throw new StoreUnavailable('the PostgreSQL database was not reached yet')
    if (pool.waitingCount >= maxWaiting) {
      throw new StoreUnavailable(`the PostgreSQL database cannot keep up: ${maxWaiting} statements wait`)
    }
    try {
      return new GuardedClient(await pool.connect(), this.#availability)
    } catch (error) {
      const outage = unreachable(error)
      if (!(error instanceof Error && error.message === poolExhausted)) this.#availability.lost(outage)
      throw outage
    }
  }

  /** Closes connections that are idle, and those in use when they come back. */
  async end(): Promise<void> {
    await this.#pool?.end()
  }
}

class GuardedClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #availability: Availability

  constructor(client: PoolClient, availability: Availability) {
    this.#client = client
    this.#availability = availability
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  query(sql: unknown, parameters: readonly unknown[] = []): unknown {
    if (typeof sql !== 'string') throw new Error('results are not streamed: read page by page (keysetAfter)')
    return this.#query(sql, checkedParameters(parameters))
  }

  async #query(sql: string, values: readonly (string | number | null)[]): Promise<unknown> {
    try {
      return await this.#client.query(sql, [...values])
    } catch (error) {
      const meaning = fromStatement(error)
      if (meaning instanceof StoreUnavailable) this.#availability.lost(meaning)
      throw meaning
    }
  }

  release(destroy = false): void {
    this.#client.release(destroy)
  }
}
