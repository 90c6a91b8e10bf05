import type { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import { type FallbackTarget, fallbackChain } from '../routing/fallbacks.ts'
import type { ModelGroup } from '../routing/types.ts'
import { asFailure } from './as-failure.ts'

/** The caller's own fallbacks belong to the group it asked for; groups reached by fallback use the configured ones. */
export function fallbacksAfter(
  call: Call,
  group: ModelGroup,
  failure: GatewayError,
  visited: ReadonlySet<string>,
): FallbackTarget[] {
  const { fallbacks: clientFallbacks, disableFallbacks } = call.options
  if (clientFallbacks !== undefined && call.fallbacks > 0) return []
  return fallbackChain({
    group: group.name,
    pattern: group.pattern,
    failure: asFailure(failure),
    settings: call.snapshot.settings,
    clientFallbacks,
    disable: disableFallbacks,
    visited,
    depth: call.fallbacks,
  })
}

/** Whether a withheld answer has somewhere else to go: the caller's own fallbacks, or a list for just this case. */
export function hasContentPolicyFallback(call: Call, deployment: Deployment): boolean {
  const { fallbacks, disableFallbacks } = call.options
  if (disableFallbacks) return false
  const { contentPolicyFallbacks: lists } = call.snapshot.settings
  return fallbacks !== undefined || lists.has(call.model) || lists.has(deployment.group) || lists.has('*')
}
