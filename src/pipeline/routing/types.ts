import type { FailureKind } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'

/** A named set of deployments that answer for one public model name. Stable object: equal names give the same one. */
export interface ModelGroup {
  /** The group's name; for a wildcard match the model that was asked for. */
  readonly name: string
  readonly deployments: readonly Deployment[]
  /** The `model_name` pattern that matched, where one did: policies and fallbacks may be keyed by it too. */
  readonly pattern?: string
  /** Asked for by deployment id: no load balancing, no cooldown. */
  readonly direct?: boolean
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
  | 'parallel_limit'
  | 'already_failed'

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
  /** The same with the live numbers the decision was made on, copied then. */
  readonly candidates: readonly Candidate[]
  readonly considered: readonly Consideration[]
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
