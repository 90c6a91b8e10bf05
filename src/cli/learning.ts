import type { KeyObject } from 'node:crypto'
import { readPublicKey } from '../governance/audit/checkpoint.ts'
import { nextRun, parseCron } from '../governance/ledger/retention/cron.ts'
import type { Management } from '../governance/management/management.ts'
import { readArtifact } from '../learning/artifact/artifact.ts'
import { Captures } from '../learning/decisions/captures.ts'
import { forgetDecisions } from '../learning/decisions/forget-old.ts'
import { DecisionRecorder } from '../learning/decisions/recorder.ts'
import { DriftMonitor } from '../learning/drift/monitor.ts'
import { endDue } from '../learning/experiments/experiments.ts'
import { Feedback } from '../learning/feedback/feedback.ts'
import { listRuns, markInterrupted } from '../learning/pipeline/run-record.ts'
import { PipelineRunner } from '../learning/pipeline/runner.ts'
import { Schedule, type ScheduledPipeline } from '../learning/pipeline/schedule.ts'
import type { PipelineRunSettings } from '../learning/pipeline/steps.ts'
import type { ReadArtifact } from '../learning/registry/admit.ts'
import { RouterDirectory } from '../learning/registry/directory.ts'
import { RolloutController } from '../learning/rollout/controller.ts'
import type { GuardSettings } from '../learning/rollout/guard-settings.ts'
import { Keeper } from '../learning/rollout/keeper.ts'
import { Loop } from '../learning/rollout/loop.ts'
import type { LearnedRouting } from '../learning/rollout/port.ts'
import type { Snapshot } from '../pipeline/snapshot.ts'
import type { Clock } from '../platform/clock.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import type { PipelineSettings, RouterLoopSettings } from '../platform/config/router-loop-settings.ts'
import type { SharedState } from '../platform/shared-state/shared-state.ts'
import type { Store } from '../platform/store/store.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { MetricsRegistry } from '../platform/telemetry/metrics.ts'
import type { RouterServices } from '../surfaces/admin/router/services.ts'
import { loopMetrics } from './loop-metrics.ts'
import { commandSteps } from './pipeline-steps.ts'

export interface LoopOptions {
  readonly management: Management
  readonly store: Store
  readonly state: SharedState
  readonly clock: Clock
  readonly log: Logger
  readonly registry: MetricsRegistry
  /** In force now. */
  readonly snapshot: () => Snapshot
}

export interface RunningLoop {
  /** For the road of a call, as this configuration wants it. */
  of(loaded: LoadedConfig): LearnedRouting
  /** For people. */
  readonly services: RouterServices
  close(): Promise<void>
}

const day = 86_400_000

/** Opens the loop that keeps learned routing good, and starts its jobs. A store that is away holds up nothing. */
export async function openLoop(options: LoopOptions): Promise<RunningLoop> {
  const { management, store, state, clock, log, registry, snapshot } = options
  const settings = (): RouterLoopSettings => snapshot().loaded.config.routeiq.router_loop
  const read: ReadArtifact = bytes => readArtifact(bytes, { publicKeys: publicKeys(snapshot()) })
  const recorder = new DecisionRecorder({ store, clock, log, perSecond: () => settings().decisions_per_second })
  const captures = new Captures({ store, clock, log, ...captureSettings(settings()) })
  const linear = (): boolean => settings().feedback.linear_bandit
  const directory = new RouterDirectory({ store, state, clock, log, read, linear })
  const announce = (): Promise<void> => directory.announce()
  const feedback = new Feedback({
    store,
    state,
    clock,
    linear,
    flush: () => recorder.flush(),
    perMinute: settings().feedback.per_minute,
    perDay: settings().feedback.per_day,
  })
  const metrics = loopMetrics(registry, { recorder, captures, directory })
  const controller = new RolloutController({
    store,
    clock,
    log,
    announce,
    onTransition: metrics.transition,
    problemOf: id => directory.artifacts.problemOf(id),
  })
  const drift = new DriftMonitor({
    store,
    clock,
    log,
    announce,
    artifact: id => directory.artifacts.get(id),
    settings: () => {
      const { window, input_psi, exploration } = settings().drift
      return { window, inputPsi: input_psi, exploration }
    },
    onAlarm: metrics.drift,
    onTransition: metrics.transition,
  })
  const runner = new PipelineRunner({
    store,
    state,
    clock,
    log,
    read,
    announce,
    steps: commandSteps(store, clock),
    guards: () => guardsOf(settings()),
    shares: () => settings().rollout.shares,
    audited: (objectId, details, work) =>
      management.governance.change(async trx => ({
        result: await work(trx),
        audit: [
          {
            actor: { name: 'system:pipeline', token: undefined, address: undefined },
            action: 'updated',
            objectKind: 'router',
            objectId,
            details: { ...details },
          },
        ],
        notices: [],
      })),
  })
  const schedule = new Schedule({
    runner,
    clock,
    log,
    pipelines: () => (settings().pipelines ?? []).map(scheduled),
    next: (line, after) => nextRun(parseCron(line), after),
    lastRun: async router => (await listRuns(store.db, router, 1))[0]?.startedAt,
  })
  const seconds = (value: number): number => value * 1000
  const keeper = new Keeper({
    state,
    log,
    jobs: [
      { name: 'rollout', every: () => seconds(settings().rollout.check_seconds), run: () => controller.look() },
      {
        name: 'drift',
        every: () => (settings().drift.enabled ? seconds(settings().drift.check_seconds) : undefined),
        run: () => drift.look(),
      },
      {
        name: 'experiments',
        every: () => seconds(10),
        run: async () => {
          if ((await endDue(store, clock.epoch())) > 0) await announce()
        },
      },
      { name: 'schedule', every: () => seconds(15), run: () => schedule.look() },
      {
        name: 'retention',
        every: () => seconds(3600),
        run: async () => {
          await markInterrupted(store.db, clock.epoch())
          await captures.expire()
          await forgetDecisions(store, clock.epoch() - settings().decision_retention_days * day)
        },
      },
    ],
  })
  await directory.start()
  keeper.start()
  const manual = new Set<Promise<unknown>>()
  const loop = new Loop(directory, recorder, captures)
  return {
    of({ config }) {
      loop.records = config.routeiq.router_loop.decisions
      return loop
    },
    services: {
      directory,
      recorder,
      captures,
      feedback,
      read,
      settings,
      served: () => servedNames(snapshot()),
      startRun: (router, own) =>
        new Promise((resolve, reject) => {
          const configured = (settings().pipelines ?? []).find(pipeline => pipeline.router === router)
          const running = runner
            .run(
              router,
              'manual',
              { ...(configured === undefined ? defaults : scheduled(configured)), ...own },
              resolve,
            )
            .then(run => resolve(run), reject)
          manual.add(running)
          void running.finally(() => manual.delete(running))
        }),
    },
    async close() {
      runner.close()
      await keeper.close()
      await schedule.close()
      await Promise.allSettled(manual)
      await recorder.close()
      await captures.close()
      await directory.close()
    },
  }
}

const defaults: PipelineRunSettings = { dataset: undefined, minRows: 250, lookback: 30 * day, deploy: 'rollout' }

const scheduled = (pipeline: PipelineSettings): ScheduledPipeline => ({
  router: pipeline.router,
  schedule: pipeline.schedule,
  dataset: pipeline.dataset,
  minRows: pipeline.min_rows,
  lookback: pipeline.lookback_days * day,
  deploy: pipeline.deploy,
})

const captureSettings = ({ capture }: RouterLoopSettings) => ({
  maxCharacters: capture.max_characters,
  maxRows: capture.max_rows,
  keepFor: capture.retention_days * day,
})

export function guardsOf({ rollout }: RouterLoopSettings): GuardSettings {
  return {
    maxErrorIncrease: rollout.max_error_increase,
    maxSlowIncrease: rollout.max_slow_increase,
    maxCostIncrease: rollout.max_cost_increase,
    maxFeedbackDrop: rollout.max_feedback_drop,
    falseAlarms: rollout.false_alarms,
    minCalls: rollout.min_calls,
    minTime: rollout.min_seconds * 1000,
  }
}

/** Keys of the configuration; one that cannot be read trusts nothing rather than everything. */
function publicKeys({ loaded }: Snapshot): readonly KeyObject[] {
  const keys: KeyObject[] = []
  for (const text of loaded.config.routeiq.routing.artifact_public_keys ?? []) {
    const key = readPublicKey(text)
    if (key === undefined) {
      throw new Error(
        'routeiq.routing.artifact_public_keys has an entry that is no Ed25519 key (PEM, or 32 bytes in base64)',
      )
    }
    keys.push(key)
  }
  return keys
}

/** Every name by which an artifact may mean a model of this gateway. */
function servedNames({ deployments, loaded }: Snapshot): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { group } of deployments) names.add(group)
  for (const { litellm_params } of loaded.config.model_list) {
    const { model } = litellm_params
    if (typeof model !== 'string') continue
    names.add(model)
    names.add(model.slice(model.indexOf('/') + 1))
  }
  const { routing } = loaded.config.routeiq
  const routes = [routing, ...Object.values(routing.routes ?? {})]
  for (const args of [
    loaded.config.router_settings.routing_strategy_args,
    ...routes.map(route => route.strategy_args),
  ]) {
    const mapping: unknown = (args as Record<string, unknown> | undefined)?.['label_mapping']
    if (typeof mapping === 'object' && mapping !== null) for (const name of Object.keys(mapping)) names.add(name)
  }
  return names
}
