import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
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
import { FleetLink } from './fleet-link.ts'
import { isAbout, type Message, type MessagePort, type Packed, packOperation, unpackAnswer } from './messages.ts'

export interface FleetStateOptions {
  /** Milliseconds the primary may take to answer before it counts as unreachable. Default 1,000. */
  readonly timeout?: number | undefined
  /** Settlements kept while the primary is unreachable; beyond it the oldest are dropped. Default 100,000. */
  readonly maxSettlements?: number | undefined
}

/** Between signs of life, ms. */
const beatInterval = 1000

/** The shared state of a worker without Redis: its primary's, over the channel between them. */
export class FleetState implements SharedState {
  readonly kind = 'fleet'
  readonly #link: FleetLink
  readonly #leases: RemoteLeases
  readonly #channels: Channels
  readonly #events: SharedStateEvents
  readonly #reconnected = new Set<() => void>()
  readonly #beat: NodeJS.Timeout

  constructor(port: MessagePort, options: FleetStateOptions = {}, events: SharedStateEvents = {}) {
    this.#events = events
    this.#channels = new Channels(error => events.failed?.(error))
    this.#link = new FleetLink(port, options.timeout ?? 1000, {
      up: () => this.#up(),
      down: reason => events.lost?.(reason),
    })
    const link = this.#link
    this.#leases = new RemoteLeases(
      {
        get available() {
          return link.available
        },
        exchange: async collect => {
          await turn()
          return this.#exchange(collect())
        },
      },
      options.maxSettlements ?? 100_000,
      events,
    )
    port.onMessage(message => {
      if (isAbout<Message>('message', message)) this.#channels.deliver(message.channel, message.message)
    })
    this.#beat = setInterval(() => {
      if (this.available) this.#leases.beat().catch(() => {})
    }, beatInterval)
    this.#beat.unref()
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
    return (await this.#link.ask<string | null>('get', [key])) ?? undefined
  }

  async set(key: string, value: string, ttl: number | undefined): Promise<void> {
    await this.#link.ask('set', ttl === undefined ? [key, value] : [key, value, ttl])
  }

  async delete(keys: readonly string[]): Promise<void> {
    await this.#link.ask('delete', keys)
  }

  increment(key: string, ttl: number): Promise<number> {
    return this.#link.ask('increment', [key, ttl])
  }

  async lock(name: string, ttl: number): Promise<Lock | undefined> {
    const token = randomUUID()
    if (!(await this.#link.ask<boolean>('lock', [name, token, ttl]))) return undefined
    return {
      extend: more => this.#link.ask('extend', [name, token, more]),
      release: async () => {
        await this.#link.ask('release', [name, token])
      },
    }
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#link.ask('publish', [channel, message])
  }

  subscribe(channel: string, listener: MessageListener): () => void {
    const own: MessageListener = message => listener(message)
    if (this.#channels.add(channel, own)) this.#link.tell('subscribe', [channel])
    return () => {
      if (this.#channels.remove(channel, own)) this.#link.tell('unsubscribe', [channel])
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

  async #exchange(operations: readonly Operation[]): Promise<Answers> {
    const answers = await this.#link.ask<readonly Packed[]>('leases', operations.map(packOperation))
    return answers.map(unpackAnswer)
  }

  #up(): void {
    this.#leases.resume()
    for (const listener of [...this.#reconnected]) {
      try {
        listener()
      } catch (error) {
        this.#events.failed?.(error)
      }
    }
  }
}
