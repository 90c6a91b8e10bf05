import type { FailureKind } from '../../platform/errors/gateway-error.ts'
import { configFallbacks, configFallbackTarget, type FallbackMap, type FallbackTarget } from './fallback-lists.ts'
import type { RetryPolicy } from './types.ts'

export type AllowedFailsPolicy = Readonly<Partial<Record<FailureKind, number>>>

/** Routing, as a snapshot holds it. Times are milliseconds; defaults as LiteLLM's. */
export interface RoutingSettings {
  /** Default `simple-shuffle`. */
  readonly strategy: string
  readonly strategyArgs: {
    /** Default 3,600,000. */
    readonly latencyTtl: number
    /** Default 10. */
    readonly latencySamples: number
    /** Share above the best latency, default 0. */
    readonly lowestLatencyBuffer: number
  }
  /** Default 2. */
  readonly numRetries: number
  readonly retryPolicy: RetryPolicy | undefined
  readonly groupRetryPolicies: ReadonlyMap<string, RetryPolicy>
  /** Least wait before a retry that waits at all, default 0. */
  readonly retryAfter: number
  /** Default 600,000. */
  readonly timeout: number
  readonly streamTimeout: number | undefined
  readonly ttftTimeout: number | undefined
  readonly streamIdleTimeout: number | undefined
  /** Undefined where the config does not set it, or sets the default 3, which LiteLLM also takes for "not set". */
  readonly allowedFails: number | undefined
  readonly allowedFailsPolicy: AllowedFailsPolicy | undefined
  /** Default 5,000; 0 = never cool. */
  readonly cooldownTime: number
  readonly disableCooldowns: boolean
  readonly fallbacks: FallbackMap
  readonly contextWindowFallbacks: FallbackMap
  readonly contentPolicyFallbacks: FallbackMap
  readonly defaultFallbacks: readonly FallbackTarget[]
  /** Default 5. */
  readonly maxFallbacks: number
  /** Default false. */
  readonly preCallChecks: boolean
  /** `optional_pre_call_checks: [enforce_model_rate_limits]`: rpm and tpm are caps under every strategy. */
  readonly enforceRateLimits: boolean
}

/** Keys that LiteLLM accepts in `router_settings` and in `litellm_settings`. Times are seconds here. */
export interface ReliabilityConfig {
  readonly num_retries?: number | null | undefined
  readonly fallbacks?: readonly unknown[] | null | undefined
  readonly context_window_fallbacks?: readonly unknown[] | null | undefined
  readonly content_policy_fallbacks?: readonly unknown[] | null | undefined
  readonly default_fallbacks?: readonly unknown[] | null | undefined
  readonly max_fallbacks?: number | null | undefined
  readonly allowed_fails?: number | null | undefined
  readonly cooldown_time?: number | null | undefined
}

export interface LitellmSettingsConfig extends ReliabilityConfig {
  readonly request_timeout?: number | null | undefined
}

export interface RouterSettingsConfig extends ReliabilityConfig {
  readonly routing_strategy?: string | null | undefined
  readonly routing_strategy_args?:
    | {
        readonly ttl?: number | null | undefined
        readonly lowest_latency_buffer?: number | null | undefined
        readonly max_latency_list_size?: number | null | undefined
      }
    | null
    | undefined
  readonly timeout?: number | null | undefined
  readonly stream_timeout?: number | null | undefined
  readonly ttft_timeout?: number | null | undefined
  readonly stream_idle_timeout?: number | null | undefined
  readonly retry_after?: number | null | undefined
  readonly retry_policy?: object | null | undefined
  readonly model_group_retry_policy?: Readonly<Record<string, object>> | null | undefined
  readonly allowed_fails_policy?: object | null | undefined
  readonly disable_cooldowns?: boolean | null | undefined
  readonly enable_pre_call_checks?: boolean | null | undefined
  readonly optional_pre_call_checks?: readonly string[] | null | undefined
}

/** LiteLLM's default for `allowed_fails`; set explicitly, it still means "not set" there, so configs expect that. */
const defaultAllowedFails = 3

/** Config sections → compiled settings. A key in `router_settings` beats the same key in `litellm_settings`. */
export function compileRoutingSettings(
  router: RouterSettingsConfig = {},
  litellm: LitellmSettingsConfig = {},
): RoutingSettings {
  const args = router.routing_strategy_args ?? {}
  const checks = router.optional_pre_call_checks ?? []
  const allowedFails = router.allowed_fails ?? litellm.allowed_fails ?? defaultAllowedFails
  return {
    strategy: router.routing_strategy ?? 'simple-shuffle',
    strategyArgs: {
      latencyTtl: milliseconds(args.ttl) ?? 3_600_000,
      latencySamples: args.max_latency_list_size ?? 10,
      lowestLatencyBuffer: args.lowest_latency_buffer ?? 0,
    },
    numRetries: router.num_retries ?? litellm.num_retries ?? 2,
    retryPolicy: retryPolicy(router.retry_policy),
    groupRetryPolicies: groupPolicies(router.model_group_retry_policy),
    retryAfter: milliseconds(router.retry_after) ?? 0,
    timeout: milliseconds(router.timeout) ?? milliseconds(litellm.request_timeout) ?? 600_000,
    streamTimeout: milliseconds(router.stream_timeout),
    ttftTimeout: milliseconds(router.ttft_timeout),
    streamIdleTimeout: milliseconds(router.stream_idle_timeout),
    allowedFails: allowedFails === defaultAllowedFails ? undefined : allowedFails,
    allowedFailsPolicy: compileAllowedFailsPolicy(router.allowed_fails_policy),
    cooldownTime: milliseconds(router.cooldown_time) ?? milliseconds(litellm.cooldown_time) ?? 5_000,
    disableCooldowns: router.disable_cooldowns ?? false,
    fallbacks: configFallbacks(router.fallbacks ?? litellm.fallbacks),
    contextWindowFallbacks: configFallbacks(router.context_window_fallbacks ?? litellm.context_window_fallbacks),
    contentPolicyFallbacks: configFallbacks(router.content_policy_fallbacks ?? litellm.content_policy_fallbacks),
    defaultFallbacks: (router.default_fallbacks ?? litellm.default_fallbacks ?? []).map(configFallbackTarget),
    maxFallbacks: router.max_fallbacks ?? litellm.max_fallbacks ?? 5,
    preCallChecks: router.enable_pre_call_checks ?? false,
    enforceRateLimits: checks.includes('enforce_model_rate_limits'),
  }
}

/** LiteLLM's class names, without `Error` and what follows. */
const kindOfName: Readonly<Record<string, FailureKind>> = {
  BadRequest: 'bad_request',
  Authentication: 'authentication',
  PermissionDenied: 'permission_denied',
  NotFound: 'not_found',
  Timeout: 'timeout',
  RateLimit: 'rate_limit',
  ContentPolicyViolation: 'content_policy_violation',
  InternalServer: 'internal_server',
  BadGateway: 'bad_gateway',
  ServiceUnavailable: 'service_unavailable',
}

/** `model_info.allowed_fails_policy` and `router_settings.allowed_fails_policy`: `TimeoutErrorAllowedFails: 3`. */
export function compileAllowedFailsPolicy(policy: object | null | undefined): AllowedFailsPolicy | undefined {
  return policy ? perKind(policy, 'ErrorAllowedFails') : undefined
}

function retryPolicy(policy: object | null | undefined): RetryPolicy | undefined {
  if (!policy) return undefined
  const fallback = (policy as Record<string, unknown>)['DefaultRetries']
  return { perKind: perKind(policy, 'ErrorRetries'), default: typeof fallback === 'number' ? fallback : undefined }
}

function groupPolicies(policies: Readonly<Record<string, object>> | null | undefined): Map<string, RetryPolicy> {
  const compiled = new Map<string, RetryPolicy>()
  for (const [group, policy] of Object.entries(policies ?? {})) {
    const own = retryPolicy(policy)
    if (own !== undefined) compiled.set(group, own)
  }
  return compiled
}

function perKind(policy: object, suffix: string): Partial<Record<FailureKind, number>> {
  const counts: Partial<Record<FailureKind, number>> = {}
  for (const [name, count] of Object.entries(policy)) {
    if (typeof count !== 'number' || !name.endsWith(suffix)) continue
    const kind = kindOfName[name.slice(0, -suffix.length)]
    if (kind !== undefined) counts[kind] = count
  }
  return counts
}

function milliseconds(seconds: number | null | undefined): number | undefined {
  return seconds === null || seconds === undefined ? undefined : seconds * 1000
}
