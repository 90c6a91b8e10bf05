import type { Clock } from '../../clock.ts'
import { NamedSlots } from '../../slots.ts'
import {
  type CounterValue,
  DuplicateLease,
  type LeaseItem,
  type LeaseResult,
  StateUnavailable,
  type Window,
} from '../shared-state.ts'
import { type Counter, counterValue, endOf, isOver, runs } from './counter.ts'
import { Expiries, type Expiring } from './expiries.ts'

export interface LeaseBookLimits {
  /** Beyond it counters whose window ended go, then rate windows that nothing holds. Default 1,000,000. */
  readonly maxCounters?: number
  /** Live leases and records of expired ones. Default 1,000,000. */
  readonly maxLeases?: number
}

interface Lease extends Expiring {
  readonly id: string
  readonly owner: number
  readonly items: readonly LeaseItem[]
  readonly counters: readonly Counter[]
  /** End of each item's window when it was taken. */
  readonly ends: readonly number[]
  /** False once it expired: nothing is reserved any more, a late settle still counts the use. */
  live: boolean
}

/** Counters that are missing and can be seeded: the items' indices. */
export class NeedsSeeds {
  readonly items: readonly number[]

  constructor(items: readonly number[]) {
    this.items = items
  }
}

/** How long a late settle still counts, ms. */
const recordTtl = 3_600_000
/** Leases that expire within one call at most, so that no call pays for a crowd. */
const reapedPerCall = 100
const sweptPerTick = 20_000
const roomSearch = 2000

/**
 * Counters and leases in this process: what every adapter of the shared state must do, in the plainest form. Synchronous;
 * `bench/shared-state.ts` measures a reservation and its settlement.
 */
export class LeaseBook {
  readonly #counters = new Map<string, Counter>()
  readonly #leases = new NamedSlots<Lease>()
  readonly #expiries = new Expiries<Lease>()
  readonly #records = new Expiries<Lease>()
  readonly #clock: Pick<Clock, 'epoch'>
  readonly #maxCounters: number
  readonly #maxLeases: number
  #sweeping: Iterator<[string, Counter]> | undefined

  constructor(clock: Pick<Clock, 'epoch'>, limits: LeaseBookLimits = {}) {
    this.#clock = clock
    this.#maxCounters = limits.maxCounters ?? 1_000_000
    this.#maxLeases = limits.maxLeases ?? 1_000_000
  }

  get size(): { readonly counters: number; readonly leases: number } {
    return { counters: this.#counters.size, leases: this.#leases.size }
  }

  /**
   * @param seeds what missing counters start at; one whose item has a seed must be in it, else `NeedsSeeds` is the answer
   * @param owner the worker whose end ends the lease
   */
  reserve(
    id: string,
    items: readonly LeaseItem[],
    ttl: number,
    seeds?: ReadonlyMap<string, number>,
    owner = 0,
  ): LeaseResult | NeedsSeeds {
    const now = this.#clock.epoch()
    if (this.#expiries.isDue(now)) this.#reap(now, reapedPerCall)
    if (this.#leases.has(id)) throw new DuplicateLease(id)
    const count = items.length
    const found = new Array<Counter | undefined>(count)
    let missing = 0
    let refusing = -1
    let unseeded: number[] | undefined
    for (let i = 0; i < count; i++) {
      const item = items[i] as LeaseItem
      const counter = this.#counters.get(item.key)
      found[i] = counter
      let used = 0
      let reserved = 0
      if (counter === undefined) {
        missing++
        if (item.seed !== undefined) {
          const seed = seeds?.get(item.key)
          if (seed === undefined) {
            unseeded ??= []
            unseeded.push(i)
          } else used = seed
        }
      } else if (runs(counter, item.window, now)) {
        used = counter.used
        reserved = counter.reserved
      }
      if (refusing < 0 && !fits(item, used, reserved)) refusing = i
    }
    if (unseeded !== undefined) return new NeedsSeeds(unseeded)
    if (refusing >= 0) return refusal(refusing, items, found, seeds, now)
    if (missing > 0) this.#makeRoom(missing, now)
    if (this.#leases.size >= this.#maxLeases) this.#dropRecord()

    const ends = new Array<number>(count)
    const values = new Array<CounterValue>(count)
    for (let i = 0; i < count; i++) {
      const item = items[i] as LeaseItem
      let counter = found[i]
      if (counter === undefined) {
        counter = this.#open(item.key, item.window, seeds?.get(item.key) ?? 0, now)
        found[i] = counter
      } else if (!runs(counter, item.window, now)) restart(counter, item.window, now)
      counter.reserved += item.amount
      ends[i] = counter.end
      values[i] = counterValue(counter.used, counter.reserved, counter.end)
    }
    const lease: Lease = {
      expiresAt: 0,
      list: undefined,
      previous: undefined,
      next: undefined,
      id,
      owner,
      items,
      counters: found as Counter[],
      ends,
      live: true,
    }
    this.#leases.add(id, lease)
    this.#expiries.add(lease, now, ttl)
    return { granted: true, values }
  }

  settle(id: string, actual: readonly number[] | undefined): void {
    const now = this.#clock.epoch()
    if (this.#expiries.isDue(now)) this.#reap(now, reapedPerCall)
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    this.#leases.delete(id)
    if (lease.live) {
      this.#expiries.remove(lease)
      giveBack(lease)
    } else this.#records.remove(lease)
    if (actual !== undefined) countUse(lease, actual)
  }

  renew(ids: readonly string[], ttl: number): void {
    const now = this.#reapNow()
    for (const id of ids) {
      const lease = this.#leases.get(id)
      if (lease?.live !== true) continue
      this.#expiries.remove(lease)
      this.#expiries.add(lease, now, ttl)
    }
  }

  read(key: string): CounterValue {
    const now = this.#reapNow()
    const counter = this.#counters.get(key)
    if (counter === undefined || (counter.end > 0 && now >= counter.end)) return counterValue(0, 0, 0)
    return counterValue(counter.used, counter.reserved, counter.end)
  }

  add(key: string, amount: number, window: Window): void {
    const counter = this.#running(key, window)
    counter.used = Math.max(0, counter.used + amount)
  }

  assign(key: string, value: number, window: Window): void {
    this.#running(key, window).used = Math.max(0, value)
  }

  /** Ends the leases of a worker that is gone, as if their time were over. */
  endLeasesOf(owner: number): void {
    const now = this.#clock.epoch()
    for (const lease of this.#leases.values()) {
      if (lease.owner !== owner || !lease.live) continue
      this.#expiries.remove(lease)
      this.#expire(lease, now)
    }
  }

  /** Gives back what expired and forgets counters that are over; a part at a time, for a timer. */
  sweep(): void {
    const now = this.#clock.epoch()
    this.#reap(now, sweptPerTick)
    this.#sweepCounters(now, sweptPerTick)
  }

  #reapNow(): number {
    const now = this.#clock.epoch()
    if (this.#expiries.isDue(now)) this.#reap(now, reapedPerCall)
    return now
  }

  #reap(now: number, most: number): void {
    for (let i = 0; i < most; i++) {
      const lease = this.#expiries.take(now)
      if (lease === undefined) break
      this.#expire(lease, now)
    }
    for (let i = 0; i < most && this.#records.isDue(now); i++) {
      const lease = this.#records.take(now)
      if (lease !== undefined) this.#leases.delete(lease.id)
    }
  }

  #expire(lease: Lease, now: number): void {
    giveBack(lease)
    lease.live = false
    this.#records.add(lease, now, recordTtl)
  }

  #running(key: string, window: Window): Counter {
    const now = this.#reapNow()
    const counter = this.#counters.get(key)
    if (counter === undefined) {
      this.#makeRoom(1, now)
      return this.#open(key, window, 0, now)
    }
    if (!runs(counter, window, now)) restart(counter, window, now)
    return counter
  }

  #open(key: string, window: Window, used: number, now: number): Counter {
    // A key that one reservation names twice was missing twice.
    const existing = this.#counters.get(key)
    if (existing !== undefined) return existing
    const counter: Counter = { kind: window.kind, used, reserved: 0, end: endOf(window, now) }
    this.#counters.set(key, counter)
    return counter
  }

  #makeRoom(missing: number, now: number): void {
    const tooMany = this.#counters.size + missing - this.#maxCounters
    if (tooMany <= 0) return
    this.#sweepCounters(now, roomSearch)
    let evictable = this.#counters.size + missing - this.#maxCounters
    if (evictable <= 0) return
    let searched = 0
    for (const [key, counter] of this.#counters) {
      if (counter.kind === 'rate' && counter.reserved === 0) {
        this.#counters.delete(key)
        if (--evictable <= 0) return
      }
      if (++searched >= roomSearch) break
    }
    throw new StateUnavailable(`more than ${this.#maxCounters} counters are in use`)
  }

  #dropRecord(): void {
    const record = this.#records.takeFirst(recordTtl)
    if (record === undefined) throw new StateUnavailable(`more than ${this.#maxLeases} leases are held`)
    this.#leases.delete(record.id)
  }

  #sweepCounters(now: number, most: number): void {
    this.#sweeping ??= this.#counters.entries()
    for (let i = 0; i < most; i++) {
      const { done, value } = this.#sweeping.next()
      if (done === true) {
        this.#sweeping = undefined
        return
      }
      const [key, counter] = value
      if (isOver(counter, now)) this.#counters.delete(key)
    }
  }
}

function fits({ limit, amount, overdraft }: LeaseItem, used: number, reserved: number): boolean {
  const within = used + reserved + amount <= limit || (overdraft && reserved === 0 && used < limit)
  // Infinity could not be given back: the difference would be no number.
  return within && amount < Number.POSITIVE_INFINITY
}

function restart(counter: Counter, window: Window, now: number): void {
  counter.used = 0
  counter.reserved = 0
  counter.end = endOf(window, now)
}

function refusal(
  item: number,
  items: readonly LeaseItem[],
  found: readonly (Counter | undefined)[],
  seeds: ReadonlyMap<string, number> | undefined,
  now: number,
): LeaseResult {
  const values = items.map(({ key, window, seed }, i) => {
    const counter = found[i]
    if (counter === undefined)
      return counterValue(seed === undefined ? 0 : (seeds?.get(key) ?? 0), 0, endOf(window, now))
    if (!runs(counter, window, now)) return counterValue(0, 0, endOf(window, now))
    return counterValue(counter.used, counter.reserved, counter.end)
  })
  return { granted: false, item, value: values[item] as CounterValue, values }
}

function giveBack({ items, counters, ends }: Lease): void {
  for (let i = 0; i < counters.length; i++) {
    const counter = counters[i] as Counter
    if (counter.end === ends[i]) counter.reserved -= (items[i] as LeaseItem).amount
  }
}

function countUse({ counters, ends }: Lease, actual: readonly number[]): void {
  for (let i = 0; i < counters.length; i++) {
    const counter = counters[i] as Counter
    const use = actual[i]
    if (use !== undefined && use > 0 && counter.kind !== 'live' && counter.end === ends[i]) counter.used += use
  }
}
