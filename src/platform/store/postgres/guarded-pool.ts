import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import type { Availability } from '../availability.ts'
import { checkedParameters } from '../parameters.ts'
import { StoreUnavailable } from '../store.ts'
import { fromStatement, unreachable } from './postgres-error.ts'

/** Statements that wait for a connection; beyond it the database cannot keep up and callers are told so. */
const maxWaiting = 10_000
/**
 * Milliseconds of silence after which somebody looks whether the server is still there. A frozen one breaks no connection:
 * unasked, its statements would wait for their socket's timeout, and callers with them.
 */
const silence = 1500
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
  /** What waits for the server. */
  readonly #waiting = new Set<(error: StoreUnavailable) => void>()

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

  /** The server is away for certain: whoever waits for it is told, and the connections are not used again. */
  interrupt(reason: string): void {
    this.#generation++
    const error = new StoreUnavailable(reason)
    for (const reject of [...this.#waiting]) reject(error)
  }

  /** @throws StoreUnavailable when the server is found to be away meanwhile */
  async awaited<T>(work: Promise<T>): Promise<T> {
    let reject: (error: StoreUnavailable) => void = () => undefined
    const interrupted = new Promise<never>((_, no) => {
      reject = no
    })
    this.#waiting.add(reject)
    const timer = setInterval(() => this.#availability.suspect(), silence).unref()
    try {
      return await Promise.race([work, interrupted])
    } finally {
      clearInterval(timer)
      this.#waiting.delete(reject)
    }
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
      return new GuardedClient(client, this, this.#availability)
    } catch (error) {
      const outage = unreachable(error)
      if (!(error instanceof Error && error.message === poolExhausted)) this.#availability.lost(outage)
      throw outage
    }
  }

  /** Every old connection that it meets leaves the pool, so it meets at most as many as the pool has. */
  async #fresh(pool: Pool): Promise<PoolClient> {
    for (;;) {
      const connecting = pool.connect()
      const client = await this.awaited(connecting).catch((error: unknown) => {
        connecting.then(late => late.release(true)).catch(() => undefined)
        throw error
      })
      if (this.isFresh(client)) return client
      client.release(true)
    }
  }

  isFresh(client: PoolClient): boolean {
    return this.#born.get(client) === this.#generation
  }

  /** Closes connections that are idle, and those in use when they come back. */
  async end(): Promise<void> {
    await this.#pool?.end()
  }
}

class GuardedClient implements PostgresPoolClient {
  readonly #client: PoolClient
  readonly #pool: GuardedPool
  readonly #availability: Availability
  /** A statement was left waiting: the connection answers others only after it. */
  #abandoned = false

  constructor(client: PoolClient, pool: GuardedPool, availability: Availability) {
    this.#client = client
    this.#pool = pool
    this.#availability = availability
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  query(sql: unknown, parameters: readonly unknown[] = []): unknown {
    if (typeof sql !== 'string') throw new Error('results are not streamed: read page by page (keysetAfter)')
    return this.#query(sql, checkedParameters(parameters))
  }

  async #query(sql: string, values: readonly (string | number | null)[]): Promise<unknown> {
    if (this.#abandoned) throw new StoreUnavailable(this.#availability.reason)
    const asked = this.#client.query(sql, values as unknown[])
    try {
      return await this.#pool.awaited(asked)
    } catch (error) {
      if (error instanceof StoreUnavailable) {
        this.#abandoned = true
        asked.catch(() => undefined)
        throw error
      }
      const meaning = fromStatement(error)
      if (meaning instanceof StoreUnavailable) this.#availability.lost(meaning)
      throw meaning
    }
  }

  release(destroy = false): void {
    this.#client.release(destroy || this.#abandoned || !this.#pool.isFresh(this.#client))
  }
}
