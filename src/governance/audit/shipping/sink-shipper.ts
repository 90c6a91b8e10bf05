import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../../platform/clock.ts'
import type { Lock, SharedState } from '../../../platform/shared-state/shared-state.ts'
import type { Store } from '../../../platform/store/store.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import { chainHead } from '../append.ts'
import type { AuditMetrics } from '../audit-metrics.ts'
import { keptCheckpoint } from '../kept-checkpoints.ts'
import { backoff } from './backoff.ts'
import { type Cursor, confirm, isFollowed, plan, readCursor, rewind } from './cursor.ts'
import { gather } from './next-batch.ts'
import type { AuditSink } from './sink.ts'

export interface ShippingServices {
  readonly store: Store
  readonly state: SharedState
  readonly metrics: AuditMetrics
  readonly log: Logger
  readonly clock: Clock
  readonly random: () => number
}

export interface ShippingTimes {
  /** Milliseconds between looks at the log. */
  readonly poll: number
  /** Milliseconds a sink has for one batch. */
  readonly send: number
  /** Milliseconds after which another process may take over from one that died. */
  readonly lease: number
}

/** Milliseconds by which clocks of replicas may differ. */
const maxSkew = 60_000

export const defaultTimes: ShippingTimes = { poll: 2000, send: 30_000, lease: 90_000 }

/**
 * Brings the log to one sink. The table `audit` is the outbox: nothing is queued in memory, and the cursor in the store
 * moves only when the sink has confirmed. So a sink may be away for as long as it likes, and a process may die at any
 * point: the worst that happens is that a batch arrives twice. The end of a batch is written down before it is sent,
 * which makes the second one the same as the first, whoever sends it.
 */
export class SinkShipper {
  readonly #sink: AuditSink
  readonly #services: ShippingServices
  readonly #times: ShippingTimes
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #failures = 0
  /** A batch or checkpoint is with the sink: what fails now is its failure. */
  #atSink = false
  /** Number of the checkpoint this process has brought to the sink. */
  #checkpoint = 0

  constructor(sink: AuditSink, services: ShippingServices, times: ShippingTimes = defaultTimes) {
    this.#sink = sink
    this.#services = services
    this.#times = times
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /**
   * Ends after the batch under way, at the latest after `patience` milliseconds.
   * @param last ships once more what is there, without waiting for a batch to fill
   */
  async stop(patience: number, last = false): Promise<void> {
    this.#stop.abort()
    const end = Promise.resolve(this.#running).then(() => (last ? this.#round(true) : undefined))
    await Promise.race([end, sleep(patience, undefined, { ref: false })])
    await this.#sink.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const delay = await this.#round(false)
      await sleep(delay, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** One turn as the only shipper of this sink. @returns milliseconds until the next. */
  async #round(flush: boolean): Promise<number> {
    const { state, metrics, log, random } = this.#services
    let lock: Lock | undefined
    try {
      await this.#measure()
      lock = await state.lock(`audit-sink:${this.#sink.name}`, this.#times.lease)
      if (lock === undefined) return this.#times.poll
      let delay = await this.#step(flush)
      while (delay === 0 && (flush || !this.#stop.signal.aborted) && (await lock.extend(this.#times.lease))) {
        delay = await this.#step(flush)
      }
      await this.#bringCheckpoint()
      this.#failures = 0
      return Math.max(delay, 1)
    } catch (error) {
      if (this.#stop.signal.aborted && !flush) return 0
      this.#failures++
      const delay = backoff(this.#failures, random)
      const note = { sink: this.#sink.name, err: error, failures: this.#failures, retry_in_ms: delay }
      if (this.#atSink) {
        metrics.failed(this.#sink.name)
        log.warn(note, 'audit: the sink did not take the records; they are kept')
      } else log.warn(note, 'audit: shipping waits for the store or the shared state')
      return delay
    } finally {
      this.#atSink = false
      await lock?.release().catch(() => undefined)
    }
  }

  /** Sends one batch, if there is one to send. @returns milliseconds until there may be another; 0: at once. */
  async #step(flush: boolean): Promise<number> {
    const { store, metrics, log, clock } = this.#services
    const { name, limits } = this.#sink
    const cursor = await readCursor(store.db, name)
    if (!(await isFollowed(store.db, cursor))) {
      metrics.broken()
      log.error(
        { sink: name, seq: cursor.seq },
        'audit: the log is not the one that was shipped; shipping it all again',
      )
      await rewind(store.db, name, clock.epoch())
      return 0
    }
    if (cursor.pending === undefined && !flush) {
      const wait = await this.#patience(cursor)
      if (wait > 0) return Math.min(wait, this.#times.poll)
    }
    const batch = await gather(store.db, cursor, limits)
    if (batch === undefined) return this.#times.poll
    if (cursor.pending === undefined && !(await plan(store.db, name, cursor, batch.last, clock.epoch()))) return 0
    this.#atSink = true
    await this.#sink.send(batch, AbortSignal.timeout(this.#times.send))
    this.#atSink = false
    await confirm(store.db, name, cursor, batch, clock.epoch())
    metrics.shipped(name, batch.records.length)
    this.#failures = 0
    await this.#measure()
    return 0
  }

  /** A checkpoint follows the records it speaks of. */
  async #bringCheckpoint(): Promise<void> {
    const { store } = this.#services
    const [checkpoint, cursor] = await Promise.all([keptCheckpoint(store.db), readCursor(store.db, this.#sink.name)])
    if (checkpoint === undefined || checkpoint.seq <= this.#checkpoint || checkpoint.seq > cursor.seq) return
    this.#atSink = true
    await this.#sink.sendCheckpoint(checkpoint, AbortSignal.timeout(this.#times.send))
    this.#checkpoint = checkpoint.seq
  }

  /** Milliseconds that a batch may still wait to fill; 0: it is full, or its first record is old enough. */
  async #patience(cursor: Cursor): Promise<number> {
    const { limits } = this.#sink
    const { records, age } = await this.#waiting(cursor)
    if (records === 0) return this.#times.poll
    // A record from the future (a replica whose clock is wrong) must not make others wait for it.
    return records >= limits.records || age < -maxSkew ? 0 : Math.max(0, limits.wait - age)
  }

  /** Every process measures, whichever ships: the gauge is there when the shipper is not. */
  async #measure(): Promise<void> {
    const cursor = await readCursor(this.#services.store.db, this.#sink.name)
    const { records, age } = await this.#waiting(cursor)
    this.#services.metrics.backlog(this.#sink.name, cursor.seq, records, Math.max(0, age / 1000))
  }

  /** How many records the sink has not confirmed, and the age of the oldest in milliseconds. */
  async #waiting({ seq }: Cursor): Promise<{ readonly records: number; readonly age: number }> {
    const { store, clock } = this.#services
    const first = store.db.selectFrom('audit').select(['seq', 'at']).where('seq', '>', seq).orderBy('seq').limit(1)
    const [head, oldest] = await Promise.all([chainHead(store.db), first.executeTakeFirst()])
    if (oldest === undefined) return { records: 0, age: 0 }
    return { records: Math.max(1, head.seq - oldest.seq + 1), age: clock.epoch() - oldest.at }
  }
}
