import type { Store } from '../../platform/store/store.ts'
import type { LoggedDecision } from '../decisions/read-decisions.ts'
import { readDecisions } from '../decisions/read-decisions.ts'
import type { LoggedChoice } from './estimate.ts'

/** A policy that can be told from what was written down, without the prompt. */
export type TargetPolicy =
  /** The same predictions under another price of quality. */
  | { readonly kind: 'lambda'; readonly lambda: number }
  /** Always this model. */
  | { readonly kind: 'model'; readonly model: string }
  /** What an artifact in shadow would have chosen. @param artifact its short id */
  | { readonly kind: 'shadow'; readonly artifact: string }

export type RewardSource = 'feedback' | 'checks' | 'any'

export interface LogFilter {
  readonly router: string
  readonly from: number
  readonly until: number
  readonly reward: RewardSource
  /** Decisions read at most. */
  readonly most: number
}

/** Decisions with a propensity and a reward, as the estimators take them. */
export async function loggedChoices(store: Store, policy: TargetPolicy, filter: LogFilter): Promise<LoggedChoice[]> {
  const choices: LoggedChoice[] = []
  const { router, from, until, most } = filter
  for await (const decision of readDecisions(store, { router, from, until, most })) {
    const choice = choiceOf(decision, policy, filter.reward)
    if (choice !== undefined) choices.push(choice)
  }
  return choices
}

export function choiceOf(
  decision: LoggedDecision,
  policy: TargetPolicy,
  source: RewardSource,
): LoggedChoice | undefined {
  const reward = rewardOf(decision, source)
  if (reward === undefined || !(decision.propensity > 0)) return undefined
  // A fallback's answer is no answer of the model that was chosen.
  if (decision.answeredBy !== undefined && decision.answeredBy !== decision.chosen) return undefined
  const { candidates } = decision.details
  const action = candidates.findIndex(({ model }) => model === decision.chosen)
  const target = targetOf(decision, policy)
  if (action < 0 || target === undefined || target < 0) return undefined
  return {
    action,
    reward,
    propensity: decision.propensity,
    predicted: candidates.map(({ quality }) => quality),
    target,
  }
}

function targetOf({ details }: LoggedDecision, policy: TargetPolicy): number | undefined {
  const { candidates, shadow } = details
  switch (policy.kind) {
    case 'model':
      return candidates.findIndex(({ model, removed_by }) => model === policy.model && usable(removed_by))
    case 'shadow':
      if (shadow === undefined || shadow.artifact !== policy.artifact) return undefined
      return candidates.findIndex(({ model }) => model === shadow.chosen)
    case 'lambda': {
      const mean = candidates.reduce((sum, { cost }) => sum + cost, 0) / Math.max(1, candidates.length)
      let best = -1
      let highest = Number.NEGATIVE_INFINITY
      for (const [index, { quality, cost, removed_by }] of candidates.entries()) {
        const utility = quality - (mean > 0 ? (policy.lambda * cost) / mean : 0)
        if (usable(removed_by) && utility > highest) {
          highest = utility
          best = index
        }
      }
      return best
    }
  }
}

/** What dominates depends on λ; every other reason is a constraint, and constraints stay. */
const usable = (removedBy: string | undefined): boolean => removedBy === undefined || removedBy === 'dominated'

function rewardOf({ reward, checked, failed }: LoggedDecision, source: RewardSource): number | undefined {
  if (source === 'feedback') return reward
  if (source === 'checks') return failed ? 0 : checked
  return reward ?? (failed ? 0 : checked)
}
