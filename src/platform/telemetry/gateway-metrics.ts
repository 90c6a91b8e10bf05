import type { FailureKind } from '../errors/gateway-error.ts'
import { DeploymentMetrics, deploymentFamilies, type MeteredDeployment } from './deployment-metrics.ts'
import { renderMetrics } from './exposition.ts'
import { GroupMetrics, groupFamilies } from './group-metrics.ts'
import { type Counter, type Gauge, MetricsRegistry, type MetricsSnapshot } from './metrics.ts'
import { registerProcessMetrics } from './process-metrics.ts'

/** Stands for a model name that is not configured: what callers invent must not become series. */
const unknown = 'unknown'

/** Groups with handles of their own, per route; more share the name `other`. */
const maxGroups = 1000

/** What is counted elsewhere already and only read at a scrape. */
export interface LiveSource {
  /** Calls in this process that have not ended. */
  inFlight(): number
  /** Calls that wait for admission. */
  queued?(): number
  deployments(): Iterable<{
    readonly deployment: MeteredDeployment
    readonly inFlight: number
    /** Out of rotation. */
    readonly coolingDown: boolean
    /** Failed recently, still in rotation. */
    readonly degraded?: boolean
  }>
}

/**
 * What the gateway tells Prometheus: LiteLLM's names and labels where it has them, `routeiq_*` elsewhere. The table is
 * in docs/observability.md. Handles are made once per deployment and group; a call only adds numbers.
 */
export class GatewayMetrics {
  readonly registry = new MetricsRegistry()
  readonly #deploymentFamilies = deploymentFamilies(this.registry)
  readonly #groupFamilies = groupFamilies(this.registry)
  readonly #handles = new WeakMap<MeteredDeployment, DeploymentMetrics>()
  readonly #groups = new Map<string, Map<string, GroupMetrics>>()
  readonly #retries: Counter
  readonly #egressDenials: Counter
  readonly #configVersion: Gauge
  readonly #reloads: Counter
  readonly #stopProcessMetrics: () => void
  #live: LiveSource | undefined
  #started = false

  constructor() {
    const { registry } = this
    this.#retries = registry.counter('routeiq_retries_total', 'Attempts repeated after a failure.', [
      'requested_model',
      'exception_class',
    ])
    this.#egressDenials = registry.counter(
      'routeiq_egress_denials_total',
      'Outbound connections refused by the egress policy.',
      ['address_class', 'purpose'],
    )
    this.#configVersion = registry.gauge('routeiq_config_version', 'Version of the configuration in use.', [], {
      aggregation: 'max',
    })
    this.#reloads = registry.counter('routeiq_config_reloads_total', 'Configurations applied and refused.', ['result'])
    this.#registerLive()
    this.#stopProcessMetrics = registerProcessMetrics(registry)
  }

  /** The handles of a deployment; found again by the object's identity. */
  of(deployment: MeteredDeployment): DeploymentMetrics {
    let handles = this.#handles.get(deployment)
    if (handles === undefined) {
      handles = new DeploymentMetrics(this.#deploymentFamilies, deployment)
      this.#handles.set(deployment, handles)
    }
    return handles
  }

  /** The handles of a configured model name, for one route. Undefined: the name is not a configured one. */
  group(name: string = unknown, route = ''): GroupMetrics {
    let ofRoute = this.#groups.get(route)
    if (ofRoute === undefined) {
      ofRoute = new Map()
      this.#groups.set(route, ofRoute)
    }
    let metrics = ofRoute.get(name)
    if (metrics === undefined) {
      if (ofRoute.size >= maxGroups && name !== 'other') return this.group('other', route)
      metrics = new GroupMetrics(this.#groupFamilies, name, route)
      ofRoute.set(name, metrics)
    }
    return metrics
  }

  retried(group: string = unknown, kind: FailureKind | typeof unknown = unknown): void {
    this.#retries.labels(group, kind).inc()
  }

  /** @param purpose what the connection was for, one of a fixed list. */
  egressDenied(addressClass: string, purpose: string): void {
    this.#egressDenials.labels(addressClass, purpose).inc()
  }

  /** A configuration is in use. With `deployments`, the series of those that are gone are forgotten. */
  configured(version: number, deployments?: Iterable<MeteredDeployment>): void {
    this.#configVersion.labels().set(version)
    // The configuration a process starts with is no reload.
    this.#reloads.labels('applied').inc(this.#started ? 1 : 0)
    this.#started = true
    if (deployments === undefined) return
    const ids = new Set(Array.from(deployments, deployment => deployment.id))
    for (const family of Object.values(this.#deploymentFamilies)) {
      const at = family.labelNames.indexOf('model_id')
      if (at !== -1) family.prune((labels: readonly string[]) => ids.has(labels[at] ?? ''))
    }
  }

  /** A configuration was refused; the one before stays. */
  configRefused(): void {
    this.#reloads.labels('refused').inc()
  }

  /** Where in-flight counts and deployment states are read from. */
  watch(source: LiveSource): void {
    this.#live = source
  }

  /** Plain JSON, for `mergeMetrics` in the process that is scraped. */
  snapshot(): MetricsSnapshot {
    return this.registry.snapshot()
  }

  /** Prometheus text of this process. */
  render(): string {
    return renderMetrics(this.snapshot())
  }

  /** Stops the event-loop probe. */
  close(): void {
    this.#stopProcessMetrics()
  }

  #registerLive(): void {
    const { registry } = this
    registry.collected('gauge', 'litellm_in_flight_requests', 'Calls in progress.', [], () =>
      this.#live === undefined ? [] : [[[], this.#live.inFlight()]],
    )
    registry.collected('gauge', 'routeiq_queued_requests', 'Calls waiting for admission.', [], () =>
      this.#live?.queued === undefined ? [] : [[[], this.#live.queued()]],
    )
    registry.collected(
      'gauge',
      'litellm_deployment_state',
      '0 healthy, 1 failing at times, 2 cooling down.',
      ['litellm_model_name', 'model_id', 'api_provider'],
      () =>
        [...(this.#live?.deployments() ?? [])].map(({ deployment, coolingDown, degraded }) => [
          [deployment.target.model, deployment.id, deployment.target.vendor.id],
          coolingDown ? 2 : degraded ? 1 : 0,
        ]),
      { aggregation: 'max' },
    )
    registry.collected(
      'gauge',
      'routeiq_deployment_in_flight_requests',
      'Attempts in progress.',
      ['requested_model', 'litellm_model_name', 'model_id', 'api_provider'],
      () =>
        [...(this.#live?.deployments() ?? [])].map(({ deployment, inFlight }) => [
          [deployment.group, deployment.target.model, deployment.id, deployment.target.vendor.id],
          inFlight,
        ]),
    )
  }
}
