import type { FallbackList } from './router-policies.ts'
import type { GatewayConfig } from './schema.ts'

/** The reliability settings after precedence: `router_settings`, then `litellm_settings`, then the default. */
export interface EffectiveSettings {
  readonly numRetries: number
  readonly fallbacks: FallbackList
  readonly contextWindowFallbacks: FallbackList
  readonly contentPolicyFallbacks: FallbackList
  readonly defaultFallbacks: readonly string[]
  readonly maxFallbacks: number
  readonly allowedFails: number
  /** Seconds. */
  readonly cooldownTime: number
  /** Seconds. */
  readonly timeout: number
  /** Seconds. */
  readonly streamTimeout: number
}

export function effectiveSettings(config: GatewayConfig): EffectiveSettings {
  const { router_settings: router, litellm_settings: litellm } = config
  const timeout = router.timeout ?? litellm.request_timeout ?? 600
  return {
    numRetries: router.num_retries ?? litellm.num_retries ?? 2,
    fallbacks: router.fallbacks ?? litellm.fallbacks ?? [],
    contextWindowFallbacks: router.context_window_fallbacks ?? litellm.context_window_fallbacks ?? [],
    contentPolicyFallbacks: router.content_policy_fallbacks ?? litellm.content_policy_fallbacks ?? [],
    defaultFallbacks: router.default_fallbacks ?? litellm.default_fallbacks ?? [],
    maxFallbacks: router.max_fallbacks ?? litellm.max_fallbacks ?? 5,
    allowedFails: router.allowed_fails ?? litellm.allowed_fails ?? 3,
    cooldownTime: router.cooldown_time ?? litellm.cooldown_time ?? 5,
    timeout,
    streamTimeout: router.stream_timeout ?? timeout,
  }
}
