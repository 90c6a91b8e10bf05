import { createHash, randomUUID } from 'node:crypto'
import { ErrorReply } from '@redis/client'
import { Channels, type MessageListener } from '../channels.ts'
import type { Answers, Operation } from '../remote/operation.ts'
import { RemoteLeases } from '../remote/remote-leases.ts'
import type {
  CounterValue,
  LeaseItem,
  LeaseResult,
  Lock,
  SharedState,
  SharedStateEvents,
  Window,
} from '../shared-state.ts'
import type { Connection } from './connection.ts'
import { type RedisKeys, redisKeys } from './keys.ts'
import { encodeOperations } from './lease-codec.ts'
import { LeaseCommand } from './lease-command.ts'
import { leaseScript } from './lease-script.ts'
import { Link } from './link.ts'
import type { RedisOptions } from './options.ts'

/** Only the holder of the token may release or extend. */
const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`
const extendScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`
const incrementScript = `local value = redis.call('INCR', KEYS[1])
if value == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return value`

/** Uses every command that the script knows; leaves nothing that lasts. */
const contact: readonly Operation[] = [
  { what: 'add', key: '\0contact', amount: 0, window: { kind: 'rate', ms: 60_000 } },
  { what: 'cancel', id: '\0contact' },
  { what: 'sweep' },
]

/** Between signs of life, ms: a lost Redis is noticed without calls, and expired leases are given back. */
const beatInterval = 1000

/** The shared state of replicas: Redis or Valkey, standalone, behind sentinels or as a cluster. */
export class RedisState implements SharedState {
  readonly kind = 'redis'
  readonly #keys: RedisKeys
  readonly #link: Link
  readonly #leases: RemoteLeases
  readonly #channels: Channels
  readonly #reconnected = new Set<() => void>()
  readonly #events: SharedStateEvents
  /** What this connection subscribed to. */
  #subscribed = new Map<string, MessageListener>()
  readonly #script: string
  readonly #sha: string
  #beat: NodeJS.Timeout | undefined
  #opened = false

  private constructor(options: RedisOptions, events: SharedStateEvents, script: string) {
    this.#events = events
    this.#keys = redisKeys(options.prefix)
    this.#script = script
    this.#sha = createHash('sha1').update(script).digest('hex')
    this.#channels = new Channels(error => events.failed?.(error))
    this.#link = new Link(options, this.#keys.tag, {
      prepare: connection => this.#prepare(connection),
      up: () => this.#up(),
      down: reason => events.lost?.(reason),
    })
    const link = this.#link
    this.#leases = new RemoteLeases(
      {
        get available() {
          return link.available
        },
        exchange: collect => this.#exchange(collect),
      },
      options.maxSettlements ?? 100_000,
      events,
    )
  }

  /**
   * Connects; where Redis is away it is opened all the same, unavailable, and keeps trying.
   * @param script for tests, which give it a clock of their own
   */
  static async open(
    options: RedisOptions,
    events: SharedStateEvents = {},
    script: string = leaseScript,
  ): Promise<RedisState> {
    const state = new RedisState(options, events, script)
    await state.#link.start()
    state.#opened = true
    state.#beat = setInterval(() => {
      if (state.available) state.#leases.beat().catch(() => {})
    }, beatInterval)
    state.#beat.unref()
    return state
  }

  get available(): boolean {
    return this.#link.available
  }

  reserve(id: string, items: readonly LeaseItem[], ttl: number): Promise<LeaseResult> {
    return this.#leases.reserve(id, items, ttl)
  }

  settle(id: string, actual: readonly number[] | undefined): void {
    this.#leases.settle(id, actual)
  }

  renew(ids: readonly string[], ttl: number): Promise<void> {
    return this.#leases.renew(ids, ttl)
  }

  read(keys: readonly string[]): Promise<readonly CounterValue[]> {
    return this.#leases.read(keys)
  }

  async add(items: readonly { readonly key: string; readonly amount: number; readonly window: Window }[]) {
    await Promise.all(items.map(({ key, amount, window }) => this.#leases.change('add', key, amount, window)))
  }

  async assign(items: readonly { readonly key: string; readonly value: number; readonly window: Window }[]) {
    await Promise.all(items.map(({ key, value, window }) => this.#leases.change('assign', key, value, window)))
  }

  async get(key: string): Promise<string | undefined> {
    const value = await this.#send(['GET', this.#keys.value(key)])
    return value === null ? undefined : String(value)
  }

  async set(key: string, value: string, ttl: number | undefined): Promise<void> {
    await this.#send(['SET', this.#keys.value(key), value, ...(ttl === undefined ? [] : ['PX', String(ttl)])])
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#send(['DEL', ...keys.map(key => this.#keys.value(key))])
  }

  async increment(key: string, ttl: number): Promise<number> {
    return Number(await this.#send(['EVAL', incrementScript, '1', this.#keys.value(key), String(ttl)]))
  }

  async lock(name: string, ttl: number): Promise<Lock | undefined> {
    const key = this.#keys.lock(name)
    const token = randomUUID()
    if ((await this.#send(['SET', key, token, 'NX', 'PX', String(ttl)])) === null) return undefined
    return {
      extend: async more => (await this.#send(['EVAL', extendScript, '1', key, token, String(more)])) === 1,
      release: async () => {
        await this.#send(['EVAL', releaseScript, '1', key, token])
      },
    }
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#send(['PUBLISH', this.#keys.channel(channel), message])
  }

  subscribe(channel: string, listener: MessageListener): () => void {
    const own: MessageListener = message => listener(message)
    if (this.#channels.add(channel, own)) this.#inBackground(at => this.#subscribe(at, channel))
    return () => {
      if (this.#channels.remove(channel, own)) this.#inBackground(at => this.#unsubscribe(at, channel))
    }
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener)
    return () => this.#reconnected.delete(listener)
  }

  flush(): Promise<void> {
    return this.#leases.flush()
  }

  async close(): Promise<void> {
    clearInterval(this.#beat)
    await this.#leases.flush().catch(() => {})
    this.#leases.close()
    this.#link.close()
  }

  #send(args: readonly string[]): Promise<unknown> {
    return this.#link.run(connection => connection.send(args))
  }

  async #exchange(collect: () => readonly Operation[]): Promise<Answers> {
    const command = new LeaseCommand(this.#sha, this.#keys.leases, collect)
    const reply = await this.#link.run(async connection => {
      try {
        return await connection.sendBytes(command)
      } catch (error) {
        if (!(error instanceof ErrorReply) || !error.message.startsWith('NOSCRIPT')) throw error
        return this.#evaluate(connection, command[7])
      }
    })
    return command.answersIn(reply as Buffer)
  }

  /**
   * Nothing counts as back before a run of the script, writes included: a replica, a full Redis or one that does not let
   * this user run what it must would answer, but be of no use. The server knows the script from then on.
   */
  async #prepare(connection: Connection): Promise<void> {
    await this.#evaluate(connection, encodeOperations(contact))
  }

  #evaluate(connection: Connection, message: Buffer): Promise<unknown> {
    return connection.sendBytes(['EVAL', this.#script, '4', ...this.#keys.leases, message])
  }

  async #subscribe(connection: Connection, channel: string): Promise<void> {
    if (this.#subscribed.has(channel)) return
    const listener: MessageListener = message => this.#channels.deliver(channel, message)
    this.#subscribed.set(channel, listener)
    await connection.subscribe(this.#keys.channel(channel), listener)
  }

  async #unsubscribe(connection: Connection, channel: string): Promise<void> {
    const listener = this.#subscribed.get(channel)
    if (listener === undefined) return
    this.#subscribed.delete(channel)
    await connection.unsubscribe(this.#keys.channel(channel), listener)
  }

  /** Without contact nothing is to be done: the next connection subscribes to all there is. */
  #inBackground(use: (connection: Connection) => Promise<void>): void {
    if (!this.available) return
    this.#link.run(use).catch((error: unknown) => {
      if (this.available) this.#events.failed?.(error)
    })
  }

  #up(): void {
    // First: who reads anew after the loss of contact then misses no message.
    this.#subscribed = new Map()
    for (const channel of this.#channels.names) this.#inBackground(at => this.#subscribe(at, channel))
    this.#leases.resume()
    if (!this.#opened) return
    for (const listener of [...this.#reconnected]) {
      try {
        listener()
      } catch (error) {
        this.#events.failed?.(error)
      }
    }
  }
}
