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

/** What is counted. `budget` in nano-dollars. */
export type Metric = 'requests' | 'tokens' | 'input_tokens' | 'output_tokens' | 'parallel' | 'budget'

/** One limit of one scope, over one window. A scope may have several windows of one metric. */
export interface LimitRule {
  readonly scope: Scope
  /** Id of the key (its token), team, … ; empty for `global`. */
  readonly scopeId: string
  readonly metric: Metric
  /** The most that may be used in a window; nano-dollars for `budget`. */
  readonly limit: number
  /** Undefined for `parallel`, and for budgets that never reset. */
  readonly window: LimitWindow | undefined
  /** Only calls to this model (name or wildcard) count. */
  readonly model: string | undefined
  /** A `budget`'s alert threshold, nano-dollars; crossing it never refuses. */
  readonly softLimit?: number | undefined
}

/** `seconds`: rolling from first use (rates). `calendar`: LiteLLM's durations, aligned to the calendar (`1d`, `7d`, `1mo`). */
export type LimitWindow =
  | { readonly kind: 'seconds'; readonly seconds: number }
  | {
      readonly kind: 'calendar'
      readonly duration: string /** End of the running window, epoch ms, if the store knows it. */
      readonly resetAt: number | undefined
    }
