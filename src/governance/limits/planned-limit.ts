import type { Clock } from '../../platform/clock.ts'
import type { CounterValue, LeaseItem, Window } from '../../platform/shared-state/shared-state.ts'
import { parseDuration } from './durations.ts'
import type { Enforcement } from './enforcement.ts'
import { headerNames, type LimitHeaders } from './header-names.ts'
import { LimitLines } from './limit-lines.ts'
import type { LimitRule } from './limit-rule.ts'
import { type ModelFacts, speaksOf } from './model-facts.ts'
import type { Saturation } from './priorities.ts'
import { counterOf } from './rules.ts'
import type { CountedSpend, SpendSource } from './spend-source.ts'
import type { Throttle } from './throttle.ts'

/** What a call uses: an estimate before it, the truth after it. Whole numbers. */
export interface Amounts {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Nano-dollars. */
  readonly cost: number
}

export interface PlanServices {
  readonly enforcement: Enforcement
  readonly spend: SpendSource
  readonly clock: Clock
}

export interface PlannedLimitOptions {
  /** Counts but never refuses: an administrator's call, a model that costs nothing. */
  readonly countOnly?: boolean
  /** Applies only while its group is saturated; otherwise it only counts. */
  readonly strictWhen?: Saturation
  /** The group's own limit, which tells how saturated it is. */
  readonly saturates?: Saturation
  /** A budget that slows its key down when it is spent, and refuses nothing. */
  readonly throttles?: Throttle | undefined
  /** A rate that follows such a budget. */
  readonly throttledBy?: Throttle | undefined
  /** Not told in headers: another limit has the same names there. */
  readonly hidden?: boolean
}

/**
 * A rule made ready for calls: its counter's name, its window and everything else that is the same for many calls is
 * computed once. One object per rule, principal and model; calls come by the thousand a second.
 */
export class PlannedLimit {
  readonly rule: LimitRule
  readonly counter: string
  /** Undefined: callers are told nothing of it. */
  readonly headers: LimitHeaders | undefined
  readonly saturates: Saturation | undefined
  readonly countOnly: boolean
  /** What it stands at is looked at after every reservation. */
  readonly watched: boolean
  readonly #strictWhen: Saturation | undefined
  readonly #throttles: Throttle | undefined
  readonly #throttledBy: Throttle | undefined
  readonly #enforcement: Enforcement
  readonly #seed: (() => Promise<number>) | undefined
  readonly #spent: (() => Promise<number>) | undefined
  readonly #overdraft: boolean
  readonly #lines: LimitLines | undefined
  #window: Window
  /** Epoch ms from which `#window` is another one. */
  #windowEnd: number
  /** For what every call uses the same of. */
  #fixed: LeaseItem | undefined

  constructor(rule: LimitRule, { enforcement, spend, clock }: PlanServices, options: PlannedLimitOptions = {}) {
    this.rule = rule
    this.counter = counterOf(rule)
    this.headers = options.hidden === true ? undefined : headerNames(rule)
    this.#lines = this.headers === undefined ? undefined : new LimitLines(this.headers, String(rule.limit))
    this.countOnly = options.countOnly ?? false
    this.saturates = options.saturates
    this.watched = rule.metric === 'budget' || options.saturates !== undefined
    this.#strictWhen = options.strictWhen
    this.#throttles = options.throttles
    this.#throttledBy = options.throttledBy
    this.#enforcement = enforcement
    // Spend is in the books and rates are not: a lost budget counter is found again, a lost minute is forgiven.
    this.#spent =
      rule.metric === 'budget' && rule.scope !== 'session'
        ? () => spend.spent(rule, this.windowStart(clock.epoch()))
        : undefined
    this.#seed = this.#spent === undefined ? undefined : () => this.#start(spend)
    this.#overdraft = rule.metric !== 'requests' && rule.metric !== 'parallel'
    this.#window = { kind: 'forever' }
    this.#windowEnd = Number.NEGATIVE_INFINITY
    this.#fixed = undefined
  }

  /** The same item for every call of this window. */
  get constant(): boolean {
    return !this.#overdraft && this.#strictWhen === undefined && this.#throttledBy === undefined
  }

  get windowEnd(): number {
    return this.#windowEnd
  }

  /** The limit at a moment: temporary raises end, and so does being throttled. */
  limit(now: number): number {
    const { raise, limit } = this.rule
    if (this.#throttledBy !== undefined) return this.#throttledBy.rate(limit, now)
    return raise !== undefined && now < raise.until ? limit + raise.amount : limit
  }

  /** What callers are told of it, while it stands at `limit`. */
  lines(limit: number): LimitLines | undefined {
    if (limit === this.rule.limit || this.headers === undefined) return this.#lines
    return new LimitLines(this.headers, String(limit))
  }

  /** What a call takes of it at worst. */
  item(amounts: Amounts, now: number): LeaseItem {
    if (now >= this.#windowEnd) this.#advance(now)
    if (this.#fixed !== undefined) return this.#fixed
    const free =
      this.countOnly ||
      this.#throttles !== undefined ||
      (this.#strictWhen !== undefined && !this.#strictWhen.strict(now))
    const item: LeaseItem = {
      key: this.counter,
      window: this.#window,
      limit: free ? Number.POSITIVE_INFINITY : this.limit(now),
      amount: this.amount(amounts),
      overdraft: this.#overdraft,
      seed: this.#seed,
    }
    if (this.constant) this.#fixed = item
    return item
  }

  amount({ inputTokens, outputTokens, cost }: Amounts): number {
    switch (this.rule.metric) {
      case 'requests':
      case 'parallel':
        return 1
      case 'input_tokens':
        return inputTokens
      case 'output_tokens':
        return outputTokens
      case 'budget':
        return cost
      case 'tokens': {
        const { tokenType } = this.#enforcement
        if (tokenType === 'total') return inputTokens + outputTokens
        return tokenType === 'input' ? inputTokens : outputTokens
      }
    }
  }

  /** What a finished call has used of it: calls in parallel are over then. */
  used(actual: Amounts): number {
    return this.rule.metric === 'parallel' ? 0 : this.amount(actual)
  }

  /** Whether calls that this group answered count. */
  speaksOf(model: ModelFacts): boolean {
    const { rule } = this
    if (rule.scope === 'model_group') return rule.scopeId === model.name
    if (rule.scope === 'priority') return rule.scopeId.startsWith(`${model.name}:`)
    return speaksOf(rule, model)
  }

  /**
   * The counter as the books know it, in the window of the last call. Undefined: they do not tell these calls apart, or
   * tell them by the model that was asked, while the one that answered is charged.
   */
  get counted(): CountedSpend | undefined {
    if (this.#spent === undefined || this.rule.model !== undefined) return undefined
    return { key: this.counter, window: this.#window, spent: this.#spent }
  }

  async #start(spend: SpendSource): Promise<number> {
    const value = (await this.#spent?.()) ?? 0
    const { counted } = this
    if (counted !== undefined) spend.started?.(counted)
    return value
  }

  /** How full the group is, for the shares of its priorities; what is left of a budget, for those it throttles. */
  observe(value: CounterValue, now: number): void {
    this.saturates?.observe(this.counter, value.used + value.reserved, this.rule.limit, value.resetAt, now)
    this.#throttles?.observe(value.used, this.limit(now), value.resetAt)
  }

  /** What a call left behind that has ended. */
  spent(used: number, resetAt: number | undefined, now: number): void {
    this.#throttles?.spent(used, this.limit(now), resetAt)
  }

  /** Undefined: the window has no beginning that a calendar knows. */
  windowStart(now: number): number | undefined {
    const { window } = this.rule
    const duration = window?.kind === 'calendar' ? parseDuration(window.duration) : undefined
    return duration === undefined ? undefined : this.#enforcement.calendar.window(duration, now).start
  }

  #advance(now: number): void {
    const { window } = this.rule
    this.#fixed = undefined
    this.#windowEnd = Number.POSITIVE_INFINITY
    if (this.rule.metric === 'parallel') this.#window = { kind: 'live' }
    else if (window === undefined) this.#window = { kind: 'forever' }
    else if (window.kind === 'seconds') this.#window = { kind: 'rate', ms: window.seconds * 1000 }
    else {
      const duration = parseDuration(window.duration)
      if (duration === undefined) {
        this.#window = { kind: 'forever' }
        return
      }
      // The end that the object's row states wins: windows of imported objects began whenever they were made.
      const stated = window.resetAt !== undefined && window.resetAt > now ? window.resetAt : undefined
      const at = stated ?? this.#enforcement.calendar.window(duration, now).end
      this.#window = { kind: 'until', at }
      this.#windowEnd = at
    }
  }
}
