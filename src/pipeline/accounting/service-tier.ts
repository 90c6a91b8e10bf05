import type { NativeRequest } from '../../providers/wire.ts'
import type { TokenUsage } from '../../translate/token-usage.ts'
import type { Deployment } from '../deployment.ts'

/**
 * The tier a call is billed at; vendors price `flex` and `priority` differently. The answer says which one served it: a
 * vendor falls back to its ordinary tier when the wanted one is full, and a project may have another one by default.
 * Where the answer is silent, the wish counts: the caller's, else the deployment's. `default`, `standard` and `auto` have
 * no rates of their own, which means the base rates.
 */
export function serviceTierOf(
  usage: TokenUsage | undefined,
  request: NativeRequest,
  deployment: Deployment | undefined,
): string | undefined {
  if (usage?.serviceTier !== undefined) return usage.serviceTier
  const tier = request.json['service_tier'] ?? deployment?.target.defaults['service_tier']
  return typeof tier === 'string' ? tier : undefined
}
