import type { NanoDollars } from '../../platform/money.ts'
import type { LimitRule } from './limit-rule.ts'
import type { PriorityShares } from './priorities.ts'
import type { Calendar } from './windows.ts'

/** What happens to limits while shared state cannot be reached: each process counts for itself, or calls get 503. */
export type FailMode = 'open' | 'closed'

/** How limits are enforced: the configuration, compiled. One per snapshot. */
export interface Enforcement {
  readonly calendar: Calendar
  /** Which tokens `tpm_limit` counts (`token_rate_limit_type`). */
  readonly tokenType: 'total' | 'input' | 'output'
  /** Limits of the whole gateway. */
  readonly globalRules: readonly LimitRule[]
  /** Parallel calls of a virtual key that states none (`general_settings.max_parallel_requests`). */
  readonly defaultParallel: number | undefined
  /** Limits of end users and tags that have none of their own. */
  readonly endUserDefaults: Readonly<Record<string, unknown>> | undefined
  /** Budget tier for end users without one (`max_end_user_budget_id`). */
  readonly endUserBudgetId: string | undefined
  /** `tag_budget_config`; a tag object of the same name adds its own. */
  readonly tagRules: ReadonlyMap<string, readonly LimitRule[]>
  /** `provider_budget_config`. */
  readonly providerRules: ReadonlyMap<string, readonly LimitRule[]>
  readonly priorities: PriorityShares | undefined
  /** False (`disable_budget_reservation`): a budget is only checked, so calls in flight can all overdraw it. */
  readonly reserveBudgets: boolean
  /** The most one call reserves of any budget. */
  readonly maxReservation: NanoDollars
  /** Output tokens reserved for a call that states no maximum. */
  readonly defaultOutputTokens: number
  /** Part of its rates that a key keeps which has spent its budget and is to be throttled; undefined: it is refused. */
  readonly throttleShare: number | undefined
  /** Refuse calls to models without a known price. */
  readonly blockUnpriced: boolean
  /** A fallback to a dearer group is checked against budgets again (`enforce_fallback_budget`). */
  readonly fallbackBudgets: boolean
  readonly onStateUnavailable: { readonly rate: FailMode; readonly budget: FailMode }
}
