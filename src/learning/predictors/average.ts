import type { Method, Predictor } from '../predictor.ts'

/** What `average` is the mean of. Trees, which see what the others do not, count twice: cross-validated on three sets. */
export const averaged: readonly Method[] = ['ridge', 'knn', 'tables', 'trees']
const weightOf = ({ method }: Predictor): number => (method === 'trees' ? 2 : 1)

/**
 * The mean of several predictors: on every data set measured within noise of the best of them. Its variance is the mean
 * of theirs plus how far they disagree.
 */
export function createAverage(parts: readonly Predictor[], models: number): Predictor {
  const qualities = parts.map(() => new Float32Array(models))
  const variances = parts.map(() => new Float32Array(models))
  const total = parts.reduce((sum, part) => sum + weightOf(part), 0)
  const shares = parts.map(part => weightOf(part) / total)
  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    for (let part = 0; part < parts.length; part++) {
      parts[part]?.predict(features, qualities[part] as Float32Array, variances[part] as Float32Array)
    }
    for (let model = 0; model < models; model++) {
      let mean = 0
      let squares = 0
      let noise = 0
      for (let part = 0; part < parts.length; part++) {
        const value = qualities[part]?.[model] as number
        const share = shares[part] as number
        mean += share * value
        squares += share * value * value
        noise += share * (variances[part]?.[model] as number)
      }
      quality[model] = mean
      variance[model] = noise + Math.max(0, squares - mean * mean)
    }
  }
  return { method: 'average', predict }
}
