import type { FailureKind, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import type { RoutingSettings } from './settings.ts'
import type { RetryDecision, RetryPolicy, RetryReason } from './types.ts'

export interface RetryQuestion {
  readonly failure: UpstreamFailure
  /** Retries already made in this group: 0 after the first failure. */
  readonly attempt: number
  /** `num_retries` of the request. */
  readonly requested?: number | undefined
  readonly settings: RoutingSettings
  /** The deployment that failed. */
  readonly deployment: Deployment
  readonly group: string
  /** Another deployment of the group would take the call now. */
  readonly hasAlternative: boolean
  /** A fallback would run for this failure. Left out: the configured lists tell. */
  readonly hasFallback?: boolean | undefined
  readonly random: () => number
}

/** The upstream may answer the same call a moment later (LiteLLM: 408, 409, 429 and 500 up). */
const transient: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'timeout',
  'rate_limit',
  'internal_server',
  'bad_gateway',
  'service_unavailable',
  'connection',
])

/**
 * The deployment is at fault, not the call: its key, its account, its model name. Trying it again is pointless, trying
 * another is not. (LiteLLM does so for 401 only and gives up on 403 and 404 with healthy deployments left.)
 */
const deploymentsFault: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'authentication',
  'permission_denied',
  'not_found',
])

/** Waits, milliseconds. */
const firstBackoff = 500
const maxBackoff = 8_000
const maxRetryAfter = 60_000
const jitter = 0.75

/** Whether to try this group again, and how long to wait first. */
export function retryDecision(question: RetryQuestion): RetryDecision {
  const { failure, attempt } = question
  const limit = retryLimit(question)
  const reason = reasonFor(question, limit)
  if (reason !== 'retries_left') return { retry: false, reason, limit, delay: 0 }
  return { retry: true, reason, limit, delay: question.hasAlternative ? 0 : backoff(question, failure, attempt) }
}

function reasonFor(question: RetryQuestion, limit: number): RetryReason {
  const { failure, attempt, hasAlternative } = question
  const { kind } = failure
  if (kind === 'context_window_exceeded' || kind === 'content_policy_violation') {
    if (hasFallback(question)) return 'fallback_first'
  }
  if (kind === 'rate_limit' && !hasAlternative && hasFallback(question)) return 'fallback_first'
  if (deploymentsFault.has(kind)) {
    if (!hasAlternative) return 'no_alternative'
  } else if (!transient.has(kind) && !(explicitRetries(question) ?? 0)) {
    return 'not_retryable'
  }
  return attempt < limit ? 'retries_left' : 'retries_used_up'
}

/** First that is set: request, deployment, the group's policy for this kind, the router's policy, `num_retries`. */
function retryLimit(question: RetryQuestion): number {
  const { settings, failure } = question
  return (
    question.requested ??
    question.deployment.numRetries ??
    fromPolicy(groupPolicy(question), failure.kind) ??
    fromPolicy(settings.retryPolicy, failure.kind) ??
    settings.numRetries
  )
}

/** A number the operator wrote for exactly this kind: it makes even a 400 retryable. */
function explicitRetries(question: RetryQuestion): number | undefined {
  const { kind } = question.failure
  return groupPolicy(question)?.perKind[kind] ?? question.settings.retryPolicy?.perKind[kind]
}

/** By the name that was asked for, else by the config's `model_name`, which differ for wildcards. */
function groupPolicy({ settings, group, deployment }: RetryQuestion): RetryPolicy | undefined {
  return settings.groupRetryPolicies.get(group) ?? settings.groupRetryPolicies.get(deployment.group)
}

function fromPolicy(policy: RetryPolicy | undefined, kind: FailureKind): number | undefined {
  return policy === undefined ? undefined : (policy.perKind[kind] ?? policy.default)
}

function hasFallback(question: RetryQuestion): boolean {
  if (question.hasFallback !== undefined) return question.hasFallback
  const { settings, group, failure, deployment } = question
  const { contextWindowFallbacks, contentPolicyFallbacks, fallbacks, defaultFallbacks } = settings
  const has = (lists: ReadonlyMap<string, unknown>) => lists.has(group) || lists.has(deployment.group) || lists.has('*')
  if (failure.kind === 'context_window_exceeded' && has(contextWindowFallbacks)) return true
  if (failure.kind === 'content_policy_violation' && has(contentPolicyFallbacks)) return true
  return has(fallbacks) || defaultFallbacks.some(target => target.model !== group)
}

/** The vendor's own word if it is a usable one, else 0.5 s · 2ⁿ up to 8 s less up to 75 % jitter; never under `retry_after`. */
function backoff({ settings, random }: RetryQuestion, failure: UpstreamFailure, attempt: number): number {
  const stated = (failure.retryAfter ?? 0) * 1000
  if (stated > 0 && stated <= maxRetryAfter) return Math.max(stated, settings.retryAfter)
  const full = Math.min(maxBackoff, firstBackoff * 2 ** attempt)
  return Math.max(full * (1 - jitter * random()), settings.retryAfter)
}
