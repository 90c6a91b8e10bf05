import { randomBytes } from 'node:crypto'
import type { Enforcement } from '../../governance/limits/enforcement.ts'
import type { LimitRule, Metric } from '../../governance/limits/limit-rule.ts'
import { type Amounts, PlannedLimit } from '../../governance/limits/planned-limit.ts'
import type { SpendSource } from '../../governance/limits/spend-source.ts'
import type { Clock } from '../../platform/clock.ts'
import {
  type CounterValue,
  type LeaseItem,
  type LeaseResult,
  type SharedState,
  StateUnavailable,
} from '../../platform/shared-state/shared-state.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { Deployment } from '../deployment.ts'
import type { DropReason } from '../routing/types.ts'
import { leaseTime, Renewals } from './renewals.ts'

/** Why a deployment cannot take a call: what routing shows and what it tells the caller. */
export type OverLimit = Extract<DropReason, 'over_rpm' | 'over_tpm' | 'over_budget'>

/** An attempt at a deployment that has limits of its own. Ends once: settled or refunded. */
export interface AttemptLease {
  readonly id: string
  readonly state: SharedState
  settle(actual: Amounts): void
  refund(): void
}

/** Milliseconds a deployment found over its limit is left alone at most: a budget may be raised meanwhile. */
const longestSkip = 5000

export interface AttemptLeaseServices {
  readonly state: SharedState
  readonly local: SharedState
  readonly spend: SpendSource
  readonly clock: Clock
  readonly log: Logger
}

/** Limits of one configuration's deployments and vendors. */
export interface AttemptLimits {
  readonly enforcement: Enforcement
  /** Rates act as limits, not only as weights: usage-based strategies, pre-call checks, `enforce_model_rate_limits`. */
  readonly rates: boolean
}

/**
 * Limits of deployments and vendors: taken per attempt, because only routing decides where a call goes. A deployment
 * without limits costs nothing, one with them a second contact with shared state. `over` is the filter that spares
 * contacts: what the last answers said, without asking.
 */
export class AttemptLeases {
  readonly #services: AttemptLeaseServices
  readonly #renewals: Renewals
  readonly #prefix = `a${randomBytes(9).toString('base64url')}`
  #serial = 0
  readonly #planned = new WeakMap<AttemptLimits, WeakMap<Deployment, readonly PlannedLimit[]>>()
  /** Counter → until when (epoch ms) it is known to be used up, and what that means. */
  readonly #over = new Map<string, { readonly until: number; readonly reason: OverLimit }>()

  constructor(services: AttemptLeaseServices) {
    this.#services = services
    this.#renewals = new Renewals(services.log)
  }

  /** Why a deployment is known not to have anything left; undefined when it may have. */
  over(limits: AttemptLimits, deployment: Deployment): OverLimit | undefined {
    const planned = this.#limitsOf(limits, deployment)
    if (planned.length === 0 || this.#over.size === 0) return undefined
    const now = this.#services.clock.epoch()
    for (const { counter } of planned) {
      const known = this.#over.get(counter)
      if (known === undefined) continue
      if (now < known.until) return known.reason
      this.#over.delete(counter)
    }
    return undefined
  }

  /**
   * Takes the limits of a deployment and of its vendor for one attempt.
   * @returns undefined when it has none; why not when they are used up: the next deployment may be tried
   * @throws GatewayError never; without shared state the process counts for itself, whatever the fail mode: the caller's
   *   own limits have been checked
   */
  take(
    limits: AttemptLimits,
    deployment: Deployment,
    worst: Amounts,
  ): AttemptLease | OverLimit | undefined | Promise<AttemptLease | OverLimit> {
    const planned = this.#limitsOf(limits, deployment)
    if (planned.length === 0) return undefined
    const { state, local, clock } = this.#services
    const now = clock.epoch()
    const id = `${this.#prefix}${(++this.#serial).toString(36)}`
    const items = planned.map(limit => limit.item(worst, now))
    const opened = (where: SharedState, result: LeaseResult): AttemptLease | OverLimit =>
      this.#opened(where, id, planned, result, now)
    const instead = (error: unknown): AttemptLease | OverLimit | Promise<AttemptLease | OverLimit> => {
      if (!(error instanceof StateUnavailable) && !(error instanceof StoreUnavailable)) throw error
      const result = local.reserve(id, items.map(unseeded), leaseTime)
      return result instanceof Promise ? result.then(own => opened(local, own)) : opened(local, result)
    }
    try {
      const result = state.reserve(id, items, leaseTime)
      return result instanceof Promise ? result.then(own => opened(state, own), instead) : opened(state, result)
    } catch (error) {
      return instead(error)
    }
  }

  close(): void {
    this.#renewals.close()
  }

  #opened(
    state: SharedState,
    id: string,
    planned: readonly PlannedLimit[],
    result: LeaseResult,
    now: number,
  ): AttemptLease | OverLimit {
    const { values } = result
    for (let i = 0; i < planned.length; i++) {
      const limit = planned[i] as PlannedLimit
      const value = values[i]
      if (value !== undefined) this.#remember(limit, value, now)
    }
    if (!result.granted) {
      const limit = planned[result.item] as PlannedLimit
      const reason = reasonOf(limit.rule.metric)
      // Reserved by calls in flight: may be free again at once, but not for this call.
      if (!this.#over.has(limit.counter)) this.#over.set(limit.counter, { until: now + 100, reason })
      return reason
    }
    return new Lease(id, state, planned, this.#renewals)
  }

  #remember(limit: PlannedLimit, value: CounterValue, now: number): void {
    if (value.used < limit.limit(now)) return
    const until = Math.min(value.resetAt ?? Number.POSITIVE_INFINITY, now + longestSkip)
    this.#over.set(limit.counter, { until, reason: reasonOf(limit.rule.metric) })
  }

  #limitsOf(limits: AttemptLimits, deployment: Deployment): readonly PlannedLimit[] {
    let ofConfig = this.#planned.get(limits)
    if (ofConfig === undefined) {
      ofConfig = new WeakMap()
      this.#planned.set(limits, ofConfig)
    }
    let planned = ofConfig.get(deployment)
    if (planned === undefined) {
      const { enforcement } = limits
      const services = { enforcement, spend: this.#services.spend, clock: this.#services.clock }
      const ofVendor = enforcement.providerRules.get(deployment.target.vendor.id) ?? []
      planned = [...(deployment.limits ?? []), ...ofVendor]
        .filter(rule => acts(rule, limits))
        .map(rule => new PlannedLimit(rule, services))
      ofConfig.set(deployment, planned)
    }
    return planned
  }
}

/** Rates of a deployment are weights unless something makes them limits; budgets always are. */
const acts = ({ metric }: LimitRule, { rates }: AttemptLimits): boolean => metric === 'budget' || rates

function reasonOf(metric: Metric): OverLimit {
  if (metric === 'budget') return 'over_budget'
  return metric === 'requests' || metric === 'parallel' ? 'over_rpm' : 'over_tpm'
}

function unseeded(item: LeaseItem): LeaseItem {
  const { seed } = item
  return seed === undefined ? item : { ...item, seed: () => seed().catch(() => 0) }
}

class Lease implements AttemptLease {
  readonly id: string
  readonly state: SharedState
  readonly #planned: readonly PlannedLimit[]
  readonly #renewals: Renewals
  #ended = false

  constructor(id: string, state: SharedState, planned: readonly PlannedLimit[], renewals: Renewals) {
    this.id = id
    this.state = state
    this.#planned = planned
    this.#renewals = renewals
    renewals.add(this)
  }

  settle(actual: Amounts): void {
    this.#end(this.#planned.map(limit => limit.used(actual)))
  }

  refund(): void {
    this.#end(undefined)
  }

  #end(used: readonly number[] | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#renewals.remove(this)
    this.state.settle(this.id, used)
  }
}
