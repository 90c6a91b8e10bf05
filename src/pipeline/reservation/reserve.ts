import { randomBytes } from 'node:crypto'
import type { Principal } from '../../governance/authentication/principal.ts'
import type { Enforcement } from '../../governance/limits/enforcement.ts'
import type { LimitRule } from '../../governance/limits/limit-rule.ts'
import { LimitPlan, type LimitPlanner } from '../../governance/limits/plan.ts'
import type { Amounts, PlannedLimit } from '../../governance/limits/planned-limit.ts'
import { LimitExceeded } from '../../governance/limits/refusal.ts'
import type { RuleSource } from '../../governance/limits/rule-source.ts'
import type { Thresholds } from '../../governance/limits/thresholds.ts'
import type { Clock } from '../../platform/clock.ts'
import { decimal } from '../../platform/decimal.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import {
  type LeaseItem,
  type LeaseResult,
  type SharedState,
  StateUnavailable,
} from '../../platform/shared-state/shared-state.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { ModelGroup } from '../routing/types.ts'
import { AttemptLeases } from './attempt-leases.ts'
import { CounterRepair } from './counter-repair.ts'
import { type Estimate, type Estimated, estimate } from './estimate.ts'
import { factsOf, type GroupFacts } from './group-facts.ts'
import { OutageBook } from './outage-book.ts'
import { defaultLeaseTime, Renewals } from './renewals.ts'
import { Reservation } from './reservation.ts'

/** Limits of one configuration: made with the snapshot. */
export interface Limits {
  readonly enforcement: Enforcement
  readonly planner: LimitPlanner
}

/** What of a call decides which limits hold and how much it takes of them. */
export interface Reserving {
  readonly principal: Principal
  readonly group: ModelGroup
  readonly request: Estimated
  readonly endUser: string | undefined
  readonly tags: readonly string[]
  readonly sessionId: string | undefined
}

export interface ReservationServices {
  readonly state: SharedState
  /** This process alone; takes over where limits are open while `state` is away. Answers without a promise. */
  readonly local: SharedState
  readonly rules: RuleSource
  readonly thresholds: Thresholds
  readonly clock: Clock
  readonly log: Logger
  /** Calls that ended a while ago are still on their way to the books. Default: never. */
  readonly shipping?: (() => boolean) | undefined
  /** Milliseconds a lease lives without renewal. Default 60,000. */
  readonly leaseTime?: number | undefined
}

const noRules: readonly (readonly LimitRule[])[] = []
const mostTags = 20

/**
 * Takes every limit and budget of every scope for a call, in one contact with shared state, before anything is sent
 * anywhere. One per process.
 */
export class Reservations {
  readonly #services: ReservationServices
  readonly #leaseTime: number
  readonly #renewals: Renewals
  readonly #outage: OutageBook
  /** Of budget counters that have missed calls. */
  readonly repair: CounterRepair
  /** Limits of deployments and vendors. */
  readonly attempts: AttemptLeases
  /** Callers may choose the ids of their calls; two leases of one id would share a limit. */
  readonly #prefix = randomBytes(9).toString('base64url')
  #serial = 0
  #warnedAt = Number.NEGATIVE_INFINITY

  constructor(services: ReservationServices) {
    this.#services = services
    this.#leaseTime = services.leaseTime ?? defaultLeaseTime
    this.#renewals = new Renewals(services.log, this.#leaseTime)
    this.repair = new CounterRepair(services.state, services.clock, services.log, services.shipping)
    this.#outage = new OutageBook(services.state, this.repair, services.log)
    this.attempts = new AttemptLeases(services)
  }

  /** Calls that hold a lease. */
  get held(): number {
    return this.#renewals.size
  }

  /**
   * Synchronous while shared state is in this process and everything asked for is known.
   * @returns undefined when no limit holds for the call
   * @throws GatewayError `rate_limit_exceeded`, `budget_exceeded` (429); `limits_unavailable` (503)
   */
  reserve(limits: Limits, call: Reserving): Reservation | undefined | Promise<Reservation | undefined> {
    const more = this.#moreRules(limits, call)
    return more instanceof Promise
      ? more.then(rules => this.#take(limits, call, rules))
      : this.#take(limits, call, more)
  }

  /**
   * The call leaves its group for a fallback: what it had reserved goes back, and the limits and prices of the other
   * group are asked (`enforce_fallback_budget`).
   */
  again(limits: Limits, call: Reserving, held: Reservation | undefined): ReturnType<Reservations['reserve']> {
    if (!limits.enforcement.fallbackBudgets) {
      held?.movedTo(factsOf(call.group))
      return held
    }
    held?.refund()
    return this.reserve(limits, call)
  }

  /**
   * A virtual name's call is about to go to a model: the limits that speak of that model, and that the call does not hold
   * yet. They are settled with the attempt: the next one may go to another model.
   * @param call its group is the one that serves
   * @returns undefined: there are none
   * @throws GatewayError as `reserve`, and `permission_denied` where only models with a price are served
   */
  reserveServed(limits: Limits, call: Reserving, held: Reservation | undefined): ReturnType<Reservations['reserve']> {
    const more = this.#moreRules(limits, call)
    return more instanceof Promise
      ? more.then(rules => this.#take(limits, call, rules, held))
      : this.#take(limits, call, more, held)
  }

  async close(): Promise<void> {
    this.#renewals.close()
    this.attempts.close()
    this.#outage.close()
    this.repair.close()
    if (this.#services.state.available) await this.#outage.deliver()
  }

  /** Limits that are known only with the request: those of the end user it names and of its tags. */
  #moreRules(
    { enforcement }: Limits,
    { endUser, tags }: Reserving,
  ): readonly (readonly LimitRule[])[] | Promise<readonly (readonly LimitRule[])[]> {
    if (endUser === undefined && tags.length === 0) return noRules
    const { rules } = this.#services
    const found: (readonly LimitRule[] | Promise<readonly LimitRule[]>)[] = []
    if (endUser !== undefined) found.push(rules.ofEndUser(endUser, enforcement))
    for (let i = 0; i < tags.length && i < mostTags; i++) found.push(rules.ofTag(tags[i] as string, enforcement))
    if (found.some(list => list instanceof Promise)) {
      return Promise.all(found).catch((error: unknown) => {
        if (error instanceof GatewayError) throw error
        if (!(error instanceof StoreUnavailable) || enforcement.onStateUnavailable.budget === 'open') {
          this.#warn(error, 'limits of end users and tags could not be looked up; calls go on without them')
          return noRules
        }
        throw unavailable(error)
      })
    }
    return (found as (readonly LimitRule[])[]).filter(list => list.length > 0)
  }

  #take(
    { planner, enforcement }: Limits,
    { principal, group, request, sessionId }: Reserving,
    more: readonly (readonly LimitRule[])[],
    held?: Reservation | undefined,
  ): Reservation | undefined | Promise<Reservation | undefined> {
    const facts = factsOf(group)
    const whole = planner.plan({ principal, model: facts, more, sessionId })
    const plan = held === undefined ? whole : without(whole, held)
    // Behind a virtual name every model is asked for its own price, once it is chosen.
    const priced = enforcement.blockUnpriced && group.strategy === undefined
    if (plan.limits.length === 0 && !priced) return undefined
    const worst = estimate(request, facts, enforcement)
    if (priced && worst.unpriced) throw withoutPrice(group)
    if (plan.limits.length === 0) return undefined
    return this.#lease(plan, worst, principal, facts, enforcement)
  }

  #lease(
    plan: LimitPlan,
    worst: Estimate,
    principal: Principal,
    facts: GroupFacts,
    enforcement: Enforcement,
  ): Reservation | Promise<Reservation> {
    const { state, clock } = this.#services
    const id = this.#prefix + decimal(++this.#serial)
    const items = plan.items(worst, clock.epoch())
    const granted = (where: SharedState, result: LeaseResult): Reservation =>
      this.#opened(where, id, plan.limits, items, result, worst, principal, facts)
    const instead = (error: unknown): Reservation | Promise<Reservation> => {
      const { local } = this.#services
      const result = this.#withoutState(error, id, plan.limits, items, enforcement)
      return result instanceof Promise ? result.then(own => granted(local, own)) : granted(local, result)
    }
    let result: LeaseResult | Promise<LeaseResult>
    try {
      result = state.reserve(id, items, this.#leaseTime)
    } catch (error) {
      return instead(error)
    }
    if (!(result instanceof Promise)) return granted(state, result)
    return result.then(
      own => granted(state, own),
      error => instead(error),
    )
  }

  /** Shared state is away: each process counts for itself, or the call has to wait. */
  #withoutState(
    error: unknown,
    id: string,
    limits: readonly PlannedLimit[],
    items: readonly LeaseItem[],
    { onStateUnavailable }: Enforcement,
  ): LeaseResult | Promise<LeaseResult> {
    if (!(error instanceof StateUnavailable) && !(error instanceof StoreUnavailable)) throw error
    for (const { rule, countOnly } of limits) {
      const kind = rule.metric === 'budget' ? 'budget' : 'rate'
      if (!countOnly && onStateUnavailable[kind] === 'closed') throw unavailable(error)
    }
    this.#warn(error, 'shared state is away: limits are counted by this process alone')
    return this.#services.local.reserve(id, items.map(withoutDoubt), this.#leaseTime)
  }

  #opened(
    state: SharedState,
    id: string,
    limits: readonly PlannedLimit[],
    items: readonly LeaseItem[],
    result: LeaseResult,
    worst: Estimate,
    principal: Principal,
    facts: GroupFacts,
  ): Reservation {
    const { clock, thresholds } = this.#services
    const now = clock.epoch()
    const { values } = result
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i] as PlannedLimit
      const value = values[i]
      if (!limit.watched || value === undefined) continue
      if (limit.rule.metric === 'budget') thresholds.observe(limit, value.used, value.resetAt, principal, now)
      limit.observe(value, now)
    }
    if (!result.granted) throw new LimitExceeded(limits[result.item] as PlannedLimit, result.value, now)
    const reservation = new Reservation(
      { id, principal, facts, estimate: worst, limits, items, values, state },
      this.#settle,
    )
    this.#renewals.add(reservation)
    return reservation
  }

  readonly #settle = (
    reservation: Reservation,
    used: readonly number[] | undefined,
    actual: Amounts | undefined,
  ): void => {
    const { state, limits, items, values, principal } = reservation
    this.#renewals.remove(reservation)
    state.settle(reservation.id, used)
    if (used === undefined || actual === undefined) return
    if (state !== this.#services.state) this.#outage.note(limits, items, used)
    if (actual.cost === 0) return
    const now = this.#services.clock.epoch()
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i] as PlannedLimit
      const value = values[i]
      if (limit.rule.metric !== 'budget' || value === undefined) continue
      this.#services.thresholds.observe(limit, value.used + actual.cost, value.resetAt, principal, now)
      limit.spent(value.used + actual.cost, value.resetAt, now)
    }
  }

  /** At most one line in ten seconds: an outage concerns every call. */
  #warn(error: unknown, message: string): void {
    const now = this.#services.clock.now()
    if (now - this.#warnedAt < 10_000) return
    this.#warnedAt = now
    this.#services.log.warn({ err: error }, message)
  }
}

/** What of a plan a call does not hold already. */
const without = ({ limits }: LimitPlan, held: Reservation): LimitPlan =>
  new LimitPlan(limits.filter(({ counter }) => !held.charges(counter)))

/** The books may be away too: then a counter of this process begins at nothing. */
function withoutDoubt(item: LeaseItem): LeaseItem {
  const { seed } = item
  return seed === undefined ? item : { ...item, seed: () => seed().catch(() => 0) }
}

const unavailable = (cause: unknown): GatewayError =>
  new GatewayError('limits_unavailable', 'Limits cannot be checked at the moment; try again shortly.', {
    retryAfter: 1,
    cause,
  })

const withoutPrice = ({ name }: ModelGroup): GatewayError =>
  new GatewayError(
    'permission_denied',
    `The model '${name.slice(0, 200)}' has no known price, and this gateway serves only models that have one. Set input_cost_per_token and output_cost_per_token for it.`,
    { param: 'model' },
  )
