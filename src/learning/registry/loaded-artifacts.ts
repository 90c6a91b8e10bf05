import type { Clock } from '../../platform/clock.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { TrainedRouter } from '../predictor.ts'
import type { ReadArtifact } from './admit.ts'
import { readBytes } from './artifact-store.ts'

interface Failure {
  readonly problem: string
  readonly at: number
}

/** Milliseconds after which an artifact that could not be read is tried again. */
const retryAfter = 15_000

/**
 * The artifacts this process has in memory. One that is damaged or unsigned is never used: whoever asked for it goes on
 * with what it had.
 */
export class LoadedArtifacts {
  readonly #store: Store
  readonly #read: ReadArtifact
  readonly #clock: Clock
  readonly #log: Logger
  readonly #loaded = new Map<string, TrainedRouter>()
  readonly #failures = new Map<string, Failure>()

  constructor(store: Store, read: ReadArtifact, clock: Clock, log: Logger) {
    this.#store = store
    this.#read = read
    this.#clock = clock
    this.#log = log
  }

  get(id: string): TrainedRouter | undefined {
    return this.#loaded.get(id)
  }

  /** Why this process cannot use an artifact. */
  problemOf(id: string): string | undefined {
    return this.#failures.get(id)?.problem
  }

  get problems(): ReadonlyMap<string, Failure> {
    return this.#failures
  }

  /** Loads what is missing of these and lets go of all others. @throws StoreUnavailable */
  async keep(ids: ReadonlySet<string>): Promise<void> {
    for (const id of ids) {
      if (this.#loaded.has(id)) continue
      const failed = this.#failures.get(id)
      if (failed !== undefined && this.#clock.now() - failed.at < retryAfter) continue
      const bytes = await readBytes(this.#store.db, id)
      const result = bytes === undefined ? 'its bytes are missing or damaged in the store' : this.#tryRead(id, bytes)
      if (typeof result !== 'string') {
        this.#loaded.set(id, result)
        this.#failures.delete(id)
        continue
      }
      this.#failures.set(id, { problem: result, at: this.#clock.now() })
      this.#log.error({ artifact: id, problem: result }, 'a routing artifact is refused; what was in force stays')
    }
    for (const id of this.#loaded.keys()) if (!ids.has(id)) this.#loaded.delete(id)
    for (const id of this.#failures.keys()) if (!ids.has(id)) this.#failures.delete(id)
  }

  #tryRead(id: string, bytes: Uint8Array): TrainedRouter | string {
    try {
      const trained = this.#read(bytes)
      return trained.id === id ? trained : 'it is another artifact than its name says'
    } catch (error) {
      return error instanceof Error ? error.message : 'it cannot be read'
    }
  }
}
