import type { Bounds } from '../../../learning/objective/constrain.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import type { RoutingContext } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import { profiles } from './profiles.ts'
import type { RoutePolicy } from './route-policy.ts'

export function boundsOf(policy: RoutePolicy, { overrides }: RoutingContext, set: ArmSet, scores: Scores): Bounds {
  const { bounds } = policy
  const profile = overrides.profile ?? policy.profile
  let { maxCost, maxLatency, floor, minQuality } = bounds
  // A caller may tighten what the operator set, not loosen it.
  if (overrides.maxCost !== undefined) maxCost = Math.min(overrides.maxCost, maxCost ?? Number.POSITIVE_INFINITY)
  if (overrides.maxLatency !== undefined) {
    maxLatency = Math.min(overrides.maxLatency, maxLatency ?? Number.POSITIVE_INFINITY)
  }
  if (profile !== undefined && profiles[profile].free) maxCost = 0
  if (floor !== undefined) {
    const place = set.find(floor.reference)
    floor = place < 0 ? undefined : { ...floor, reference: scores.names[place] as string }
  }
  // A floor that nobody reaches would refuse the call: then it is the best there is.
  if (minQuality !== undefined) {
    let highest = 0
    for (let i = 0; i < scores.count; i++) {
      if (scores.removed[i] === 0) highest = Math.max(highest, scores.quality[i] as number)
    }
    minQuality = Math.min(minQuality, highest)
  }
  return { maxCost, maxLatency, floor, minQuality }
}

export function preferReasoning(scores: Scores, set: ArmSet): void {
  for (let i = 0; i < scores.count; i++) {
    if (set.arms[i]?.reasons === true) scores.utility[i] = (scores.utility[i] as number) + 1
  }
}

export function hybrid(scores: Scores, set: ArmSet, { pair, hybridThreshold }: RoutePolicy): void {
  const strong = pair?.strong === undefined ? set.strongest : set.find(pair.strong)
  const weak = pair?.weak === undefined ? set.cheapest : set.find(pair.weak)
  if (strong < 0 || weak < 0 || strong === weak) return
  const gap = (scores.quality[weak] as number) - (scores.quality[strong] as number)
  const spread = Math.sqrt((scores.variance[weak] as number) + (scores.variance[strong] as number)) || 1e-6
  scores.utility[strong] = hybridThreshold
  scores.utility[weak] = 1 / (1 + Math.exp((-1.702 * gap) / spread))
}
