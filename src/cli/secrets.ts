import { Secrets } from '../platform/secrets/secrets.ts'
import type { Denial, DenialLog } from '../platform/security/egress-denials.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { MetricsRegistry } from '../platform/telemetry/metrics.ts'

export interface SecretWatch {
  readonly secrets: Secrets
  /** From here on, changes are logged and counted, and those that need it cause a reload. */
  announce(log: Logger, registry: MetricsRegistry, denials: DenialLog, reload: () => void): void
}

/** Refusals kept until there is somebody to tell. */
const maxEarly = 100

/** The secrets of a process. They exist before its log does, because the config that shapes the log may refer to some. */
export function watchSecrets(): SecretWatch {
  let told: ReturnType<typeof announcer> | undefined
  const early: Denial[] = []
  const secrets = new Secrets({
    rotated: (reference, reload) => told?.rotated(reference, reload),
    stale: (reference, problem) => told?.stale(reference, problem),
    recovered: reference => told?.recovered(reference),
    read: (system, result) => told?.read(system, result),
    denied(denial) {
      if (told !== undefined) told.denied(denial)
      else if (early.length < maxEarly) early.push(denial)
    },
  })
  return {
    secrets,
    announce(log, registry, denials, reload) {
      told = announcer(log, registry, denials, reload)
      early.splice(0).forEach(told.denied)
    },
  }
}

function announcer(log: Logger, registry: MetricsRegistry, denials: DenialLog, reload: () => void) {
  const reads = registry.counter('routeiq_secret_reads_total', 'Secrets read from where they are kept.', [
    'system',
    'result',
  ])
  const rotations = registry.counter('routeiq_secret_rotations_total', 'Secrets that changed while in use.', [])
  return {
    rotated(reference: string, needsReload: boolean): void {
      rotations.labels().inc()
      log.info({ reference }, 'secret changed')
      if (needsReload) reload()
    },
    stale: (reference: string, problem: string): void =>
      log.warn({ reference, problem }, 'secret cannot be read; the value at hand stays in use'),
    recovered: (reference: string): void => log.info({ reference }, 'secret can be read again'),
    read: (system: string, result: string): void => reads.labels(system, result).inc(),
    denied: (denial: Denial): void => denials.add(denial),
  }
}
