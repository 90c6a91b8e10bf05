import type { GatewayConfig } from '../../platform/config/schema.ts'
import { parseDollars } from '../../platform/money.ts'
import type { Enforcement } from './enforcement.ts'
import type { LimitRule, Scope } from './limit-rule.ts'
import type { LimitSettings } from './limit-values.ts'
import type { PriorityShares, Share } from './priorities.ts'
import { rulesOf } from './rules.ts'
import { Calendar, parseResetTime } from './windows.ts'

/** The sections of the configuration that speak of limits → how they are enforced. */
export function compileEnforcement(
  config: Pick<GatewayConfig, 'general_settings' | 'litellm_settings' | 'router_settings' | 'routeiq'>,
): Enforcement {
  const { general_settings: general, litellm_settings: litellm, router_settings: router } = config
  const { limits } = config.routeiq
  const { max_end_user_budget: endUserBudget } = litellm
  return {
    calendar: new Calendar(litellm.timezone, parseResetTime(litellm.budget_reset_time ?? '00:00') ?? 0),
    tokenType: general.token_rate_limit_type,
    globalRules: rulesOf('global', '', {
      max_budget: litellm.max_budget,
      budget_duration: litellm.budget_duration,
      max_parallel_requests: general.global_max_parallel_requests,
    }),
    defaultParallel: general.max_parallel_requests,
    endUserDefaults: endUserBudget === undefined ? undefined : { max_budget: endUserBudget },
    endUserBudgetId: litellm.max_end_user_budget_id,
    tagRules: rulesByName('tag', litellm.tag_budget_config),
    providerRules: rulesByName('provider', router.provider_budget_config),
    priorities: priorities(litellm),
    reserveBudgets: !general.disable_budget_reservation,
    maxReservation: dollars(limits.max_reservation) ?? Number.MAX_SAFE_INTEGER,
    defaultOutputTokens: limits.default_output_tokens,
    throttleShare: litellm.budget_exceeded_throttle_percentage,
    blockUnpriced: limits.block_requests_for_models_without_pricing,
    fallbackBudgets: general.enforce_fallback_budget,
    onStateUnavailable: {
      rate: limits.on_state_unavailable.rate,
      budget: limits.on_state_unavailable.budget ?? (general.fail_closed_budget_enforcement ? 'closed' : 'open'),
    },
  }
}

/** Limits of a deployment, from its `litellm_params`. Its rates are limits only where the configuration makes them so. */
export function deploymentRules(id: string, params: LimitSettings): readonly LimitRule[] {
  const { rpm, tpm, itpm, otpm, max_budget, budget_duration } = params
  const rules = rulesOf('deployment', id, { rpm, tpm, itpm, otpm, max_budget, budget_duration })
  return rules.length === 0 ? none : rules
}

const none: readonly LimitRule[] = []

function rulesByName(
  scope: Scope,
  settings: Readonly<Record<string, LimitSettings>> | undefined,
): ReadonlyMap<string, readonly LimitRule[]> {
  return new Map(Object.entries(settings ?? {}).map(([name, own]) => [name, rulesOf(scope, name, own)]))
}

/** Callbacks that divide capacity in LiteLLM; there they have to be named, here the reservation alone does it too. */
const limiters = ['dynamic_rate_limiter', 'dynamic_rate_limiter_v3']

function priorities(litellm: GatewayConfig['litellm_settings']): PriorityShares | undefined {
  const { priority_reservation: reservation, priority_reservation_settings: settings } = litellm
  const named = (litellm.callbacks ?? []).some(name => limiters.includes(name))
  if (reservation === undefined && !named) return undefined
  const shares = new Map<string, Share>()
  for (const [name, share] of Object.entries(reservation ?? {})) {
    shares.set(
      name,
      typeof share === 'number'
        ? { type: 'percent', value: share }
        : { type: share.type ?? 'percent', value: share.value ?? 1 },
    )
  }
  return {
    shares,
    // Without any reservation there is nothing to share: everybody has the whole.
    defaultShare: shares.size === 0 ? 1 : (settings?.default_priority ?? 0.25),
    saturationThreshold: settings?.saturation_threshold ?? 0.5,
    saturationTtl: (settings?.saturation_check_cache_ttl ?? 60) * 1000,
  }
}

const dollars = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : parseDollars(value)
