import { linearMean } from '../../../learning/bandits/linear-mean.ts'
import { posteriorDefaults } from '../../../learning/bandits/posterior.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import type { LearnedRouting } from '../../../learning/rollout/port.ts'
import type { ArmSet } from './arm-set.ts'

/**
 * What feedback has taught LinUCB's arms, over what the artifact predicts.
 * @param widths filled per candidate: how little is known of it for prompts like this one
 */
export function moveByArms(
  scores: Scores,
  { arms }: ArmSet,
  artifact: TrainedRouter | undefined,
  features: Float32Array | undefined,
  loop: Pick<LearnedRouting, 'arm'>,
  widths: Float64Array,
): void {
  widths.fill(0, 0, arms.length)
  if (artifact === undefined || features === undefined) return
  // Nothing was ever said of it: A is the identity.
  let unknown = 0
  for (const value of features) unknown += value * value
  unknown = Math.sqrt(unknown)
  for (const [i, { name, column }] of arms.entries()) {
    widths[i] = unknown
    const arm = column < 0 ? undefined : loop.arm(artifact.id, name)
    if (arm === undefined || arm.dims !== features.length) continue
    const score = arm.score(features)
    widths[i] = score.width
    // As of cells: a few voices are not heard yet.
    if (arm.events < posteriorDefaults.minEvents) continue
    scores.quality[i] = linearMean(scores.quality[i] as number, score, features)
  }
}

/**
 * Upper confidence bound (Li et al. 2010) among the safe ones: who may be best, as far as is known. Deterministic: the
 * same state gives the same choice.
 * @param regret utility that the chosen one may lie below the best
 */
export function highestBound(
  scores: Scores,
  best: number,
  widths: Float64Array,
  { alpha, regret }: { readonly alpha: number; readonly regret: number },
): number {
  const bound = (i: number): number => (scores.utility[i] as number) + alpha * (widths[i] as number)
  const least = (scores.utility[best] as number) - regret
  let found = best
  for (let i = 0; i < scores.count; i++) {
    if (scores.removed[i] !== 0 || (scores.utility[i] as number) < least) continue
    if (bound(i) > bound(found)) found = i
  }
  return found
}
