import type { Principal } from '../governance/authentication/principal.ts'
import type { GuardedRoute } from '../governance/authorization/permission.ts'
import { AccessControl } from '../governance/authorization/policy/access-control.ts'
import type { Ledger } from '../governance/ledger/ledger.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { UpstreamFailure } from '../platform/errors/gateway-error.ts'
import type { Egress } from '../platform/security/egress.ts'
import type { EgressDoors } from '../platform/security/egress-doors.ts'
import type { Outbound } from '../platform/security/outbound.ts'
import type { GatewayMetrics } from '../platform/telemetry/gateway-metrics.ts'
import type { Logger } from '../platform/telemetry/logger.ts'
import { ExplainLog } from './accounting/explain.ts'
import { Admission } from './admission/admission.ts'
import type { Call } from './call.ts'
import type { Deployment } from './deployment.ts'
import type { Authenticator } from './identity/authenticator.ts'
import type { Reservations } from './reservation/reserve.ts'
import type { Cooldown } from './routing/cooldown.ts'
import type { LearnedServices } from './routing/learned/learned-services.ts'
import type { LiveStats } from './routing/live-stats.ts'
import type { ModelGroup } from './routing/types.ts'
import type { Snapshot } from './snapshot.ts'

/** The ledger, as far as calls need it. */
export type Books = Pick<Ledger, 'accepting' | 'append' | 'keepBodies'>

export interface GatewayServices {
  readonly doors: EgressDoors
  readonly live: LiveStats
  readonly cooldown: Cooldown
  readonly metrics: GatewayMetrics
  readonly log: Logger
  readonly authenticator: Authenticator
  readonly ledger: Books
  readonly reservations: Reservations
  readonly learned?: LearnedServices | undefined
  /** Default: what the configuration says, nothing of a database. */
  readonly access?: AccessControl
  readonly clock?: Clock
  readonly random?: () => number
}

export type DeniedListener = (principal: Principal, address: string, route: GuardedRoute, reason: string) => void

/**
 * One running gateway process: the current snapshot and the services that outlive it. Statistics, cooldowns and
 * connections are kept by deployment id and origin, so a reload does not forget what was learned.
 */
export class Gateway {
  /** The sockets of callers' calls. */
  readonly egress: Egress
  /** HTTP for everything else. */
  readonly outbound: Outbound
  readonly live: LiveStats
  readonly cooldown: Cooldown
  readonly metrics: GatewayMetrics
  readonly log: Logger
  readonly authenticator: Authenticator
  readonly ledger: Books
  readonly reservations: Reservations
  readonly access: AccessControl
  /** Undefined: nothing learns here. */
  readonly learned: LearnedServices | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly explain: ExplainLog
  readonly admission: Admission
  readonly #doors: EgressDoors
  #snapshot: Snapshot
  #draining = false
  #onDenied: DeniedListener | undefined

  constructor(services: GatewayServices, snapshot: Snapshot) {
    this.#doors = services.doors
    this.egress = services.doors.for('providers')
    this.outbound = services.doors
    this.live = services.live
    this.cooldown = services.cooldown
    this.metrics = services.metrics
    this.log = services.log
    this.authenticator = services.authenticator
    this.ledger = services.ledger
    this.reservations = services.reservations
    this.learned = services.learned
    this.clock = services.clock ?? systemClock
    this.access = services.access ?? new AccessControl({ clock: this.clock })
    this.random = services.random ?? Math.random
    this.explain = new ExplainLog(snapshot.explainEntries)
    this.admission = new Admission(snapshot.admission)
    this.#snapshot = snapshot
    this.#apply(snapshot)
    this.metrics.watch({
      inFlight: () => this.admission.inFlight,
      queued: () => this.admission.queued,
      deployments: () =>
        this.#snapshot.deployments.map(deployment => ({
          deployment,
          inFlight: this.live.view(deployment).inFlight,
          coolingDown: this.cooldown.state(deployment) === 'open',
          degraded: this.cooldown.state(deployment) === 'half_open',
        })),
    })
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  /** Set on SIGTERM: readiness turns false while calls in flight finish. */
  get draining(): boolean {
    return this.#draining
  }

  drain(): void {
    this.#draining = true
  }

  /** Takes a new configuration into use, in one step; calls in flight keep theirs. */
  swap(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    this.#apply(snapshot)
  }

  #apply(snapshot: Snapshot): void {
    this.#doors.configure(snapshot.egress)
    this.admission.update(snapshot.admission)
    this.access.configure(snapshot.access)
    this.explain.resize(snapshot.explainEntries)
    if (snapshot.artifacts !== undefined) this.learned?.artifacts.follow(snapshot.artifacts)
    this.live.configure(snapshot.settings.strategyArgs)
    this.live.prune(snapshot.deployments)
    this.cooldown.prune(snapshot.deployments)
    this.metrics.configured(snapshot.version, snapshot.deployments)
  }

  /** A caller was refused a route: seen by the operator, and on the record where it was about administration. */
  denied(principal: Principal, address: string, route: GuardedRoute, reason: string): void {
    this.log.warn(
      { key: principal.keyHash, role: principal.role, address, route: route.paths[0], reason },
      'route denied',
    )
    if (route.permission !== 'llm') this.#onDenied?.(principal, address, route, reason)
  }

  /** Told of every refused management call. */
  set onDenied(listener: DeniedListener) {
    this.#onDenied = listener
  }

  attemptFailed(call: Call, deployment: Deployment, failure: UpstreamFailure): void {
    this.metrics.of(deployment).failed(failure.kind)
    if (failure.code === 'internal_error') {
      this.log.error({ request_id: call.id, deployment: deployment.id, err: failure }, 'unexpected error in an attempt')
    } else if (this.log.isLevelEnabled('debug')) {
      this.log.debug(
        { request_id: call.id, deployment: deployment.id, kind: failure.kind, err: failure },
        'attempt failed',
      )
    }
  }

  /** A call left its group for a fallback, which answered or did not. */
  fellBack(group: ModelGroup, to: string, answered: boolean): void {
    const deployment = group.deployments[0]
    if (deployment !== undefined) this.metrics.of(deployment).fellBack(answered, to)
  }
}
