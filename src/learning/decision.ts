/** Why a candidate was not to be chosen. A filter, never a weight. */
export type Constraint =
  | 'unavailable'
  | 'context_window'
  | 'unsupported_params'
  | 'capability'
  | 'region'
  | 'not_allowed'
  | 'max_cost'
  | 'max_latency'
  | 'quality_floor'
  | 'unknown_model'
  | 'dominated'

export interface ScoredCandidate {
  readonly model: string
  readonly deployment: string
  /** 0..1. */
  readonly quality: number
  readonly variance: number
  /** US dollars expected. */
  readonly cost: number
  /** Milliseconds expected; undefined: nothing is known. */
  readonly latency: number | undefined
  readonly utility: number
  readonly removedBy?: Constraint | undefined
}

/** What decided. `learned`: the predictions; the rest are rules that come before or guards that come after. */
export type DecisionReason =
  | 'learned'
  | 'explored'
  | 'sticky_session'
  | 'tool_loop'
  | 'intent'
  | 'rule'
  | 'complexity'
  | 'centroid'
  | 'cascade'
  | 'experiment'
  | 'canary'
  | 'default'

/** One decision, complete. No text of the prompt in it. */
export interface RoutingDecision {
  /** `llmrouter-knn`, `routeiq-auto`, … as configured. */
  readonly strategy: string
  readonly reason: DecisionReason
  /** A few words for people: `cluster 12 (integral, prove, theorem), 0.71 against 0.64`. */
  readonly because: string
  readonly chosen: string
  readonly candidates: readonly ScoredCandidate[]
  readonly lambda: number
  readonly mu: number
  readonly explored: boolean
  /** Of the chosen model under the policy that decided, 0..1. */
  readonly propensity: number
  readonly familiarity: number
  readonly cluster: number
  /** sha256 (hex) of artifact, first 12; undefined: decided without one. */
  readonly artifact: string | undefined
  /** Of the route's settings: a hash. */
  readonly policy: string
  /** Artifact that is asked as a shadow, as `artifact`. */
  readonly shadowed?: string | undefined
  /** What it would have chosen. Comes when the call is on its way. */
  shadow?:
    | {
        readonly artifact: string
        readonly chosen: string
        readonly quality: number
        readonly cost: number
      }
    | undefined
  /** Set where an experiment or rollout assigned the call. */
  readonly assignment?: { readonly experiment: string; readonly arm: string } | undefined
  /** Written down for learning, where it is the call's first: beyond `decisions_per_second` not all are. */
  readonly recorded?: boolean
  /** Features of the prompt (float32, base64): never words. */
  readonly features?: string | undefined
  readonly microseconds: number
}
