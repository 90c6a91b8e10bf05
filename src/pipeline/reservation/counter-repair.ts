import type { CountedSpend } from '../../governance/limits/spend-source.ts'
import type { Clock } from '../../platform/clock.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'

/** Milliseconds after which a counter is held against the books: once they have what was on its way, and again for stragglers. */
const looks: readonly number[] = [1000, 5000, 20_000, 60_000, 600_000]
const tick = 1000
/** Counters of one tick: what all processes start from the books after a restart must not be a storm on them. */
const batch = 100
const maxCounters = 20_000
/** Milliseconds in which the settlement of a call that is in the books has arrived for certain. */
const settling = 250
/** Two contacts with shared state; short, because a lock that was asked for in an outage may be held by nobody. */
const lockTime = 3000

interface Watched {
  readonly counter: CountedSpend
  /** Looks taken. */
  taken: number
  /** Monotonic milliseconds. */
  at: number
}

/**
 * Keeps budget counters from falling behind the books. A counter that was lost (Redis restarted) starts at what the books
 * say at that moment, and the spend of an outage is known to the books alone: both miss the calls that are still on
 * their way there. So such a counter is looked at again when they have arrived, and raised by what it lacks. Never
 * lowered: calls settle before they are shipped, so a sound counter is not below the books.
 */
export class CounterRepair {
  readonly #state: SharedState
  readonly #clock: Clock
  readonly #log: Logger
  readonly #shipping: () => boolean
  readonly #watched = new Map<string, Watched>()
  readonly #forget: () => void
  #timer: NodeJS.Timeout | undefined
  #running = false
  #closed = false

  /** @param shipping calls that ended a while ago are still on their way to the books */
  constructor(state: SharedState, clock: Clock, log: Logger, shipping: () => boolean = () => false) {
    this.#state = state
    this.#clock = clock
    this.#log = log
    this.#shipping = shipping
    this.#forget = state.onReconnect(() => this.#again())
  }

  get size(): number {
    return this.#watched.size
  }

  /** The counter was started from the books, or calls have counted without it. */
  watch(counter: CountedSpend): void {
    if (this.#closed || this.#watched.has(counter.key) || this.#watched.size >= maxCounters) return
    this.#watched.set(counter.key, { counter, taken: 0, at: this.#clock.now() + (looks[0] ?? 0) })
    this.#timer ??= setInterval(() => void this.#tick(), tick).unref()
  }

  close(): void {
    this.#closed = true
    this.#forget()
    this.#watched.clear()
    clearInterval(this.#timer)
  }

  /** Contact is back: whatever was looked at in the meantime says nothing. */
  #again(): void {
    const at = this.#clock.now() + (looks[0] ?? 0)
    for (const watched of this.#watched.values()) Object.assign(watched, { taken: 0, at })
  }

  async #tick(): Promise<void> {
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    // While the books catch up after an outage of their own, a look would be taken in vain.
    if (this.#running || !this.#state.available || this.#shipping()) return
    this.#running = true
    try {
      await this.#round()
    } catch (error) {
      // Books or shared state are away: at the next tick, then.
      this.#log.debug(
        { err: error, counters: this.#watched.size },
        'budget counters could not be held against the books',
      )
    } finally {
      this.#running = false
    }
  }

  async #round(): Promise<void> {
    const now = this.#clock.now()
    const due: Watched[] = []
    for (const watched of this.#watched.values()) {
      if (watched.at > now) continue
      if (ended(watched.counter, this.#clock.epoch())) this.#watched.delete(watched.counter.key)
      else if (due.push(watched) === batch) break
    }
    if (due.length === 0) return
    const raised = await this.#fill(due.map(({ counter }) => counter))
    if (raised === undefined) return
    for (const watched of due) this.#looked(watched, now, raised.has(watched.counter))
  }

  /**
   * The books are read first, the counters a moment later: in between those can only have grown.
   * @returns those that were behind; undefined when another process is at it
   */
  async #fill(counters: readonly CountedSpend[]): Promise<ReadonlyMap<CountedSpend, number> | undefined> {
    const booked = new Map<CountedSpend, number>()
    for (const counter of counters) booked.set(counter, await counter.spent())
    await new Promise(resolve => setTimeout(resolve, settling))
    const behind = await this.#behind(booked)
    if (behind.size === 0) return behind
    // Asked twice: an object may have been reset between the two readings.
    for (const counter of behind.keys()) {
      booked.set(counter, Math.min(booked.get(counter) ?? 0, await counter.spent()))
    }
    // Two processes that find the same gap must not both fill it.
    const lock = await this.#state.lock('counter-repair', lockTime)
    if (lock === undefined) return undefined
    try {
      const items = [...(await this.#behind(booked))].map(([{ key, window }, amount]) => ({ key, amount, window }))
      await this.#state.add(items)
      for (const { key, amount } of items) {
        this.#log.info({ counter: key, nano_dollars: amount }, 'a budget counter was behind the books')
      }
    } finally {
      await lock.release().catch(() => undefined)
    }
    return behind
  }

  /** What counters lack of what the books have. */
  async #behind(booked: ReadonlyMap<CountedSpend, number>): Promise<Map<CountedSpend, number>> {
    const counters = [...booked.keys()]
    const values = await this.#state.read(counters.map(({ key }) => key))
    const epoch = this.#clock.epoch()
    const found = new Map<CountedSpend, number>()
    for (const [index, counter] of counters.entries()) {
      const missing = (booked.get(counter) ?? 0) - (values[index]?.used ?? 0)
      if (missing > 0 && !ended(counter, epoch)) found.set(counter, missing)
    }
    return found
  }

  /** One that was behind is behind again a moment later, as long as the calls of an outage are being shipped. */
  #looked(watched: Watched, now: number, raised: boolean): void {
    const before = raised ? 0 : (looks[watched.taken] ?? 0)
    watched.taken = raised ? 0 : watched.taken + 1
    const next = looks[watched.taken]
    if (next === undefined) this.#watched.delete(watched.counter.key)
    else watched.at = now + next - before
  }
}

/** The next window's counter starts anew. */
const ended = ({ window }: CountedSpend, epoch: number): boolean => window.kind === 'until' && window.at <= epoch
