import { randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '../../clock.ts'
import { Channels } from '../channels.ts'
import { Seeds } from '../seeds.ts'
import type {
  CounterValue,
  LeaseItem,
  LeaseResult,
  Lock,
  SharedState,
  SharedStateEvents,
  Window,
} from '../shared-state.ts'
import { LeaseBook, type LeaseBookLimits, NeedsSeeds } from './lease-book.ts'
import { Locks } from './locks.ts'
import { Values } from './values.ts'

export interface MemoryStateOptions extends LeaseBookLimits, SharedStateEvents {
  readonly clock?: Pick<Clock, 'epoch'>
  /** Small values kept at most; the ones set longest ago go first. Default 100,000. */
  readonly maxValues?: number
}

const tick = 1000
const sweptValuesPerTick = 10_000

/** The shared state of one process; in a primary also that of its workers, which `FleetServer` lets in. */
export class MemoryState implements SharedState {
  readonly kind = 'memory'
  readonly available = true
  readonly book: LeaseBook
  readonly locks: Locks
  readonly values: Values
  readonly #seeds = new Seeds()
  readonly #channels: Channels
  readonly #timer: NodeJS.Timeout

  constructor(options: MemoryStateOptions = {}) {
    const clock = options.clock ?? systemClock
    this.book = new LeaseBook(clock, options)
    this.locks = new Locks(clock)
    this.values = new Values(clock, options.maxValues ?? 100_000)
    this.#channels = new Channels(error => options.failed?.(error))
    this.#timer = setInterval(() => this.sweep(), tick)
    this.#timer.unref()
  }

  reserve(id: string, items: readonly LeaseItem[], ttl: number): LeaseResult | Promise<LeaseResult> {
    const result = this.book.reserve(id, items, ttl)
    return result instanceof NeedsSeeds ? this.#reserveSeeded(id, items, ttl, result) : result
  }

  settle(id: string, actual: readonly number[] | undefined): void {
    this.book.settle(id, actual)
  }

  async renew(ids: readonly string[], ttl: number): Promise<void> {
    this.book.renew(ids, ttl)
  }

  async read(keys: readonly string[]): Promise<readonly CounterValue[]> {
    return keys.map(key => this.book.read(key))
  }

  async add(items: readonly { readonly key: string; readonly amount: number; readonly window: Window }[]) {
    for (const { key, amount, window } of items) this.book.add(key, amount, window)
  }

  async assign(items: readonly { readonly key: string; readonly value: number; readonly window: Window }[]) {
    for (const { key, value, window } of items) this.book.assign(key, value, window)
  }

  async get(key: string): Promise<string | undefined> {
    return this.values.get(key)
  }

  async set(key: string, value: string, ttl: number | undefined): Promise<void> {
    this.values.set(key, value, ttl)
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.values.delete(key)
  }

  async increment(key: string, ttl: number): Promise<number> {
    return this.values.increment(key, ttl)
  }

  async lock(name: string, ttl: number): Promise<Lock | undefined> {
    const token = randomUUID()
    if (!this.locks.take(name, token, ttl, 0)) return undefined
    return {
      extend: async more => this.locks.extend(name, token, more),
      release: async () => this.locks.release(name, token),
    }
  }

  /** Delivers in a turn of its own, as a message from elsewhere would come. */
  async publish(channel: string, message: string): Promise<void> {
    await Promise.resolve()
    this.#channels.deliver(channel, message)
  }

  subscribe(channel: string, listener: (message: string) => void): () => void {
    const own = (message: string): void => listener(message)
    this.#channels.add(channel, own)
    return () => void this.#channels.remove(channel, own)
  }

  /** Contact with oneself is never lost. */
  onReconnect(_listener: () => void): () => void {
    return () => {}
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    clearInterval(this.#timer)
  }

  /** Once a second by itself. */
  sweep(): void {
    this.book.sweep()
    this.values.sweep(sweptValuesPerTick)
    this.locks.sweep()
  }

  async #reserveSeeded(id: string, items: readonly LeaseItem[], ttl: number, needs: NeedsSeeds): Promise<LeaseResult> {
    let missing = needs
    const seeds = new Map<string, number>()
    for (;;) {
      for (const [key, seed] of await this.#seeds.of(items, missing.items)) seeds.set(key, seed)
      const result = this.book.reserve(id, items, ttl, seeds)
      if (!(result instanceof NeedsSeeds)) return result
      // A counter ended while the seeds of others were read.
      missing = result
    }
  }
}
