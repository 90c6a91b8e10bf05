import type { LeaseItem } from '../../platform/shared-state/shared-state.ts'
import type { Principal } from '../authentication/principal.ts'
import type { LimitRule } from './limit-rule.ts'
import { type ModelFacts, speaksOf } from './model-facts.ts'
import { type Amounts, PlannedLimit, type PlannedLimitOptions, type PlanServices } from './planned-limit.ts'
import { defaultPool, Saturation, shareOf } from './priorities.ts'
import { Throttle } from './throttle.ts'

/** What of a call, beyond its principal and its model, limits depend on. */
export interface CallLimitsInput {
  readonly principal: Principal
  readonly model: ModelFacts
  /** Limits of the end user and of the tags: stable lists, one object each as long as nothing changes. */
  readonly more: readonly (readonly LimitRule[])[]
  readonly sessionId: string | undefined
}

/** What limits ask of a deployment. */
export interface LimitedDeployment {
  readonly limits?: readonly LimitRule[] | undefined
  readonly target: { readonly vendor: { readonly id: string } }
}

/** The limits that hold for a call, in the order they are asked. */
export class LimitPlan {
  readonly limits: readonly PlannedLimit[]
  readonly sessionRules: readonly LimitRule[]
  readonly #constant: boolean
  #items: readonly LeaseItem[] | undefined
  #itemsUntil = Number.NEGATIVE_INFINITY

  constructor(limits: readonly PlannedLimit[], sessionRules: readonly LimitRule[] = []) {
    this.limits = limits
    this.sessionRules = sessionRules
    this.#constant = limits.every(limit => limit.constant)
  }

  /** What to take of each limit, item by item in the order of `limits`. @param now epoch ms */
  items(amounts: Amounts, now: number): readonly LeaseItem[] {
    if (this.#items !== undefined && now < this.#itemsUntil) return this.#items
    const { limits } = this
    const items = new Array<LeaseItem>(limits.length)
    for (let i = 0; i < limits.length; i++) items[i] = (limits[i] as PlannedLimit).item(amounts, now)
    if (this.#constant) {
      this.#items = items
      this.#itemsUntil = limits.reduce((until, limit) => Math.min(until, limit.windowEnd), Number.POSITIVE_INFINITY)
    }
    return items
  }
}

const empty = new LimitPlan([])

/**
 * Turns rules into plans and keeps them: per principal and model, and per list of end-user or tag rules and model. One
 * per snapshot; a changed principal is another object, and its old plans go with the old one.
 */
export class LimitPlanner {
  readonly #services: PlanServices
  readonly #ofPrincipal = new WeakMap<Principal, WeakMap<ModelFacts, LimitPlan>>()
  readonly #ofRules = new WeakMap<readonly LimitRule[], WeakMap<ModelFacts, LimitPlan>>()
  readonly #ofRulesUncounted = new WeakMap<readonly LimitRule[], WeakMap<ModelFacts, LimitPlan>>()
  readonly #ofDeployments = new WeakMap<LimitedDeployment, readonly PlannedLimit[]>()
  readonly #saturations = new WeakMap<ModelFacts, Saturation>()
  readonly #throttles = new WeakMap<Principal, Throttle>()
  readonly #byModel = new WeakMap<Principal, boolean>()

  constructor(services: PlanServices) {
    this.#services = services
  }

  plan({ principal, model, more, sessionId }: CallLimitsInput): LimitPlan {
    const own = this.#principalPlan(principal, model)
    const session = sessionId !== undefined && own.sessionRules.length > 0
    if (more.length === 0 && !session) return own
    const limits = [...own.limits]
    const cache = principal.admin ? this.#ofRulesUncounted : this.#ofRules
    for (const rules of more) limits.push(...this.#rulesPlan(cache, rules, model, principal.admin).limits)
    if (session) {
      for (const rule of own.sessionRules) {
        // The session is the caller's word: bounded, as every name of a counter.
        const scopeId = `${rule.scopeId}:${sessionId.slice(0, 256)}`
        limits.push(new PlannedLimit({ ...rule, scopeId }, this.#services))
      }
    }
    return limits.length === 0 ? empty : new LimitPlan(limits)
  }

  /**
   * Limits of a deployment and of its vendor. Budgets always act; rates only where the configuration makes them caps.
   * @param rates the same for all calls of a configuration
   */
  ofDeployment(deployment: LimitedDeployment, rates: boolean): readonly PlannedLimit[] {
    let planned = this.#ofDeployments.get(deployment)
    if (planned === undefined) {
      const ofVendor = this.#services.enforcement.providerRules.get(deployment.target.vendor.id) ?? []
      planned = [...(deployment.limits ?? []), ...ofVendor]
        .filter(({ metric }) => metric === 'budget' || rates)
        .map(rule => new PlannedLimit(rule, this.#services))
      this.#ofDeployments.set(deployment, planned)
    }
    return planned
  }

  /** Whether some limits of a caller hold for some models alone; those of end users and tags aside. */
  differsByModel(principal: Principal): boolean {
    let differs = this.#byModel.get(principal)
    if (differs === undefined) {
      const { priorities, blockUnpriced } = this.#services.enforcement
      differs = blockUnpriced || priorities !== undefined || principal.limits.some(({ model }) => model !== undefined)
      this.#byModel.set(principal, differs)
    }
    return differs
  }

  #principalPlan(principal: Principal, model: ModelFacts): LimitPlan {
    let plans = this.#ofPrincipal.get(principal)
    if (plans === undefined) {
      plans = new WeakMap()
      this.#ofPrincipal.set(principal, plans)
    }
    let plan = plans.get(model)
    if (plan === undefined) {
      plan = this.#compile(principal, model)
      plans.set(model, plan)
    }
    return plan
  }

  #rulesPlan(
    cache: WeakMap<readonly LimitRule[], WeakMap<ModelFacts, LimitPlan>>,
    rules: readonly LimitRule[],
    model: ModelFacts,
    countOnly: boolean,
  ): LimitPlan {
    let plans = cache.get(rules)
    if (plans === undefined) {
      plans = new WeakMap()
      cache.set(rules, plans)
    }
    let plan = plans.get(model)
    if (plan === undefined) {
      plan = new LimitPlan(this.#planned(rules, model, countOnly))
      plans.set(model, plan)
    }
    return plan
  }

  #compile(principal: Principal, model: ModelFacts): LimitPlan {
    const { enforcement } = this.#services
    const rules = principal.limits.filter(rule => rule.scope !== 'session')
    const { defaultParallel } = enforcement
    const keyParallel = rules.some(
      rule => rule.scope === 'key' && rule.metric === 'parallel' && rule.model === undefined,
    )
    if (defaultParallel !== undefined && principal.proof === 'virtual_key' && !keyParallel) {
      rules.push({
        scope: 'key',
        scopeId: principal.token,
        metric: 'parallel',
        limit: defaultParallel,
        window: undefined,
        model: undefined,
      })
    }
    const limits = this.#planned(enforcement.globalRules, model, principal.admin)
    limits.push(...this.#planned(rules, model, false, this.#throttleOf(principal)), ...this.#capacity(principal, model))
    return new LimitPlan(
      limits,
      principal.limits.filter(rule => rule.scope === 'session' && speaksOf(rule, model)),
    )
  }

  /** One for all models of a caller: the budget is one. A key without rates has none to slow down, and is refused. */
  #throttleOf(principal: Principal): Throttle | undefined {
    const { throttleShare } = this.#services.enforcement
    if (throttleShare === undefined) return undefined
    const throttled = principal.limits.some(rule => rule.throttles === true) && principal.limits.some(isKeyRate)
    if (!throttled) return undefined
    let throttle = this.#throttles.get(principal)
    if (throttle === undefined) {
      throttle = new Throttle(throttleShare)
      this.#throttles.set(principal, throttle)
    }
    return throttle
  }

  #planned(
    rules: readonly LimitRule[],
    model: ModelFacts,
    countOnly: boolean,
    throttle?: Throttle | undefined,
  ): PlannedLimit[] {
    const shown = new Set<string>()
    const limits: PlannedLimit[] = []
    for (const rule of rules) {
      if (!speaksOf(rule, model)) continue
      const name = `${rule.scope}:${rule.metric}:${rule.model ?? ''}`
      limits.push(
        new PlannedLimit(rule, this.#services, {
          countOnly: countOnly || rule.countOnly === true || (model.free && rule.metric === 'budget'),
          hidden: shown.has(name) || rule.countOnly === true,
          throttles: rule.throttles === true ? throttle : undefined,
          throttledBy: isKeyRate(rule) ? throttle : undefined,
        }),
      )
      shown.add(name)
    }
    return limits
  }

  /** The group's own limits and the caller's share of them, where capacity is divided by priority. */
  #capacity(principal: Principal, model: ModelFacts): PlannedLimit[] {
    const { priorities } = this.#services.enforcement
    if (priorities === undefined) return []
    let saturation = this.#saturations.get(model)
    if (saturation === undefined) {
      saturation = new Saturation(priorities)
      this.#saturations.set(model, saturation)
    }
    const wanted = principal.metadata['priority']
    const priority = typeof wanted === 'string' && priorities.shares.has(wanted) ? wanted : undefined
    const share = shareOf(priority, priorities, model)
    const limits: PlannedLimit[] = []
    for (const [metric, capacity] of [
      ['requests', model.rpm],
      ['tokens', model.tpm],
    ] as const) {
      if (capacity === undefined) continue
      const rule = { metric, window: { kind: 'seconds', seconds: 60 }, model: undefined } as const
      const options: PlannedLimitOptions = { countOnly: principal.admin }
      limits.push(
        new PlannedLimit({ ...rule, scope: 'model_group', scopeId: model.name, limit: capacity }, this.#services, {
          ...options,
          saturates: saturation,
        }),
        new PlannedLimit(
          {
            ...rule,
            scope: 'priority',
            scopeId: `${model.name}:${priority ?? defaultPool}`,
            limit: Math.floor(capacity * share),
          },
          this.#services,
          { ...options, strictWhen: saturation },
        ),
      )
    }
    return limits
  }
}

/** `rpm_limit`, `tpm_limit` and the like of a key, for all its models together. */
const isKeyRate = ({ scope, metric, model, window }: LimitRule): boolean =>
  scope === 'key' && model === undefined && metric !== 'budget' && metric !== 'parallel' && window?.kind === 'seconds'
