import { randomBytes } from 'node:crypto'
import type { Metric } from '../../governance/limits/limit-rule.ts'
import type { LimitPlanner } from '../../governance/limits/plan.ts'
import type { Amounts, PlannedLimit } from '../../governance/limits/planned-limit.ts'
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
import type { DeploymentLimits, DropReason } from '../routing/types.ts'
import { defaultLeaseTime, Renewals } from './renewals.ts'

/** Why a deployment cannot take a call: what routing shows and what it tells the caller. */
export type OverLimit = Extract<DropReason, 'over_rpm' | 'over_tpm' | 'over_budget'>

/** An attempt at a deployment that has limits of its own. Ends once: settled or refunded. */
export interface AttemptLease {
  readonly id: string
  readonly state: SharedState
  settle(actual: Amounts): void
  refund(): void
}

/** Milliseconds a deployment found over its limit is left alone before it is asked again: a budget may be raised. */
const longestSkip = 5000
/** Milliseconds it is left alone when calls in flight hold what is left. */
const shortestSkip = 100
/** Counters known to be used up; one per deployment or vendor. */
const maxKnown = 10_000

export interface AttemptLeaseServices {
  readonly state: SharedState
  readonly local: SharedState
  readonly clock: Clock
  readonly log: Logger
  /** Milliseconds a lease lives without renewal. Default 60,000. */
  readonly leaseTime?: number | undefined
}

interface Exhausted {
  readonly reason: OverLimit
  /** Epoch ms until which it is not asked, and until which it is used up as far as is known. */
  readonly skipUntil: number
  readonly freeAt: number
}

/**
 * Limits of deployments and vendors: taken per attempt, because only routing decides where a call goes. A deployment
 * without limits costs nothing, one with them a second contact with shared state. What the answers say is remembered, so
 * that routing passes over deployments that are used up without asking.
 */
export class AttemptLeases {
  readonly #services: AttemptLeaseServices
  readonly #leaseTime: number
  readonly #renewals: Renewals
  readonly #prefix = `a${randomBytes(9).toString('base64url')}`
  #serial = 0
  readonly #exhausted = new Map<string, Exhausted>()

  constructor(services: AttemptLeaseServices) {
    this.#services = services
    this.#leaseTime = services.leaseTime ?? defaultLeaseTime
    this.#renewals = new Renewals(services.log, this.#leaseTime)
  }

  /**
   * What routing may know of the limits of a configuration's deployments.
   * @param rates rpm and tpm are caps, not only weights
   */
  known(planner: LimitPlanner, rates: boolean): DeploymentLimits {
    return {
      over: deployment => this.#known(planner, rates, deployment)?.reason,
      untilFree: deployment => {
        const known = this.#known(planner, rates, deployment)
        return known === undefined ? Number.POSITIVE_INFINITY : Math.max(0, known.freeAt - this.#services.clock.epoch())
      },
    }
  }

  /**
   * Takes the limits of a deployment and of its vendor for one attempt. Without shared state the process counts for
   * itself, whatever the fail mode: the caller's own limits have been checked.
   * @returns undefined when it has none; why not when they are used up: the next deployment may be tried
   */
  take(
    planner: LimitPlanner,
    rates: boolean,
    deployment: Deployment,
    worst: Amounts,
  ): AttemptLease | OverLimit | undefined | Promise<AttemptLease | OverLimit> {
    const planned = planner.ofDeployment(deployment, rates)
    if (planned.length === 0) return undefined
    const { state, local, clock } = this.#services
    const now = clock.epoch()
    const id = `${this.#prefix}${(++this.#serial).toString(36)}`
    const items = planned.map(limit => limit.item(worst, now))
    const opened = (where: SharedState, result: LeaseResult): AttemptLease | OverLimit =>
      this.#opened(where, id, planned, result, now)
    const instead = (error: unknown): AttemptLease | OverLimit | Promise<AttemptLease | OverLimit> => {
      if (!(error instanceof StateUnavailable) && !(error instanceof StoreUnavailable)) throw error
      const result = local.reserve(id, items.map(unseeded), this.#leaseTime)
      return result instanceof Promise ? result.then(own => opened(local, own)) : opened(local, result)
    }
    let result: LeaseResult | Promise<LeaseResult>
    try {
      result = state.reserve(id, items, this.#leaseTime)
    } catch (error) {
      return instead(error)
    }
    if (!(result instanceof Promise)) return opened(state, result)
    return result.then(
      own => opened(state, own),
      error => instead(error),
    )
  }

  close(): void {
    this.#renewals.close()
  }

  #known(planner: LimitPlanner, rates: boolean, deployment: Deployment): Exhausted | undefined {
    if (this.#exhausted.size === 0) return undefined
    const now = this.#services.clock.epoch()
    for (const { counter } of planner.ofDeployment(deployment, rates)) {
      const known = this.#exhausted.get(counter)
      if (known === undefined) continue
      if (now < known.skipUntil) return known
      this.#exhausted.delete(counter)
    }
    return undefined
  }

  #opened(
    state: SharedState,
    id: string,
    planned: readonly PlannedLimit[],
    result: LeaseResult,
    now: number,
  ): AttemptLease | OverLimit {
    if (!result.granted) {
      const limit = planned[result.item] as PlannedLimit
      return this.#remember(limit, result.value, now).reason
    }
    return new Lease(id, state, planned, this.#renewals)
  }

  #remember(limit: PlannedLimit, { used, resetAt }: CounterValue, now: number): Exhausted {
    const reason = reasonOf(limit.rule.metric)
    const spent = used >= limit.limit(now)
    const freeAt = spent ? (resetAt ?? Number.POSITIVE_INFINITY) : now + shortestSkip
    const exhausted = { reason, freeAt, skipUntil: Math.min(freeAt, now + longestSkip) }
    if (this.#exhausted.size >= maxKnown) this.#exhausted.clear()
    this.#exhausted.set(limit.counter, exhausted)
    return exhausted
  }
}

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
  renewal = -1
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
