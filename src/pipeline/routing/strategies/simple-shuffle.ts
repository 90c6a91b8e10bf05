import type { Deployment } from '../../deployment.ts'
import type { Candidate, Strategy } from '../types.ts'
import { rankBy, shuffled } from './rank-by.ts'

export type WeightField = 'weight' | 'rpm' | 'tpm'

/**
 * Which field weighs: the first of weight, rpm, tpm that the first candidate has; undefined means all weigh the same.
 * (LiteLLM's rule. A deployment without the deciding field weighs nothing and is tried last.)
 */
export function weightField(first: Deployment | undefined): WeightField | undefined {
  if (first === undefined) return undefined
  if (first.weight !== undefined) return 'weight'
  if (first.rpm !== undefined) return 'rpm'
  return first.tpm !== undefined ? 'tpm' : undefined
}

/**
 * Weighted random order without replacement, by exponential keys (Efraimidis and Spirakis 2006): each candidate draws
 * −ln(u)/weight and the lowest goes first, which picks the first with probability weight ÷ sum of weights.
 */
export const simpleShuffle: Strategy = {
  id: 'simple-shuffle',
  honoursLimits: false,

  rank(candidates, _features, random) {
    const field = weightField(candidates[0]?.deployment)
    if (field === undefined) return shuffled(candidates, random)
    return rankBy(candidates, random, ({ deployment }) => {
      const weight = deployment[field] ?? 0
      return weight > 0 ? -Math.log(1 - random()) / weight : Number.POSITIVE_INFINITY
    })
  },

  why(chosen, candidates) {
    if (candidates.length === 1) return 'only candidate'
    const field = weightField(candidates[0]?.deployment)
    if (field === undefined) return `drawn at random from ${candidates.length}`
    const total = totalWeight(candidates, field)
    const own = chosen.deployment[field] ?? 0
    if (total === 0) return `drawn at random from ${candidates.length}: every ${field} is 0`
    return `drawn by ${field} ${own} of ${total} from ${candidates.length}`
  },

  // Affinity keeps to the weights and passes over those of weight 0.
  interchangeable: ranked => ranked.length,
}

function totalWeight(candidates: readonly Candidate[], field: WeightField): number {
  let total = 0
  for (const { deployment } of candidates) total += deployment[field] ?? 0
  return total
}
