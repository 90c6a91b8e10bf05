import { dirname, join } from 'node:path'
import { loadFunction } from '../governance/authentication/load-function.ts'
import { readArtifact } from '../learning/artifact/artifact.ts'
import { ArtifactLibrary } from '../pipeline/routing/learned/artifact-library.ts'
import { DecisionLog, fileSink } from '../pipeline/routing/learned/decision-log.ts'
import { LearnedServices } from '../pipeline/routing/learned/learned-services.ts'
import type { CustomPredict } from '../pipeline/routing/learned/route-policy.ts'
import { systemClock } from '../platform/clock.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import { LearnedMetrics } from '../platform/telemetry/learned-metrics.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { MetricsRegistry } from '../platform/telemetry/metrics.ts'
import { dataDirectory } from './data-directory.ts'

/** Errors of a router are told once in a while, not once per call. Milliseconds. */
const quietTime = 10_000

/** Learned routing of a process, with everything it tells the operator. */
export function learnedServices(registry: MetricsRegistry, log: Logger): LearnedServices {
  const metrics = new LearnedMetrics(registry)
  let quietUntil = 0
  const artifacts = new ArtifactLibrary(readArtifact, {
    onLoaded(path, artifact, milliseconds) {
      metrics.artifact('loaded')
      log.info(
        {
          path,
          artifact: artifact.id.slice(0, 12),
          name: artifact.name,
          models: artifact.models.length,
          signed: artifact.signed,
          duration_ms: Math.round(milliseconds),
        },
        'artifact loaded',
      )
    },
    onRefused(path, problem) {
      metrics.artifact('refused')
      log.error({ path, problem }, 'artifact refused; what was loaded before stays in use')
    },
  })
  return new LearnedServices(artifacts, systemClock, {
    decided: (strategy, reason, microseconds) => metrics.decided(strategy, reason, microseconds),
    passedOver(strategy, cause, error) {
      metrics.passedOver(strategy, cause)
      const now = systemClock.now()
      if (now < quietUntil) return
      quietUntil = now + quietTime
      log.warn({ strategy, cause, err: error }, 'learned route passed over; the classic order decides')
    },
    eventsDropped(count, error) {
      metrics.eventsDropped(count)
      const now = systemClock.now()
      if (now < quietUntil) return
      quietUntil = now + quietTime
      log.warn({ count, err: error }, 'decision events lost')
    },
  })
}

/** For a configuration that is only looked at: nothing is told, nothing is watched for long. */
export function silentLearnedServices(): LearnedServices {
  const silent = (): void => undefined
  const artifacts = new ArtifactLibrary(readArtifact, { onLoaded: silent, onRefused: silent })
  return new LearnedServices(artifacts, systemClock, { decided: silent, passedOver: silent, eventsDropped: silent })
}

/**
 * Loads the operator's own routers, for `llmrouter-custom`; the configuration is compiled after that.
 * @throws GatewayError `config_invalid`
 */
export async function loadCustomRouters(
  learned: LearnedServices,
  { config }: LoadedConfig,
  configPath: string | undefined,
): Promise<void> {
  const { routing } = config.routeiq
  const args = [
    config.router_settings.routing_strategy_args,
    routing.strategy_args,
    ...Object.values(routing.routes ?? {}).map(route => route.strategy_args),
  ]
  // Those of a configuration that is refused later must not take the place of those in force.
  const modules = new Map(learned.modules)
  for (const reference of new Set(args.map(own => own?.module))) {
    if (reference === undefined) continue
    const directory = configPath === undefined ? process.cwd() : dirname(configPath)
    modules.set(
      reference,
      (await loadFunction('routing_strategy_args.module', reference, directory)) as unknown as CustomPredict,
    )
  }
  learned.modules = modules
}

/** What a configuration says of learned routing beyond its routes: whether decisions are kept. */
export function applyLearned(learned: LearnedServices, loaded: LoadedConfig, configPath: string | undefined): void {
  const { routing, data_directory: configured } = loaded.config.routeiq
  learned.started = true
  if (!routing.decision_log) {
    void learned.log?.flush()
    learned.log = undefined
  } else if (learned.log === undefined) {
    const wanted = configured ?? loaded.env['ROUTEIQ_DATA_DIR']
    const { path } = dataDirectory(configPath, wanted === '' ? undefined : wanted)
    learned.log = new DecisionLog({
      sink: fileSink(join(path, 'decisions.jsonl'), routing.decision_log_max_mb * 1024 * 1024),
      onDropped: (count, error) => learned.events.eventsDropped(count, error),
    })
  }
}
