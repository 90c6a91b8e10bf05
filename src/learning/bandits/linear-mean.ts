import type { LinearScore } from './linucb.ts'
import { type PosteriorSettings, posteriorDefaults } from './posterior.ts'

/**
 * Expected quality where an artifact predicts it and an arm has learned: what `posteriorMean` is for cells, for a line.
 * With one constant feature both are the same: 1/width² − 1/|x|² is then the weight of all events, θᵀx/width² their sum.
 */
export function linearMean(
  predicted: number,
  { mean, width }: LinearScore,
  x: ArrayLike<number>,
  { priorStrength, maxShift }: PosteriorSettings = posteriorDefaults,
): number {
  let norm = 0
  for (let at = 0; at < x.length; at++) norm += (x[at] ?? 0) ** 2
  if (!(width > 0) || norm === 0) return predicted
  const known = Math.max(0, 1 / width ** 2 - 1 / norm)
  const moved = (priorStrength * predicted + mean / width ** 2) / (priorStrength + known)
  return Math.min(predicted + maxShift, Math.max(predicted - maxShift, moved))
}
