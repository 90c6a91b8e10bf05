import type { FailureKind, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import type { RoutingSettings } from './settings.ts'

export type CooldownPolicy = Pick<
  RoutingSettings,
  'allowedFails' | 'allowedFailsPolicy' | 'cooldownTime' | 'disableCooldowns'
>

/** What opened a circuit. */
export type CooldownCause = 'at_once' | 'failure_rate' | 'allowed_fails' | 'all_failed' | 'probe_failed'

/** Counts over the last 60 s, the failure at hand included. */
export interface FailureCounts {
  readonly requests: number
  readonly failures: number
  readonly ofKind: number
}

/** More than this share of failures… */
const maxFailureRate = 0.5
/** …once this many requests were seen, so that one bad call among few decides nothing. */
const minRequests = 5
/** A lone deployment is cooled only when this many requests all failed (LiteLLM's threshold). */
const lonelyRequests = 1000
/** Longest pause, milliseconds, whatever the vendor asks for: the probe finds out sooner. */
const maxCooldown = 300_000

/** The upstream will not take this call, however often it is asked in the next seconds. */
const atOnce: ReadonlySet<FailureKind> = new Set<FailureKind>(['rate_limit', 'authentication', 'not_found', 'timeout'])

const callersFault: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'bad_request',
  'unprocessable_entity',
  'context_window_exceeded',
  'content_policy_violation',
])

/**
 * The request is to blame, not the deployment: else one client with broken requests could take models from all others.
 * A missing model behind a wildcard is the caller's spelling. An explicit allowed-fails policy for the kind overrules.
 */
export function isCallersFault(deployment: Deployment, { kind }: UpstreamFailure, policy: CooldownPolicy): boolean {
  if (allowedOfKind(deployment, kind, policy) !== undefined) return false
  return callersFault.has(kind) || (kind === 'not_found' && deployment.group.includes('*'))
}

/** Whether a failure that counts opens the circuit, and why. One rule decides, the most specific that is set. */
export function triggered(
  deployment: Deployment,
  failure: UpstreamFailure,
  policy: CooldownPolicy,
  groupSize: number,
  counts: FailureCounts,
): CooldownCause | undefined {
  const ofKind = allowedOfKind(deployment, failure.kind, policy)
  if (ofKind !== undefined) return counts.ofKind > ofKind ? 'allowed_fails' : undefined
  const allowed = deployment.allowedFails ?? policy.allowedFails
  if (allowed !== undefined) return counts.failures > allowed ? 'allowed_fails' : undefined
  if (groupSize <= 1) {
    return counts.requests >= lonelyRequests && counts.failures === counts.requests ? 'all_failed' : undefined
  }
  // 402: the account is out of credit. 403 may be about one prompt (moderation), so only its rate counts.
  if (atOnce.has(failure.kind) || failure.status === 402) return 'at_once'
  return counts.requests >= minRequests && counts.failures / counts.requests > maxFailureRate
    ? 'failure_rate'
    : undefined
}

/**
 * Milliseconds to pause: the vendor's `Retry-After` if it named one, else the deployment's `cooldown_time`, else the
 * router's; doubled for every failed probe before, up to five minutes (or the configured time, if that is longer).
 * 0 means never: cooldowns are off, or a `cooldown_time` of 0.
 */
export function cooldownDuration(
  deployment: Deployment,
  { retryAfter }: UpstreamFailure,
  policy: CooldownPolicy,
  failedProbes: number,
): number {
  const configured = policy.disableCooldowns ? 0 : (deployment.cooldown ?? policy.cooldownTime)
  if (configured === 0) return 0
  const stated = retryAfter === undefined || retryAfter <= 0 ? undefined : Math.min(retryAfter * 1000, maxCooldown)
  if (failedProbes === 0) return stated ?? configured
  const doubled = Math.min(configured * 2 ** failedProbes, Math.max(configured, maxCooldown))
  return Math.max(stated ?? 0, doubled)
}

function allowedOfKind(deployment: Deployment, kind: FailureKind, policy: CooldownPolicy): number | undefined {
  return deployment.allowedFailsPolicy?.[kind] ?? policy.allowedFailsPolicy?.[kind]
}
