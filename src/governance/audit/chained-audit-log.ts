import type { Kysely } from 'kysely'
import { type Clock, systemClock } from '../../platform/clock.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { inTransaction } from '../../platform/store/transaction.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { append } from './append.ts'
import type { AuditEvent, AuditLog } from './audit-log.ts'
import type { AuditMetrics } from './audit-metrics.ts'
import { contentOf, outcomeOf } from './content.ts'
import { DenialFolder, type DenialLimits, defaultDenialLimits } from './denials.ts'
import type { AuditContent } from './record.ts'

export interface AuditLogServices {
  readonly store: Store
  readonly log: Logger
  readonly metrics: AuditMetrics
  readonly clock?: Clock
}

export interface AuditLogOptions {
  /** False: nothing is recorded (`litellm_settings.store_audit_logs: false`). */
  readonly enabled: boolean
  readonly denials?: DenialLimits
}

interface Waiting {
  readonly content: AuditContent
  readonly written: () => void
}

/** Longest time a denial waits for others, and between tries while the store is away; milliseconds. */
const gatherTime = 500
const maxRetry = 30_000
/** Denials kept while the store is away; further ones are only counted. */
const maxWaiting = 1000
const perTransaction = 200

/** The audit log on the store: every record in one hash chain, see `record.ts` and `append.ts`. */
export class ChainedAuditLog implements AuditLog {
  readonly #store: Store
  readonly #log: Logger
  readonly #metrics: AuditMetrics
  readonly #clock: Clock
  readonly #enabled: boolean
  readonly #denials: DenialFolder
  readonly #waiting: Waiting[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failures = 0
  #closed = false

  constructor(services: AuditLogServices, options: AuditLogOptions) {
    this.#store = services.store
    this.#log = services.log
    this.#metrics = services.metrics
    this.#clock = services.clock ?? systemClock
    this.#enabled = options.enabled
    this.#denials = new DenialFolder(options.denials ?? defaultDenialLimits, this.#clock)
  }

  async record(event: AuditEvent): Promise<void> {
    if (!this.#enabled) return
    if (outcomeOf(event) === 'denied') return this.#recordDenied(event)
    const contents = [contentOf(event, this.#clock.epoch())]
    await inTransaction(this.#store, trx => append(trx, this.#store.dialect, contents))
    this.#metrics.recorded(contents)
  }

  async recordIn(trx: Kysely<Tables>, ...events: readonly AuditEvent[]): Promise<void> {
    if (!this.#enabled) return
    const at = this.#clock.epoch()
    const contents = events.map(event => contentOf(event, at))
    await append(trx, this.#store.dialect, contents)
    this.#metrics.recorded(contents)
  }

  /** Writes the denials that wait, and the summary of the running window. For a shutdown. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#writing
    this.#summarise(true)
    if (this.#waiting.length > 0) await this.#write()
    if (this.#waiting.length > 0) {
      this.#log.error({ records: this.#waiting.length }, 'audit: denials could not be written before the shutdown')
    }
  }

  #recordDenied(event: AuditEvent): Promise<void> | undefined {
    if (this.#closed) return undefined
    this.#summarise()
    if (!this.#denials.admit(event)) {
      this.#metrics.folded()
      this.#schedule()
      return undefined
    }
    if (this.#waiting.length >= maxWaiting) {
      this.#denials.foldInstead(event)
      this.#metrics.folded()
      return undefined
    }
    return this.#enqueue(event)
  }

  /** While the store is away the window of denials stays open, so that summaries do not pile up either. */
  #summarise(now = false): void {
    if (this.#waiting.length >= maxWaiting && !now) return
    for (const summary of this.#denials.due(now)) this.#enqueue(summary)
  }

  #enqueue(event: AuditEvent): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ content: contentOf(event, this.#clock.epoch()), written: resolve })
    this.#schedule()
    return promise
  }

  /** One timer: to write what waits, else to close the window of denials. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#writing !== undefined || this.#closed) return
    const retry = Math.min(maxRetry, gatherTime * 2 ** this.#failures)
    const delay = this.#waiting.length > 0 ? retry : this.#denials.remaining
    if (delay === undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#summarise()
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined
        this.#schedule()
      })
    }, delay)
    this.#timer.unref()
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, perTransaction)
      const contents = batch.map(({ content }) => content)
      try {
        await inTransaction(this.#store, async trx => {
          const fresh = this.#failures === 0 ? contents : await notYetWritten(trx, contents)
          await append(trx, this.#store.dialect, fresh)
        })
      } catch (error) {
        this.#failures = Math.min(this.#failures + 1, 10)
        this.#log.warn({ err: error, records: this.#waiting.length }, 'audit: denials wait for the store')
        return
      }
      this.#failures = 0
      this.#waiting.splice(0, batch.length)
      this.#metrics.recorded(contents)
      for (const { written } of batch) written()
    }
  }
}

/** A transaction whose connection broke during the commit may have happened all the same. */
async function notYetWritten(trx: Kysely<Tables>, contents: readonly AuditContent[]): Promise<readonly AuditContent[]> {
  const ids = contents.map(({ id }) => id)
  const rows = await trx.selectFrom('audit').select('id').where('id', 'in', ids).execute()
  const written = new Set(rows.map(({ id }) => id))
  return contents.filter(({ id }) => !written.has(id))
}
