import type { KeyObject } from 'node:crypto'
import { type Clock, systemClock } from '../../platform/clock.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { MetricsRegistry } from '../../platform/telemetry/metrics.ts'
import { AuditMetrics } from './audit-metrics.ts'
import { ChainedAuditLog } from './chained-audit-log.ts'
import type { DenialLimits } from './denials.ts'
import type { AuditSink } from './shipping/sink.ts'
import { SinkShipper } from './shipping/sink-shipper.ts'
import { AuditUpkeep } from './upkeep.ts'

export interface AuditServices {
  readonly store: Store
  readonly state: SharedState
  readonly registry: MetricsRegistry
  readonly log: Logger
  readonly clock?: Clock
  readonly random?: () => number
}

export interface AuditOptions {
  /** False: nothing is recorded; what is there is still shipped, shown and verified. */
  readonly enabled: boolean
  readonly denials: DenialLimits
  readonly sinks: readonly AuditSink[]
  readonly signingKey: KeyObject | undefined
  /** Milliseconds. */
  readonly checkpointInterval: number
  readonly retention: number | undefined
}

/** The running audit log of one process: writer, shippers, upkeep. */
export class AuditService {
  readonly log: ChainedAuditLog
  readonly #store: Store
  readonly #shippers: readonly SinkShipper[]
  readonly #upkeep: AuditUpkeep

  constructor(services: AuditServices, options: AuditOptions) {
    const { store, state, registry, log, clock = systemClock, random = Math.random } = services
    const metrics = new AuditMetrics(registry)
    this.#store = store
    this.log = new ChainedAuditLog(
      { store, log, metrics, clock },
      { enabled: options.enabled, denials: options.denials },
    )
    const shipping = { store, state, metrics, log, clock, random }
    this.#shippers = options.sinks.map(sink => new SinkShipper(sink, shipping))
    this.#upkeep = new AuditUpkeep(
      { store, state, metrics, log, clock },
      {
        key: options.signingKey,
        interval: options.checkpointInterval,
        retention: options.retention,
        sinks: options.sinks.map(({ name }) => name),
      },
    )
  }

  start(): void {
    for (const shipper of this.#shippers) shipper.start()
    this.#upkeep.start()
  }

  /**
   * Writes what waits and ends the shippers after the batch under way. What was not shipped is in the store and goes out
   * after the next start; a store in memory is gone by then, so its records get one last try.
   * @param patience milliseconds for the sinks
   */
  async close(patience = 5000): Promise<void> {
    await this.log.close()
    await this.#upkeep.stop()
    const inMemory = this.#store.description === 'SQLite in memory'
    await Promise.all(this.#shippers.map(shipper => shipper.stop(patience, inMemory)))
  }
}
