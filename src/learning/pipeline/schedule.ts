import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { PipelineRunner } from './runner.ts'
import type { PipelineRunSettings } from './steps.ts'

export interface ScheduledPipeline extends PipelineRunSettings {
  readonly router: string
  /** Cron line, UTC. */
  readonly schedule: string
}

export interface ScheduleOptions {
  readonly runner: PipelineRunner
  readonly clock: Clock
  readonly log: Logger
  readonly pipelines: () => readonly ScheduledPipeline[]
  /** Epoch ms of the next time a cron line fits after a moment. @throws RangeError for a line that is none */
  readonly next: (schedule: string, after: number) => number | undefined
  /** When a run of this router began last; undefined: never. */
  readonly lastRun: (router: string) => Promise<number | undefined>
}

/**
 * Starts runs when their time has come. Looked at by the process that keeps the loop; what is due is told from the record
 * of runs, so that neither a restart nor a change of process forgets or repeats one.
 */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #since: number
  readonly #running = new Set<Promise<unknown>>()
  readonly #told = new Set<string>()

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#since = options.clock.epoch()
  }

  /** @throws StoreUnavailable */
  async look(): Promise<void> {
    const { pipelines, clock } = this.#options
    for (const pipeline of pipelines()) {
      const last = await this.#options.lastRun(pipeline.router)
      const due = this.#nextOf(pipeline, Math.max(last ?? 0, last === undefined ? this.#since : 0))
      if (due === undefined || due > clock.epoch()) continue
      this.#start(pipeline)
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  #start(pipeline: ScheduledPipeline): void {
    const { runner, log } = this.#options
    const running = runner
      .run(pipeline.router, 'schedule', pipeline)
      .catch((error: unknown) => log.error({ err: error, router: pipeline.router }, 'the pipeline could not run'))
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
  }

  #nextOf({ schedule, router }: ScheduledPipeline, after: number): number | undefined {
    try {
      return this.#options.next(schedule, after)
    } catch (error) {
      if (!this.#told.has(schedule)) {
        this.#told.add(schedule)
        this.#options.log.error({ err: error, router, schedule }, 'the schedule of a pipeline cannot be read')
      }
      return undefined
    }
  }
}
