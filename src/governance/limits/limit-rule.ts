/** Whose limit it is. */
export type Scope =
  | 'global'
  | 'organization'
  | 'team'
  | 'team_member'
  | 'user'
  | 'key'
  | 'project'
  | 'agent'
  | 'session'
  | 'end_user'
  | 'tag'
  | 'provider'
  | 'deployment'
  /** The capacity of a model group, and the share of it that a priority may use. */
  | 'model_group'
  | 'priority'

/** What is counted. `budget` in nano-dollars. */
export type Metric = 'requests' | 'tokens' | 'input_tokens' | 'output_tokens' | 'parallel' | 'budget'

/** One limit of one scope, over one window. A scope may have several windows of one metric. */
export interface LimitRule {
  readonly scope: Scope
  /**
   * Id of the key (its token), team, …; `<team>/<user>` for a team member; empty for `global`. For `session` it is the
   * owner of the cap, `key:<token>` or `agent:<id>`: the session itself is known only with the request.
   */
  readonly scopeId: string
  readonly metric: Metric
  /** The most that may be used in a window; nano-dollars for `budget`. 0 refuses everything that would use any. */
  readonly limit: number
  /** Undefined for `parallel`, and for budgets that never reset. */
  readonly window: LimitWindow | undefined
  /** Only calls to this model (name or wildcard) count. */
  readonly model: string | undefined
  /** A `budget`'s alert threshold, nano-dollars; crossing it never refuses. */
  readonly softLimit?: number | undefined
  /** LiteLLM's `temp_budget_increase` and `temp_budget_expiry`: added to the limit until then, epoch ms. */
  readonly raise?: { readonly amount: number; readonly until: number } | undefined
  /**
   * The `spend` column of the object's row counts this budget. Further windows of the same object have no column: what
   * was spent in them is summed from the ledger.
   */
  readonly inRow?: boolean | undefined
  /** `throttle_on_budget_exceeded`: spent, it slows the key down where the configuration says by how much. */
  readonly throttles?: boolean | undefined
  /** Calls count and are never refused: somebody else pays, and `spend` has them all the same. */
  readonly countOnly?: boolean | undefined
}

/** `seconds`: rolling from first use (rates). `calendar`: LiteLLM's durations, aligned to the calendar (`1d`, `7d`, `1mo`). */
export type LimitWindow =
  | { readonly kind: 'seconds'; readonly seconds: number }
  | {
      readonly kind: 'calendar'
      readonly duration: string
      /** End of the running window, epoch ms, if the store knows it. */
      readonly resetAt: number | undefined
    }
