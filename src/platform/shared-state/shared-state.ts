/**
 * The fast state that processes share: counters with leases, small values, locks and messages. In memory for one
 * process, in the primary for the workers of one machine, in Redis or Valkey for replicas.
 */
export interface SharedState {
  readonly kind: 'memory' | 'fleet' | 'redis'
  /** False while the last contact failed; turns true again by itself. */
  readonly available: boolean

  /**
   * Takes every item or none, in one round trip: the only contact a call makes before it is served. The memory adapter
   * answers at once, without a promise; it keeps `items`, so they may not change until the lease is settled.
   * A reservation counts in the window it was made in: when that ends, what it held is forgotten with it, and its
   * settlement no longer counts. So a call that runs for minutes does not weigh on the minutes after its first.
   * @param id of the lease; settles and renewals name it. Made by us (`newId()`), never one that a caller sent: two calls
   *   of one id would be one lease
   * @param ttl milliseconds after which an unsettled lease gives everything back by itself
   * @throws StateUnavailable, also when a seed cannot be had (its reason is the `cause`). What a reservation that got no
   *   answer may have taken is given back as soon as the state is reached again
   * @throws DuplicateLease
   */
  reserve(id: string, items: readonly LeaseItem[], ttl: number): LeaseResult | Promise<LeaseResult>
  /**
   * Replaces what was reserved by what was used, item by item in the order of the reservation; `actual` undefined gives
   * everything back (a refused or failed call). Settling twice changes nothing, and so does settling a lease that is not
   * known: expired more than an hour ago, or lost with a Redis that kept nothing. Settling an expired lease still counts
   * the use. Batched: what is settled in one turn travels together. While the state is unreachable settles are kept
   * (bounded, the oldest dropped and counted) and sent later.
   */
  settle(id: string, actual: readonly number[] | undefined): void
  /** Extends the leases of calls that still run, from now on; not those that have expired. */
  renew(ids: readonly string[], ttl: number): Promise<void>
  /** What counters stand at; used + reserved. Absent ones, and those whose window ended, are 0. */
  read(keys: readonly string[]): Promise<readonly CounterValue[]>
  /**
   * Adds to counters outside a lease (late or corrected cost, reset by a negative amount; never below 0). When it throws
   * it may have been done: unlike a settle it has no id.
   */
  add(items: readonly { readonly key: string; readonly amount: number; readonly window: Window }[]): Promise<void>
  /** Sets counters to a value (`reset spend`), leases and the end of a running window kept. */
  assign(items: readonly { readonly key: string; readonly value: number; readonly window: Window }[]): Promise<void>

  get(key: string): Promise<string | undefined>
  /** @param ttl milliseconds; undefined: until deleted */
  set(key: string, value: string, ttl: number | undefined): Promise<void>
  delete(keys: readonly string[]): Promise<void>
  /** Adds one and returns the new value; the first increment starts the time to live. */
  increment(key: string, ttl: number): Promise<number>

  /** Held until released or `ttl` ms have passed without `extend`. Undefined: somebody else holds it. */
  lock(name: string, ttl: number): Promise<Lock | undefined>

  /** To every process, the sender included. At most once: a subscriber that was away has missed it. */
  publish(channel: string, message: string): Promise<void>
  subscribe(channel: string, listener: (message: string) => void): () => void
  /** Called when contact was lost and is back: messages may have been missed, caches must be dropped. */
  onReconnect(listener: () => void): () => void

  /** Sends what is still queued. @throws StateUnavailable when some of it could not be sent */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface Lock {
  extend(ttl: number): Promise<boolean>
  release(): Promise<void>
}

/**
 * How long a counter counts.
 * - `rate`: a window of that length that starts with the first use (LiteLLM's rate windows)
 * - `until`: to a moment, epoch ms (calendar-aligned budgets); the next use after it starts from 0 with the `until` given,
 *   if that is later: a process that has not noticed the end yet keeps counting in the old window
 * - `live`: as long as leases live (calls in parallel); settles give everything back
 * - `forever`: never resets
 */
export type Window =
  | { readonly kind: 'rate'; readonly ms: number }
  | { readonly kind: 'until'; readonly at: number }
  | { readonly kind: 'live' }
  | { readonly kind: 'forever' }

export interface LeaseItem {
  /** Unique name of the counter, window length included: `key:<hash>:requests:60s`. At most 16,000 characters. */
  readonly key: string
  readonly window: Window
  /**
   * Integer ≥ 0. Refused when used + reserved + amount > limit, by every item on its own: a key named twice in one
   * reservation is counted twice, but each is judged as if it were alone. Infinity only counts.
   */
  readonly limit: number
  /** Integer ≥ 0: what the call may use at worst. Infinity is refused, also where there is no limit. */
  readonly amount: number
  /**
   * True: a call may pass while used < limit and nothing else is reserved, even when its worst case is over the limit.
   * So one call at a time may overdraw, and a small budget stays usable. For tokens and money.
   */
  readonly overdraft: boolean
  /**
   * What the counter starts at when it is not there (Redis was emptied, or first use). A function is asked for it only
   * then: the reservation is then repeated with the answer, the one case of a second round trip.
   */
  readonly seed?: (() => Promise<number>) | undefined
}

export interface CounterValue {
  readonly used: number
  readonly reserved: number
  /** Epoch ms at which the window ends; undefined for `live` and `forever`. */
  readonly resetAt: number | undefined
}

export type LeaseResult =
  | { readonly granted: true /** After the reservation, item by item. */; readonly values: readonly CounterValue[] }
  | {
      readonly granted: false
      /** Index of the first item that refused. */
      readonly item: number
      readonly value: CounterValue
      readonly values: readonly CounterValue[]
    }

/** A lease of this id is held, or has expired within the hour: a defect of the caller, not a refusal. */
export class DuplicateLease extends Error {
  override readonly name = 'DuplicateLease'

  constructor(id: string) {
    super(`a lease with the id ${JSON.stringify(id.slice(0, 100))} exists`)
  }
}

/** What happens out of a caller's sight; for logs and metrics. */
export interface SharedStateEvents {
  /** So many settles were lost: the queue was full, or they could not be carried out. */
  readonly dropped?: ((settles: number) => void) | undefined
  /** Contact was lost; the reason. Once per outage. */
  readonly lost?: ((reason: Error) => void) | undefined
  /** A subscriber threw, or an answer made no sense. */
  readonly failed?: ((error: unknown) => void) | undefined
}

/** The shared state cannot be reached: an outage, never a refusal. */
export class StateUnavailable extends Error {
  override readonly name = 'StateUnavailable'
}
