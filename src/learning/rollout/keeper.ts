import { type Lock, type SharedState, StateUnavailable } from '../../platform/shared-state/shared-state.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'

/** Something that one process does now and then. */
export interface Job {
  readonly name: string
  /** Milliseconds between two ends of it; of the configuration in force. Undefined: not now. */
  readonly every: () => number | undefined
  readonly run: () => Promise<void>
}

export interface KeeperOptions {
  readonly state: Pick<SharedState, 'lock'>
  readonly log: Logger
  readonly jobs: readonly Job[]
  /** Milliseconds between two looks at what is due. Default 500. */
  readonly tick?: number
}

/** Milliseconds after which the lock of a process that is gone is free. */
const lockTime = 5000
const lockName = 'router-loop'

/**
 * The one process of all replicas that looks after rollouts, drift, experiments and schedules. Who has the lock does it;
 * when it dies another one has it within five seconds, and goes on from what is in the store.
 */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #dueAt = new Map<Job, number>()
  readonly #running = new Set<Promise<void>>()
  readonly #busy = new Set<Job>()
  #lock: Lock | undefined
  #extendedAt = 0
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #closed = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Whether this process is the one. */
  get leads(): boolean {
    return this.#lock !== undefined
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), this.#options.tick ?? 500)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await Promise.allSettled(this.#running)
    await this.#lock?.release().catch(() => undefined)
    this.#lock = undefined
  }

  /** Starts what is due, where this process has the lock. Never rejects. */
  async look(now = performance.now()): Promise<void> {
    if (this.#looking || this.#closed) return
    this.#looking = true
    try {
      if (!(await this.#hold(now)) || this.#closed) return
      for (const job of this.#options.jobs) {
        const every = job.every()
        if (every === undefined || this.#busy.has(job) || now < (this.#dueAt.get(job) ?? 0)) continue
        const running = this.#run(job, every)
        this.#running.add(running)
        void running.finally(() => this.#running.delete(running))
      }
    } finally {
      this.#looking = false
    }
  }

  async #hold(now: number): Promise<boolean> {
    try {
      if (this.#lock === undefined) {
        this.#lock = await this.#options.state.lock(lockName, lockTime)
        this.#extendedAt = now
      } else if (now - this.#extendedAt > lockTime / 4) {
        this.#extendedAt = now
        if (!(await this.#lock.extend(lockTime))) this.#lock = undefined
      }
    } catch (error) {
      if (!(error instanceof StateUnavailable)) throw error
      this.#lock = undefined
    }
    return this.#lock !== undefined
  }

  async #run(job: Job, every: number): Promise<void> {
    this.#busy.add(job)
    try {
      await job.run()
    } catch (error) {
      if (!(error instanceof StoreUnavailable) && !(error instanceof StateUnavailable)) {
        this.#options.log.error(
          { err: error, job: job.name },
          'a job of learned routing failed; the next run tries again',
        )
      }
    } finally {
      this.#busy.delete(job)
      this.#dueAt.set(job, performance.now() + every)
    }
  }
}
