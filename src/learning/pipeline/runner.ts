import type { Transaction } from 'kysely'
import type { Clock } from '../../platform/clock.ts'
import type { Lock, SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { inTransaction } from '../../platform/store/transaction.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { type ReadArtifact, readUploaded, staleness } from '../registry/admit.ts'
import { putArtifact } from '../registry/artifact-store.ts'
import type { GuardSettings } from '../rollout/guard-settings.ts'
import { changeState, readState } from '../rollout/state-store.ts'
import { measureThresholds } from '../rollout/tally.ts'
import { activate, begin } from '../rollout/transitions.ts'
import {
  beat,
  beginRun,
  findRun,
  markInterrupted,
  type Run,
  type RunDetails,
  type RunStatus,
  type StepName,
  type StepRecord,
  saveRun,
} from './run-record.ts'
import { NothingToDeploy, type PipelineRunSettings, type PipelineSteps, type RunContext } from './steps.ts'

export interface RunnerOptions {
  readonly store: Store
  readonly state: Pick<SharedState, 'lock'>
  readonly clock: Clock
  readonly log: Logger
  readonly steps: PipelineSteps
  readonly read: ReadArtifact
  readonly guards: () => GuardSettings
  readonly shares: () => readonly number[]
  readonly announce: () => Promise<void>
  /** Runs the work in a transaction that also records the change for auditors. Default: without one. */
  readonly audited?: <T>(
    objectId: string,
    details: object,
    work: (trx: Transaction<Tables>) => Promise<T>,
  ) => Promise<T>
}

const lockTime = 60_000
const heartbeat = 10_000
const actor = 'system:pipeline'
const maxProgress = 20

/**
 * collect → train → evaluate → gate → deploy, on record from its first moment. One run per router at a time over all
 * replicas: whoever has the lock runs it, and the record says so until the end; the record of a process that died says
 * `interrupted`. The next run begins from the start: every step reads what is there and leaves nothing half done.
 */
export class PipelineRunner {
  readonly #options: RunnerOptions
  readonly #running = new Map<string, AbortController>()

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** @returns the run's record at its end; undefined: one is under way, here or elsewhere. @throws StoreUnavailable */
  async run(
    router: string,
    trigger: string,
    settings: PipelineRunSettings,
    onBegun?: (run: Run) => void,
  ): Promise<Run | undefined> {
    const { store, state, clock } = this.#options
    const lock = await state.lock(`router-pipeline:${router}`, lockTime)
    if (lock === undefined) return undefined
    const stop = new AbortController()
    const timer = setInterval(() => void this.#live(run?.id, lock, stop), heartbeat)
    timer.unref()
    let run: Run | undefined
    try {
      // The lock was free, so whoever ran before is gone.
      await markInterrupted(store.db, clock.epoch(), router, 0)
      run = await beginRun(store.db, router, trigger, clock.epoch())
      this.#running.set(run.id, stop)
      onBegun?.(run)
      await this.#work(run, settings, stop.signal)
      return await findRun(store.db, run.id)
    } finally {
      clearInterval(timer)
      if (run !== undefined) {
        this.#running.delete(run.id)
        await this.#options.steps.finished(run).catch(() => undefined)
      }
      await lock.release().catch(() => undefined)
    }
  }

  /** Ends what runs in this process; its record says so. */
  close(): void {
    for (const stop of this.#running.values()) stop.abort(new Error('the gateway was shut down'))
  }

  async #live(id: string | undefined, lock: Lock, stop: AbortController): Promise<void> {
    const { store, clock } = this.#options
    // A lock that was lost is somebody else's now; two runs would do the same work twice.
    const held = await lock.extend(lockTime).catch(() => true)
    if (!held) stop.abort(new Error('another process took over'))
    if (id !== undefined) await beat(store.db, id, clock.epoch()).catch(() => undefined)
  }

  async #work(run: Run, settings: PipelineRunSettings, signal: AbortSignal): Promise<void> {
    const { steps, log } = this.#options
    const record = new Recording(run, this.#options)
    const context: RunContext = {
      id: run.id,
      router: run.router,
      settings,
      signal,
      progress: text => record.note(text),
    }
    try {
      const collected = await record.step('collect', signal, async () => {
        const result = await steps.collect(context)
        const { rows, models, datasetHash, sources } = result
        return [result, { rows, models, dataset_hash: datasetHash, sources }]
      })
      if (collected.rows < settings.minRows) {
        throw new NothingToDeploy(`${collected.rows} labelled prompts, and ${settings.minRows} are needed`)
      }
      record.know({ datasetHash: collected.datasetHash })
      const bytes = await record.step('train', signal, async () => {
        const artifact = await steps.train(context, collected)
        return [artifact, { bytes: artifact.length }]
      })
      const evaluation = await record.step('evaluate', signal, async () => {
        const result = await steps.evaluate(context, collected, bytes)
        return [result, result.report]
      })
      await record.step('gate', signal, async () => {
        if (!evaluation.passes) throw new NothingToDeploy(evaluation.reasons.join('; '))
        return [undefined, { passes: true }]
      })
      await record.step('deploy', signal, async () => {
        const deployed = await this.#deploy(run, settings, bytes, evaluation.report)
        record.know(deployed)
        return [undefined, deployed]
      })
      await record.end('succeeded')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const nothing = error instanceof NothingToDeploy
      await record.end(nothing ? 'nothing_to_deploy' : 'failed', reason)
      log[nothing ? 'info' : 'error'](
        { router: run.router, run: run.id, reason },
        'the pipeline ended without an artifact',
      )
    }
  }

  async #deploy(
    run: Run,
    settings: PipelineRunSettings,
    bytes: Uint8Array,
    report: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly artifact: string; readonly stage: string }> {
    const { store, clock, read, guards, shares, announce } = this.#options
    const { router } = run
    const trained = readUploaded(bytes, read)
    const now = clock.epoch()
    const thresholds = settings.deploy === 'rollout' ? await measureThresholds(store, router, now) : null
    const audited = this.#options.audited ?? ((_id, _details, work) => inTransaction(store, work))
    const details = { operation: 'pipeline', run: run.id, artifact: trained.id, deploy: settings.deploy }
    const stage = await audited(router, details, async trx => {
      await putArtifact(trx, { router, bytes, trained, createdBy: actor, runId: run.id, report }, now)
      if (settings.deploy === 'none') return 'stored'
      const current = await readState(trx, router)
      if (current?.state.frozen != null)
        throw new NothingToDeploy(`promotions are frozen: ${current.state.frozen.reason}`)
      if (current?.state.rollout != null) throw new NothingToDeploy('another rollout is on its way')
      const stale = staleness(trained, { active: undefined, now, maxAge: undefined, served: undefined })
      if (stale !== undefined) throw new NothingToDeploy(stale)
      const changed = await changeState(trx, store.dialect, { router, actor, now }, state =>
        settings.deploy === 'activate'
          ? activate(state, trained.id, `pipeline run ${run.id}`)
          : begin(state, {
              id: run.id,
              artifact: trained.id,
              now: Math.floor(now),
              guards: guards(),
              automatic: true,
              shares: shares(),
              thresholds,
            }),
      )
      return changed?.transition.to_stage ?? 'stored'
    })
    await announce()
    return { artifact: trained.id, stage }
  }
}

/** Writes a run down as it goes. */
class Recording {
  readonly #run: Run
  readonly #options: RunnerOptions
  #details: RunDetails
  #step: StepName = 'collect'
  #notes: string[] = []

  constructor(run: Run, options: RunnerOptions) {
    this.#run = run
    this.#options = options
    this.#details = run.details
  }

  know(facts: Partial<RunDetails>): void {
    this.#details = { ...this.#details, ...facts }
  }

  note(text: string): void {
    this.#notes = [...this.#notes, text.slice(0, 200)].slice(-maxProgress)
  }

  async step<T>(
    step: StepName,
    signal: AbortSignal,
    work: () => Promise<readonly [T, Readonly<Record<string, unknown>>]>,
  ): Promise<T> {
    const { clock } = this.#options
    this.#step = step
    this.#notes = []
    const startedAt = Math.floor(clock.epoch())
    await this.#save([...this.#details.steps, { step, startedAt }])
    signal.throwIfAborted()
    try {
      const [value, result] = await work()
      signal.throwIfAborted()
      await this.#finish({ step, startedAt, endedAt: Math.floor(clock.epoch()), result })
      return value
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      await this.#finish({ step, startedAt, endedAt: Math.floor(clock.epoch()), error: message.slice(0, 1000) })
      throw error
    }
  }

  async end(status: RunStatus, reason?: string): Promise<void> {
    if (reason !== undefined) this.know({ reason: reason.slice(0, 1000) })
    await this.#save(this.#details.steps, status)
  }

  #finish(record: StepRecord): Promise<void> {
    const noted = this.#notes.length === 0 ? record : { ...record, result: { ...record.result, notes: this.#notes } }
    return this.#save([...this.#details.steps.slice(0, -1), noted])
  }

  async #save(steps: readonly StepRecord[], status?: RunStatus): Promise<void> {
    const { store, clock } = this.#options
    this.#details = { ...this.#details, steps }
    const change = { step: this.#step, details: this.#details, ...(status === undefined ? {} : { status }) }
    const ours = await saveRun(store.db, this.#run.id, change, clock.epoch())
    if (!ours && status === undefined) throw new Error('another process took over')
  }
}
