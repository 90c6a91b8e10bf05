import { ErrorReply } from '@redis/client'
import { StateUnavailable } from '../shared-state.ts'
import { Connection } from './connection.ts'
import { Locator } from './locate.ts'
import type { RedisOptions } from './options.ts'

export interface LinkEvents {
  /** Contact is there, for the first time or again; before it counts as available. */
  readonly prepare: (connection: Connection) => Promise<void>
  readonly up: () => void
  /** Once per outage, with its reason. */
  readonly down: (reason: Error) => void
}

/** Between attempts to connect, ms. */
const retryDelay = 1000

/** Another server has our keys, or this one cannot take writes now: look again for the one that can. */
const elsewhere = /^(MOVED|ASK|TRYAGAIN|READONLY|CLUSTERDOWN|MASTERDOWN|LOADING|NOREPLICAS|NOAUTH|UNBLOCKED)\b/
/** It cannot do it now; the connection is as good as any other. */
const notNow = /^(BUSY|OOM|MISCONF|NOPERM|WRONGPASS)\b/

/**
 * The link to the primary, kept up: connects, notices its loss, fails at once while it is away, finds it again.
 */
export class Link {
  readonly #options: RedisOptions
  readonly #events: LinkEvents
  readonly #locator: Locator
  #connection: Connection | undefined
  #retry: NodeJS.Timeout | undefined
  #connecting: Promise<void> | undefined
  #upSince = 0
  #down = false
  #closed = false

  constructor(options: RedisOptions, tag: string, events: LinkEvents) {
    this.#options = options
    this.#events = events
    this.#locator = new Locator(options, tag, () => this.#password())
  }

  get available(): boolean {
    return this.#connection !== undefined
  }

  /** The first attempt; where it fails the next ones follow by themselves. */
  start(): Promise<void> {
    return this.#connect()
  }

  /** @throws StateUnavailable */
  run<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#connection
    if (connection === undefined) return Promise.reject(new StateUnavailable('Redis cannot be reached'))
    return use(connection).catch((error: unknown) => {
      throw this.#judge(connection, error)
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#connection?.fail(new StateUnavailable('the shared state is closed'))
    this.#connection = undefined
  }

  #judge(connection: Connection, error: unknown): unknown {
    if (!(error instanceof ErrorReply)) return error
    if (elsewhere.test(error.message)) {
      const reason = new StateUnavailable(`Redis: ${error.message}`, { cause: error })
      connection.fail(reason)
      return reason
    }
    return notNow.test(error.message) ? new StateUnavailable(`Redis: ${error.message}`, { cause: error }) : error
  }

  #connect(): Promise<void> {
    this.#connecting ??= this.#attempt().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #attempt(): Promise<void> {
    let connection: Connection | undefined
    try {
      const address = await this.#locator.find()
      const { username, db } = this.#options
      const login = { username, password: await this.#password(), db }
      connection = await Connection.open(address, login, this.#options, reason => this.#lost(connection, reason))
      await this.#events.prepare(connection)
      if (this.#closed) return connection.fail(new StateUnavailable('the shared state is closed'))
      if (connection.lost) throw new StateUnavailable('Redis closed the connection')
      this.#connection = connection
      this.#upSince = performance.now()
      this.#down = false
      this.#events.up()
    } catch (error) {
      connection?.fail(error)
      this.#failed(error)
    }
  }

  #lost(connection: Connection | undefined, reason: Error): void {
    if (connection === undefined || connection !== this.#connection) return
    this.#connection = undefined
    this.#tell(reason)
    // It may only have been a pause: the first attempt follows at once, unless that was the last one's fate.
    this.#later(performance.now() - this.#upSince < retryDelay ? retryDelay : 0)
  }

  #failed(error: unknown): void {
    this.#tell(error instanceof StateUnavailable ? error : new StateUnavailable(this.#why(error), { cause: error }))
    this.#later(retryDelay)
  }

  #why(error: unknown): string {
    const message = error instanceof Error ? error.message : String(error)
    const cluster = this.#options.place.kind !== 'cluster' && message.startsWith('MOVED')
    return cluster ? 'this Redis is a node of a cluster; name it as one' : `Redis: ${message}`
  }

  #tell(reason: Error): void {
    if (this.#closed || this.#down) return
    this.#down = true
    this.#events.down(reason)
  }

  #later(ms: number): void {
    if (this.#closed) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#connect(), ms)
  }

  async #password(): Promise<string | undefined> {
    const { password } = this.#options
    return (typeof password === 'function' ? await password() : password)?.reveal()
  }
}
