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
  /** Grows with every outage. Connections made before the last one are not used again: they may be dead unnoticed. */
  #generation = 0
  readonly #born = new WeakMap<PoolClient, number>()

  constructor(availability: Availability) {
    this.#availability = availability
  }

  use(pool: Pool): void {
    this.#pool = pool
    // A connection that breaks while it is idle leaves the pool by itself. It may be the first sign of an outage.
    pool.on('error', () => this.#availability.suspect())
    pool.on('connect', client => {
      this.#born.set(client, this.#generation)
      // One that breaks between two statements of a transaction tells its next statement; unheard it would end the process.
      client.on('error', () => undefined)
    })
  }

  /** An outage is over. */
  renew(): void {
    this.#generation++
  }

  async connect(): Promise<PostgresPoolClient> {
    if (!this.#availability.available) throw new StoreUnavailable(this.#availability.reason)
    const pool = this.#pool
    if (pool === undefined) throw new StoreUnavailable('the PostgreSQL database was not reached yet')
    if (pool.waitingCount >= maxWaiting) {
      throw new StoreUnavailable(`the PostgreSQL database cannot keep up: ${maxWaiting} statements wait`)
    }
    try {
      const client = await this.#fresh(pool)
      return new GuardedClient(client, this.#availability, () => this.#isFresh(client))
    } catch (error) {
      const outage = unreachable(error)
      if (!(error instanceof Error && error.message === poolExhausted)) this.#availability.lost(outage)
      throw outage
    }
  }

  /** Every old connection that it meets leaves the pool, so it meets at most as many as the pool has. */
  async #fresh(pool: Pool): Promise<PoolClient> {
    for (;;) {
      const client = await pool.connect()
      if (this.#isFresh(client)) return client
      client.release(true)
    }
  }

  #isFresh(client: PoolClient): boolean {
    return this.#born.get(client) === this.#generation
  }

  /** Closes connections that are idle, and those in use when they come back. */
  async end(): Promise<void> {
    await this.#pool?.end()
  }
}

class GuardedClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #availability: Availability
  readonly #isFresh: () => boolean

  constructor(client: PoolClient, availability: Availability, isFresh: () => boolean) {
    this.#client = client
    this.#availability = availability
    this.#isFresh = isFresh
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  query(sql: unknown, parameters: readonly unknown[] = []): unknown {
    if (typeof sql !== 'string') throw new Error('results are not streamed: read page by page (keysetAfter)')
    return this.#query(sql, checkedParameters(parameters))
  }

  async #query(sql: string, values: readonly (string | number | null)[]): Promise<unknown> {
    try {
      return await this.#client.query(sql, values as unknown[])
    } catch (error) {
      const meaning = fromStatement(error)
      if (meaning instanceof StoreUnavailable) this.#availability.lost(meaning)
      throw meaning
    }
  }

  release(destroy = false): void {
    this.#client.release(destroy || !this.#isFresh())
  }
}
