import type { Clock } from '../../../platform/clock.ts'
import type { SharedState } from '../../../platform/shared-state/shared-state.ts'
import { ensurePartitions, expireBodies, expireLedger } from '../../../platform/store/retention.ts'
import type { Store } from '../../../platform/store/store.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import { nextRun, parseCron } from './cron.ts'

export interface RetentionSettings {
  /** `maximum_spend_logs_retention_period`, milliseconds. Undefined: records are kept for ever; bodies never are. */
  readonly period: number | undefined
  /** `maximum_spend_logs_retention_interval`, milliseconds. Default a day. */
  readonly interval?: number | undefined
  /** `maximum_spend_logs_cleanup_cron`, five fields, UTC; instead of the interval. */
  readonly cron?: string | undefined
  /** `…_cleanup_batch_size` × `…_cleanup_max_batches`: rows removed in one run at most. Default 500,000. */
  readonly maxRows?: number | undefined
  /** `…_cleanup_run_budget`, milliseconds. Default 5 minutes. */
  readonly runBudget?: number | undefined
}

export interface RetentionOptions {
  readonly store: Store
  readonly state: Pick<SharedState, 'lock'>
  readonly clock: Clock
  readonly log: Logger
  /** Of the configuration in force. */
  readonly settings: () => RetentionSettings
}

export interface RetentionRun {
  readonly records: number
  readonly bodies: number
  /** False: the run ended at one of its bounds, and the next one goes on. */
  readonly complete: boolean
}

const dayMs = 86_400_000
/** Rows between two looks at the clock. */
const portion = 10_000
/** Longer than one portion takes; extended before each. */
const lockTime = 120_000
/** Timers hold no more; and a changed setting is seen within it. */
const longestSleep = 3_600_000
/** Cursors of journal files that were deleted without them. */
const keepCursors = 400 * dayMs

/**
 * Removes what is older than it may be: whole months at once on PostgreSQL, in small batches on SQLite, one replica at a
 * time, with bounds of rows and time so that calls never wait for it. The daily sums stay: reports reach back further than
 * single calls.
 */
export class Retention {
  readonly #options: RetentionOptions
  #timer: NodeJS.Timeout | undefined
  #next = 0
  #closed = false

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  start(): void {
    this.#plan()
    this.#sleep()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** @returns what was removed; undefined when another process is at it. @throws StoreUnavailable, StateUnavailable */
  async run(): Promise<RetentionRun | undefined> {
    const { store, state, clock, settings } = this.#options
    const lock = await state.lock('ledger-retention', lockTime)
    if (lock === undefined) return undefined
    const { period, maxRows = 500_000, runBudget = 300_000 } = settings()
    const deadline = clock.now() + runBudget
    const now = clock.epoch()
    let records = 0
    let bodies = 0
    const inBounds = (): boolean => records + bodies < maxRows && clock.now() < deadline
    try {
      await ensurePartitions(store, now)
      let more = period !== undefined
      while (more && inBounds() && period !== undefined && (await lock.extend(lockTime))) {
        const limit = Math.min(portion, maxRows - records)
        const removed = await expireLedger(store, now - period, limit)
        records += removed
        more = removed >= limit
      }
      let moreBodies = true
      while (moreBodies && inBounds() && (await lock.extend(lockTime))) {
        const removed = await expireBodies(store, now, portion)
        bodies += removed
        moreBodies = removed >= portion
      }
      await store.db
        .deleteFrom('sink_cursors')
        .where('sink', 'like', 'ledger:%')
        .where('updated_at', '<', now - keepCursors)
        .execute()
      return { records, bodies, complete: !more && !moreBodies }
    } finally {
      await lock.release().catch(() => undefined)
    }
  }

  #plan(): void {
    const { clock, settings, log } = this.#options
    const { interval = dayMs, cron } = settings()
    const now = clock.epoch()
    this.#next = now + interval
    if (cron === undefined) return
    try {
      this.#next = nextRun(parseCron(cron), now) ?? this.#next
    } catch (error) {
      log.warn({ err: error }, 'maximum_spend_logs_cleanup_cron cannot be read; spend logs are cleaned up daily')
    }
  }

  #sleep(): void {
    if (this.#closed) return
    const wait = Math.min(longestSleep, Math.max(1000, this.#next - this.#options.clock.epoch()))
    this.#timer = setTimeout(() => void this.#wake(), wait)
    this.#timer.unref()
  }

  async #wake(): Promise<void> {
    if (this.#options.clock.epoch() >= this.#next) {
      try {
        const run = await this.run()
        if (run !== undefined && run.records + run.bodies > 0) this.#options.log.info(run, 'spend logs cleaned up')
      } catch (error) {
        this.#options.log.warn({ err: error }, 'spend logs could not be cleaned up; the next run tries again')
      }
      this.#plan()
    }
    this.#sleep()
  }
}
