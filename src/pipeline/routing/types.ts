import type { RoutingDecision } from '../../learning/decision.ts'
import type { Prompt } from '../../learning/prompt.ts'
import type { FailureKind } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import type { RoutingOverrides } from './learned/overrides.ts'
import type { CascadePolicy } from './learned/route-policy.ts'

/** A named set of deployments that answer for one public model name. Stable object: equal names give the same one. */
export interface ModelGroup {
  /** The group's name; for a wildcard match the model that was asked for. */
  readonly name: string
  readonly deployments: readonly Deployment[]
  /** The `model_name` pattern that matched, where one did: policies and fallbacks may be keyed by it too. */
  readonly pattern?: string
  /** Asked for by deployment id: no load balancing, no cooldown. */
  readonly direct?: boolean
  /** Takes the place of the router's: a name that stands for a choice among the deployments of other groups. */
  readonly strategy?: Strategy
}

/** What routing may look at in a call. Cheap to make: nothing here reads the whole prompt. */
export interface CallFeatures {
  readonly stream: boolean
  /** Upper bound of prompt tokens from the byte length of the body, and a lower one; exact counting is on demand. */
  readonly promptTokensMin: number
  readonly promptTokensMax: number
  /** Exact (or best) count, computed once on demand, only when a check straddles the two bounds. */
  readonly countPromptTokens: () => number
  readonly maxOutputTokens: number | undefined
  /** Needs of the request, checked against capabilities when `enable_pre_call_checks` is on. */
  readonly needs: {
    readonly tools: boolean
    readonly vision: boolean
    readonly jsonSchema: boolean
    readonly audio: boolean
  }
  /** Stable hash of the cacheable prompt prefix (system text, tools, first turn); undefined when it is too short. */
  readonly prefixHash: number | undefined
  /** What learned routes look at; made when first asked for. Undefined: this kind of call is not routed by its prompt. */
  readonly routing?: RoutingContext | undefined
  /** What the caller demands of where its call goes, beyond its model's name; undefined: nothing. */
  readonly demands?: Demands | undefined
  /**
   * For callers that may not use every model: whether they may use a group. A virtual name opens no other to them,
   * whoever decides. Undefined: any.
   */
  readonly mayUse?: ((group: string) => boolean) | undefined
}

/** What a call brings along for a router that learns. Made once per call and group, and only where one decides. */
export interface RoutingContext {
  readonly prompt: Prompt
  /** Characters of the request that a model reads: the base of expected input tokens. */
  readonly inputCharacters: number
  readonly overrides: RoutingOverrides
  readonly tags: readonly string[]
  readonly userAgent: string
  /** The model name asked for. */
  readonly requested: string
  /** Ours, unique: what the loop knows the call by. */
  readonly recordId: string
  /** Hash of what holds a conversation together: the session's id, else its caller and first turn. */
  readonly conversation: number
  /** Whether the caller named a session. */
  readonly named: boolean
  /** Whoever the call is for, so that a share of callers can be told from the rest: session, end user, key. */
  readonly stickyKey: string
  /** What was decided for this call and group: a retry walks on from here, it does not decide anew. */
  made: Ranking | undefined
}

/** Bounds on deployments that hold whatever the strategy: for the group asked for and for every fallback. */
export interface Demands {
  /** Lower case. */
  readonly models: ReadonlySet<string> | undefined
  readonly region: string | undefined
}

/**
 * Why a deployment is not a candidate. Codes, so that keeping them costs nothing; texts are made when shown.
 * `higher_order` alone is no exclusion: such a deployment stands by, ranked after those of the lowest `order`.
 */
export type DropReason =
  | 'cooling_down'
  | 'context_window'
  | 'unsupported_params'
  | 'higher_order'
  | 'over_rpm'
  | 'over_tpm'
  | 'over_budget'
  | 'caller_limit'
  | 'parallel_limit'
  | 'already_failed'
  | 'region'
  | 'not_allowed'

/** Limits of deployments and their vendors that are counted in shared state. */
export interface DeploymentLimits {
  /** Why nothing is left, as far as is known without asking; undefined when something may be. */
  over(deployment: Deployment): DropReason | undefined
  /** Milliseconds until something may be left again; Infinity: nobody knows. */
  untilFree(deployment: Deployment): number
}

/** Mutable, per deployment, shared by snapshots through the deployment's id. */
export interface LiveView {
  readonly inFlight: number
  /** Mean recent latency, milliseconds per call (per output token where known); undefined before the first. */
  readonly latency: number | undefined
  /** Mean recent time to the first token of streams, milliseconds. */
  readonly ttft: number | undefined
  /** Tokens (prompts in flight included) and requests in the last 60 s. */
  readonly tpm: number
  readonly rpm: number
  /** `latency` is per output token. */
  readonly perToken?: boolean
}

export interface Candidate {
  readonly deployment: Deployment
  readonly live: LiveView
}

/**
 * Orders candidates, best first. Pure: the same input and the same dice give the same order.
 * `why` names what decided, in a few words (`latency 120 ms, best of 3`); called lazily, only when shown.
 */
export interface Strategy {
  readonly id: string
  /** Deployments at their `rpm` or `tpm` are dropped before ranking, as LiteLLM's strategy of this name does. */
  readonly honoursLimits: boolean
  rank(candidates: readonly Candidate[], features: CallFeatures, random: () => number): readonly Candidate[]
  why(chosen: Candidate, candidates: readonly Candidate[], features: CallFeatures): string
  /**
   * How many of the first ranked are as good as one another, so that prompt-cache affinity may choose among them
   * without working against the strategy.
   */
  interchangeable(ranked: readonly Candidate[], features: CallFeatures): number
  /** Capabilities and context windows are checked whatever `enable_pre_call_checks` says: the models differ. */
  readonly checksCapabilities?: boolean
  /**
   * For strategies that keep a record of why; then used in place of `rank`. Undefined: it does not decide this call, and
   * `rank` does.
   * @throws GatewayError when hard constraints leave nobody
   */
  decide?(question: RoutingQuestion): Ranking | undefined
}

export interface RoutingQuestion {
  readonly group: ModelGroup
  readonly kept: readonly Candidate[]
  /** By place in the group; undefined: nobody was dropped. */
  readonly dropped: readonly (DropReason | undefined)[] | undefined
  readonly features: CallFeatures
  readonly random: () => number
}

/** An order with the decision that it came from. */
export interface Ranking {
  readonly ranked: readonly Candidate[]
  /** How many of the first are equals, see `Strategy.interchangeable`. */
  readonly interchangeable: number
  readonly decision: RoutingDecision
  /** Name under which artifacts of this route are activated. */
  readonly router: string
  /** Answers are checked, and the next model is asked where one does not pass. */
  readonly cascade: CascadePolicy | undefined
  /** A retry: the same decision, walked on with those that are left. */
  again(kept: readonly Candidate[], features: CallFeatures, random: () => number): Ranking
  /** What the decision calls the model of a deployment. */
  modelOf(deployment: Deployment): string | undefined
}

/** The first learned decision of a call, kept until the call is over. */
export interface Routed {
  readonly ranking: Ranking
  readonly context: RoutingContext
}

export interface Consideration {
  readonly deployment: Deployment
  /** Undefined when kept; `higher_order` when kept for failover only. */
  readonly dropped: DropReason | undefined
}

/** The decision as data: what the headers say and the explain endpoint shows. */
export interface RoutePlan {
  readonly group: ModelGroup
  readonly strategy: string
  /** Kept deployments in the order they will be tried; at least one. */
  readonly ranked: readonly Deployment[]
  /** The same with the live numbers the decision is made on; all but calls in flight are those of the moment they are read. */
  readonly candidates: readonly Candidate[]
  readonly considered: readonly Consideration[]
  /** Of a strategy that keeps one. */
  readonly ranking?: Ranking | undefined
  /** One line: why the first is first. */
  why(): string
}

/** How a finished attempt is told to the live statistics. Times are milliseconds. */
export interface AttemptOutcome {
  /** From dispatch to the last byte. */
  readonly latency: number
  readonly ttft: number | undefined
  readonly stream: boolean
  readonly inputTokens: number
  readonly outputTokens: number
}

/** Why an attempt is or is not repeated; kept with the hop for the explain endpoint. */
export type RetryReason = 'retries_left' | 'retries_used_up' | 'not_retryable' | 'no_alternative' | 'fallback_first'

export interface RetryDecision {
  readonly retry: boolean
  readonly reason: RetryReason
  /** The number of retries that applied. */
  readonly limit: number
  /** Milliseconds to wait first. */
  readonly delay: number
}

export interface RetryPolicy {
  readonly perKind: Partial<Record<FailureKind, number>>
  readonly default: number | undefined
}
