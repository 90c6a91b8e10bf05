import type { Clock } from '../../platform/clock.ts'
import { type Store, StoreUnavailable } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { RoutingDecision } from '../decision.ts'
import type { CallOutcome, DecidedCall } from '../rollout/port.ts'
import { decisionRow, type SettledDecision } from './decision-row.ts'

export interface RecorderOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** Calls that are decided and not yet settled, at most. Default 20,000. */
  readonly maxPending?: number
  /** Settled decisions that wait for the store, at most. Default 20,000. */
  readonly maxQueued?: number
  /** Milliseconds from the first waiting decision to the write. Default 250. */
  readonly interval?: number
  /** Decisions written in a second at most. Default: all. */
  readonly perSecond?: () => number
}

export interface RecorderCounts {
  readonly pending: number
  readonly queued: number
  readonly written: number
  /** Gave way to newer ones while the store was away or slow. */
  readonly dropped: number
  /** Decided, and never settled. */
  readonly unsettled: number
  /** More in a second than are kept. */
  readonly thinned: number
}

/** Rows of one statement: 29 columns each, far below the limit of values. */
const batch = 250

/**
 * Brings decisions and what came of them into the store, in batches, out of every caller's way. Two bounded queues: of
 * calls that run, and of rows that wait. What is full drops its oldest and counts it: the books (`ledger`) are what must
 * not lose anything, this is what one learns from.
 *
 * A row costs the machine as much as relaying a call. Beyond some hundreds in a second no more is learnt from all of them
 * than from as many spread evenly over it, whatever was decided.
 */
export class DecisionRecorder {
  readonly #options: Required<RecorderOptions>
  readonly #pending = new Map<string, { readonly decision: RoutingDecision; readonly call: DecidedCall }>()
  #queue: SettledDecision[] = []
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #written = 0
  #dropped = 0
  #unsettled = 0
  #thinned = 0
  #room = 0
  #roomAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: RecorderOptions) {
    this.#options = {
      maxPending: 20_000,
      maxQueued: 20_000,
      interval: 250,
      perSecond: () => Number.POSITIVE_INFINITY,
      ...options,
    }
  }

  get counts(): RecorderCounts {
    return {
      pending: this.#pending.size,
      queued: this.#queue.length,
      written: this.#written,
      dropped: this.#dropped,
      unsettled: this.#unsettled,
      thinned: this.#thinned,
    }
  }

  /** One that was admitted. */
  decided(decision: RoutingDecision, call: DecidedCall): void {
    if (this.#closed) return
    if (this.#pending.size >= this.#options.maxPending) {
      const oldest = this.#pending.keys().next().value
      if (oldest !== undefined) this.#pending.delete(oldest)
      this.#unsettled++
    }
    this.#pending.set(call.recordId, { decision, call })
  }

  /** Whether one more decision may come: a bucket that holds a second's worth, one at least, and fills evenly. */
  admits(): boolean {
    const most = this.#options.perSecond()
    if (most === Number.POSITIVE_INFINITY) return true
    const now = this.#options.clock.now()
    this.#room = Math.min(Math.max(1, most), this.#room + ((now - this.#roomAt) / 1000) * most)
    this.#roomAt = now
    if (this.#room < 1) {
      this.#thinned++
      return false
    }
    this.#room--
    return true
  }

  /** A call that was decided here and is still running. */
  callOf(recordId: string): DecidedCall | undefined {
    return this.#pending.get(recordId)?.call
  }

  /** @returns the decided call, or undefined for one that was never decided here. */
  settled(recordId: string, outcome: CallOutcome): SettledDecision | undefined {
    const pending = this.#pending.get(recordId)
    if (pending === undefined) return undefined
    this.#pending.delete(recordId)
    const settled: SettledDecision = { ...pending, outcome }
    if (this.#queue.length >= this.#options.maxQueued) {
      // A tenth at once: moving the whole queue for each of them would cost more than they are worth.
      const gone = Math.ceil(this.#options.maxQueued / 10)
      this.#queue.splice(0, gone)
      this.#dropped += gone
    }
    this.#queue.push(settled)
    this.#plan(this.#options.interval)
    return settled
  }

  /** Writes what waits. @throws StoreUnavailable, with what could not be written still waiting */
  async flush(): Promise<void> {
    await this.#writing?.catch(() => undefined)
    if (this.#queue.length === 0) return
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.flush().catch(() => undefined)
  }

  async #write(): Promise<void> {
    const { store, clock } = this.#options
    while (this.#queue.length > 0) {
      const taken = this.#queue.splice(0, batch)
      const now = clock.epoch()
      const rows = taken.map(settled => decisionRow(settled, now)).sort((a, b) => (a.id < b.id ? -1 : 1))
      try {
        await store.db
          .insertInto('router_decisions')
          .values(rows)
          .onConflict(conflict => conflict.column('id').doNothing())
          .execute()
        this.#written += rows.length
      } catch (error) {
        if (error instanceof StoreUnavailable) {
          this.#queue = [...taken, ...this.#queue].slice(-this.#options.maxQueued)
        } else {
          // A row the store will never take must not hold up the others.
          this.#dropped += taken.length
        }
        throw error
      }
    }
  }

  #plan(delay: number): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flush().catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) {
          this.#options.log.error({ err: error }, 'routing decisions could not be recorded')
        }
        if (this.#queue.length > 0) this.#plan(Math.max(1000, this.#options.interval))
      })
    }, delay)
    this.#timer.unref()
  }
}
