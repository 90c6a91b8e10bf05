import type { Constraint } from '../../../learning/decision.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { ModelGroup, RoutingQuestion } from '../types.ts'

const says: Readonly<Record<Constraint, string>> = {
  unavailable: 'not available now',
  context_window: 'context window too small',
  unsupported_params: 'missing a feature the call uses',
  capability: 'missing a feature the call uses',
  region: 'in another region',
  not_allowed: 'not allowed for this call or key',
  max_cost: 'expected to cost more than allowed',
  max_latency: 'expected to take longer than allowed',
  quality_floor: 'below the quality floor',
  unknown_model: 'unknown to the artifact',
  dominated: 'beaten in everything',
}

/** Hard constraints left nobody: an error that counts why, never the unfiltered list. */
export function noModelFits(group: ModelGroup, scores: Scores, { dropped }: RoutingQuestion): GatewayError {
  const counts = new Map<Constraint, number>()
  for (let i = 0; i < scores.count; i++) {
    const reason = scores.removedBy(i)
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  const summary = [...counts].map(([reason, count]) => `${count} ${says[reason]}`).join(', ')
  // Somebody might do in a moment: the caller should try again rather than change its demands.
  if (counts.has('unavailable') && dropped !== undefined) {
    return new GatewayError('no_deployment_available', `No model of '${group.name}' can take this call: ${summary}.`, {
      retryAfter: 1,
    })
  }
  return new GatewayError('no_model_fits', `No model of '${group.name}' fits this call: ${summary}.`)
}
