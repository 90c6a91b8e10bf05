import type { FailureKind } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'

/** A named set of deployments that answer for one public model name. */
export interface ModelGroup {
  readonly name: string
  readonly deployments: readonly Deployment[]
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

/** Why a deployment is not a candidate. Codes, so that keeping them costs nothing; texts are made when shown. */
export type DropReason =
  | 'cooling_down'
  | 'context_window'
  | 'unsupported_params'
  | 'higher_order'
  | 'over_rpm'
  | 'over_tpm'
  | 'parallel_limit'
  | 'already_failed'

/** Mutable, per deployment, shared by snapshots through the deployment's id. */
export interface LiveView {
  readonly inFlight: number
  /** Mean recent latency, milliseconds per call (per output token where known); undefined before the first. */
  readonly latency: number | undefined
  readonly ttft: number | undefined
  /** Tokens and requests in the current minute. */
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
  rank(candidates: readonly Candidate[], features: CallFeatures, random: () => number): readonly Candidate[]
  why(chosen: Candidate, candidates: readonly Candidate[]): string
}

export interface Consideration {
  readonly deployment: Deployment
  /** Undefined when kept. */
  readonly dropped: DropReason | undefined
}

/** The decision as data: what the headers say and the explain endpoint shows. */
export interface RoutePlan {
  readonly group: ModelGroup
  readonly strategy: string
  /** Kept deployments in the order they will be tried. */
  readonly ranked: readonly Deployment[]
  readonly considered: readonly Consideration[]
  /** One line: why the first is first. */
  why(): string
}

/** How a finished attempt is told to the live statistics. */
export interface AttemptOutcome {
  readonly latency: number
  readonly ttft: number | undefined
  readonly stream: boolean
  readonly inputTokens: number
  readonly outputTokens: number
}

export interface RetryDecision {
  readonly retry: boolean
  /** Milliseconds to wait first. */
  readonly delay: number
}

export interface RetryPolicy {
  readonly perKind: Partial<Record<FailureKind, number>>
  readonly default: number | undefined
}
