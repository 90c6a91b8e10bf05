import type { Constraint } from '../../../learning/decision.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import type { Candidate, DropReason, RoutingQuestion } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import type { Arm } from './arms.ts'
import type { RoutePolicy } from './route-policy.ts'

const asConstraint: Readonly<Record<DropReason, Constraint>> = {
  cooling_down: 'unavailable',
  context_window: 'context_window',
  unsupported_params: 'unsupported_params',
  higher_order: 'unavailable',
  over_rpm: 'unavailable',
  over_tpm: 'unavailable',
  over_budget: 'unavailable',
  caller_limit: 'unavailable',
  parallel_limit: 'unavailable',
  already_failed: 'unavailable',
  region: 'region',
  not_allowed: 'not_allowed',
}

/** Removes models none of whose deployments may take the call, whatever is predicted. */
export function removeUnavailable(
  scores: Scores,
  set: ArmSet,
  { group, dropped }: RoutingQuestion,
  lead: readonly (Candidate | undefined)[],
  { pair, maxOutputPrice }: RoutePolicy,
): void {
  const { arms } = set
  const inPair = pair === undefined ? undefined : pairOf(set, pair)
  for (let i = 0; i < arms.length; i++) {
    const arm = arms[i] as Arm
    if (lead[i] === undefined) scores.remove(i, whyDown(arm, group.deployments, dropped))
    else if (inPair !== undefined && !inPair.includes(i)) scores.remove(i, 'not_allowed')
    else if (maxOutputPrice !== undefined && !((arm.prices?.output ?? Number.NaN) <= maxOutputPrice)) {
      scores.remove(i, 'max_cost')
    }
  }
}

/** A pair whose names are not in the pool is found by quality and price, as without names. */
function pairOf(set: ArmSet, { strong, weak }: NonNullable<RoutePolicy['pair']>): readonly number[] {
  const place = (name: string | undefined, otherwise: number): number => {
    const found = name === undefined ? -1 : set.find(name)
    return found < 0 ? otherwise : found
  }
  return [place(strong, set.strongest), place(weak, set.cheapest)]
}

function whyDown(
  arm: Arm,
  all: RoutingQuestion['group']['deployments'],
  dropped: RoutingQuestion['dropped'],
): Constraint {
  for (const deployment of arm.deployments) {
    const reason = dropped?.[all.indexOf(deployment)]
    if (reason !== undefined) return asConstraint[reason]
  }
  // The filters let it through: it is a rule, or the caller's key, that it is not open to.
  return 'not_allowed'
}
