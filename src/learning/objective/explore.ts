import type { Scores } from './scores.ts'

export interface Exploration {
  /** Share of calls, 0..0.05. */
  readonly share: number
  /** Utility that an explored candidate may lie below the best. */
  readonly regret: number
}

/** More than this is never explored, whatever asks for it. */
export const maxExploration = 0.05

export interface Explored {
  index: number
  explored: boolean
  /** Of `index` under this policy: what off-policy evaluation divides by. */
  propensity: number
}

/**
 * ε-greedy among the safe ones: those kept whose utility is at most `regret` below that of the best. With share ε the
 * draw is even over all of them, the best included, so the propensity is ε/n, and 1 − ε + ε/n of the best.
 * @param into overwritten
 */
export function explore(
  scores: Scores,
  best: number,
  { share, regret }: Exploration,
  random: () => number,
  into: Explored,
): void {
  into.index = best
  into.explored = false
  into.propensity = 1
  const epsilon = Math.min(share, maxExploration)
  if (!(epsilon > 0)) return
  const least = (scores.utility[best] as number) - regret
  let safe = 0
  for (let i = 0; i < scores.count; i++) if (isSafe(scores, i, best, least)) safe++
  if (safe < 2) return
  into.propensity = 1 - epsilon + epsilon / safe
  if (random() >= epsilon) return
  let drawn = Math.min(safe - 1, Math.floor(random() * safe))
  for (let i = 0; i < scores.count; i++) {
    if (!isSafe(scores, i, best, least) || drawn-- > 0) continue
    if (i === best) return
    into.index = i
    into.explored = true
    into.propensity = epsilon / safe
    return
  }
}

const isSafe = (scores: Scores, i: number, best: number, least: number): boolean =>
  scores.removed[i] === 0 && (i === best || (scores.utility[i] as number) >= least)
