import { AccessControl } from '../governance/authorization/policy/access-control.ts'
import type { AccessQuestion } from '../governance/authorization/policy/conditions.ts'
import type { CompiledPolicy } from '../governance/authorization/policy/policy-set.ts'
import type { Governance } from '../governance/governance.ts'
import { readStoredAccess } from '../governance/management/access/stored-access.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import type { MetricsRegistry } from '../platform/telemetry/metrics.ts'
import { coalesce } from './coalesce.ts'

export interface AccessServices {
  readonly governance: Governance
  readonly clock: Clock
  readonly registry: MetricsRegistry
  readonly log: Logger
  /** Milliseconds between looks at the database; changes are pushed besides. */
  readonly interval: number
}

/** Policies and address lists of configuration and database, kept current. */
export async function openAccessControl(services: AccessServices): Promise<AccessControl> {
  const { governance, clock, registry, log, interval } = services
  const decisions = registry.counter(
    'routeiq_policy_decisions_total',
    'Calls that an access policy refused, or would have decided (dry_run).',
    ['policy', 'effect', 'dry_run'],
  )
  const quiet = new QuietLog(log, clock)
  const access = new AccessControl({
    clock,
    load: () => readStoredAccess(governance.store.db),
    onPolicy(policy, question) {
      decisions.labels(policy.name, policy.effect, String(policy.dryRun)).inc()
      quiet.policy(policy, question)
    },
    onStale: error => log.error({ err: error }, 'access policies of the database cannot be read; the last known stay'),
  })
  const refresh = coalesce(() => access.refresh())
  governance.onNotice(({ kind }) => void (kind === 'policies' || kind === 'all' ? refresh() : undefined))
  // Messages may be lost; what is in the database is looked at now and then anyway.
  setInterval(refresh, interval).unref()
  await access.refresh()
  return access
}

/** Milliseconds between two lines about one policy. */
const pause = 1000

/** One line per policy and second: a caller that is refused a thousand times is not a thousand news. */
class QuietLog {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #seen = new Map<string, { at: number; left: number }>()

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  policy({ name, effect, dryRun }: CompiledPolicy, { principal, route, address }: AccessQuestion): void {
    const now = this.#clock.now()
    const before = this.#seen.get(name)
    if (before !== undefined && now - before.at < pause) {
      before.left++
      return
    }
    // Names of policies that are gone are forgotten with the rest.
    if (this.#seen.size > 2000) this.#seen.clear()
    this.#seen.set(name, { at: now, left: 0 })
    const { keyHash: key, role } = principal
    this.#log.warn(
      { policy: name, effect, key, role, address, route: route.paths[0], unlogged: before?.left ?? 0 },
      dryRun ? 'access policy would have decided (dry run)' : 'refused by access policy',
    )
  }
}
