import type { KeyObject } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../platform/clock.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { chainHead } from './append.ts'
import type { AuditMetrics } from './audit-metrics.ts'
import { makeCheckpoint } from './checkpoint.ts'
import { keepCheckpoint, keptCheckpoint, retainedFrom } from './kept-checkpoints.ts'
import { applyRetention, retentionChunk } from './retention.ts'

export interface UpkeepServices {
  readonly store: Store
  readonly state: SharedState
  readonly metrics: AuditMetrics
  readonly log: Logger
  readonly clock: Clock
}

export interface UpkeepSettings {
  /** Signs checkpoints; undefined: none are made. */
  readonly key: KeyObject | undefined
  /** Milliseconds between checkpoints. */
  readonly interval: number
  /** Milliseconds for which records are kept; undefined: for ever. */
  readonly retention: number | undefined
  /** Sinks that must have a record before retention may remove it. */
  readonly sinks: readonly string[]
}

const day = 86_400_000

/** The work on the log itself, by one process at a time: checkpoints, and retention where it is wanted. */
export class AuditUpkeep {
  readonly #services: UpkeepServices
  readonly #settings: UpkeepSettings
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(services: UpkeepServices, settings: UpkeepSettings) {
    this.#services = services
    this.#settings = settings
  }

  start(): void {
    const { key, retention } = this.#settings
    if (key !== undefined || retention !== undefined) this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** One turn, if no other process is at it. */
  async turn(): Promise<void> {
    const { state, store, clock, log } = this.#services
    const { key, retention, sinks } = this.#settings
    const lock = await state.lock('audit-upkeep', 60_000)
    if (lock === undefined) return
    try {
      if (key !== undefined) await this.#checkpoint(key)
      if (retention === undefined) return
      const before = clock.epoch() - retention
      let slack = Math.min(day, retention / 10)
      for (let removed = retentionChunk; removed === retentionChunk; slack = 0) {
        removed = await applyRetention(store, { before, slack, sinks, key, now: clock.epoch() })
        if (removed > 0) log.info({ records: removed }, 'audit: old records removed')
        if (this.#stop.signal.aborted || !(await lock.extend(60_000))) break
      }
    } finally {
      await lock.release().catch(() => undefined)
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.turn().catch(error => this.#services.log.warn({ err: error }, 'audit: upkeep will be tried again'))
      await sleep(this.#settings.interval, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Signs where the chain is now, but only a chain that still holds what was signed before. */
  async #checkpoint(key: KeyObject): Promise<void> {
    const { store, metrics, log, clock } = this.#services
    const [kept, head, retained] = await Promise.all([
      keptCheckpoint(store.db),
      chainHead(store.db),
      retainedFrom(store.db),
    ])
    if (kept !== undefined && kept.seq > (retained?.seq ?? 0)) {
      const row = await store.db.selectFrom('audit').select('hash').where('seq', '=', kept.seq).executeTakeFirst()
      if (row?.hash !== kept.hash) {
        metrics.broken()
        const fault = row === undefined ? 'its end was cut off' : 'it was rewritten'
        log.error(
          { seq: kept.seq },
          `audit: the log is not the one that was signed: ${fault}; run routeiq audit verify`,
        )
        return
      }
    }
    if (head.seq === 0 || head.seq === kept?.seq) return
    await keepCheckpoint(store.db, makeCheckpoint({ ...head, at: clock.epoch() }, key))
  }
}
