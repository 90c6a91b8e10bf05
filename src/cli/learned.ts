import { join } from 'node:path'
import { readArtifact } from '../learning/artifact/artifact.ts'
import { ArtifactLibrary } from '../pipeline/routing/learned/artifact-library.ts'
import { DecisionLog, fileSink } from '../pipeline/routing/learned/decision-log.ts'
import { LearnedServices } from '../pipeline/routing/learned/learned-services.ts'
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
