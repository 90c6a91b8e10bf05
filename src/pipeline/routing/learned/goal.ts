import type { Goal } from '../../../learning/objective/choose.ts'
import { presets } from '../../../learning/objective/presets.ts'
import type { Target } from '../../../learning/objective/solve.ts'
import { initialLambda } from '../../../learning/objective/solve-from-artifact.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import type { RoutingContext } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import { profiles } from './profiles.ts'
import type { RoutePolicy } from './route-policy.ts'
import { methodIn } from './score-call.ts'
import type { Targets } from './targets.ts'

/** What this call is to be good for: the caller's λ, preset, target or profile, in this order, else the route's. */
export function goalOf(
  policy: RoutePolicy,
  { overrides }: RoutingContext,
  set: ArmSet,
  artifact: TrainedRouter | undefined,
  targets: Targets,
): Goal {
  const goal: Goal = {
    lambda: policy.lambda,
    mu: policy.mu,
    meanCost: set.meanCost,
    meanLatency: set.meanLatency,
    tie: policy.tie,
  }
  if (overrides.lambda !== undefined) return { ...goal, lambda: overrides.lambda }
  if (overrides.preset !== undefined) return { ...goal, lambda: presets[overrides.preset] }
  if (overrides.target !== undefined) return towards(goal, overrides.target, set, artifact, policy, targets)
  const profile = overrides.profile ?? policy.profile
  if (profile !== undefined) return { ...goal, lambda: presets[profiles[profile].preset] }
  return policy.target === undefined ? goal : towards(goal, policy.target, set, artifact, policy, targets)
}

function towards(
  goal: Goal,
  wanted: Target,
  set: ArmSet,
  artifact: TrainedRouter | undefined,
  policy: RoutePolicy,
  targets: Targets,
): Goal {
  const target = named(wanted, set)
  // Shares are a price on one model; nothing else is to weigh in unless it is asked for.
  const base = target.kind === 'max_strong_share' ? { ...goal, lambda: 0 } : goal
  const solution = targets.solution(target, base)
  if (solution !== undefined) {
    const { lambda, handicap } = solution
    return target.kind === 'max_strong_share'
      ? { ...base, lambda, handicap: { name: target.model, price: handicap } }
      : { ...base, lambda }
  }
  if (artifact === undefined || policy.predicts.kind !== 'method') return goal
  const method = methodIn(artifact, policy.predicts.method)
  const first = method === undefined ? undefined : initialLambda(target, artifact, method)
  return first === undefined ? goal : { ...goal, lambda: first }
}

/** Targets name models as people do; scores as data do. */
function named(target: Target, set: ArmSet): Target {
  if (target.kind === 'max_cost_per_1k') return target
  const place = target.model === '' ? set.strongest : set.find(target.model)
  const model = set.arms[place]?.name
  return model === undefined ? target : { ...target, model }
}
