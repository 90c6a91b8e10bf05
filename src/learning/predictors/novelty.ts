import { fact, type Part } from './part.ts'

/**
 * How far predictions for a prompt may be trusted, from how close its 20 nearest training rows are: 1 for all but the
 * 5 % of training rows that stand most alone (each judged by rows of other folds), falling to 0 for prompts twice as far
 * below those as they are below the median.
 */
export interface Novelty {
  familiarity(closeness: number): number
}

export function createNovelty(part: Part): Novelty {
  const known = fact(part, 'known')
  const unknown = fact(part, 'unknown')
  const familiarity = (closeness: number): number => {
    if (closeness >= known) return 1
    return closeness <= unknown ? 0 : (closeness - unknown) / (known - unknown)
  }
  return { familiarity }
}

/** From here down predictions are drawn to the means: those of one row in fifty or so, of most prompts of a new kind. */
const doubtful = 0.5

/** The less familiar a prompt, the more each model is judged by its mean, and the less is known for sure. */
export function drawToMean(
  quality: Float32Array,
  variance: Float32Array,
  familiarity: number,
  means: Float32Array,
): void {
  const trust = familiarity / doubtful
  if (trust >= 1) return
  for (let model = 0; model < quality.length; model++) {
    const mean = means[model] as number
    quality[model] = trust * (quality[model] as number) + (1 - trust) * mean
    variance[model] = trust * (variance[model] as number) + (1 - trust) * mean * (1 - mean)
  }
}
