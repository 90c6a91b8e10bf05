import type { Predictor } from '../predictor.ts'
import { BrokenPart, floats, type Part } from './part.ts'

/**
 * Matrix factorisation: what a prompt asks for, in a few dimensions, times what each model has of them. A model's own
 * vector is so short that some fifty labels place a new one.
 */
export function createFactors(part: Part, models: number, dims: number): Predictor {
  const vectors = floats(part, 'vectors')
  const rank = vectors.length / models
  if (!Number.isInteger(rank) || rank < 1) throw new BrokenPart(`${vectors.length} numbers for ${models} model vectors`)
  const demands = floats(part, 'demands', rank * dims)
  const centre = floats(part, 'centre', rank)
  const intercepts = floats(part, 'intercepts', models)
  const residual = floats(part, 'residual', models)
  const asked = new Float64Array(rank)

  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    for (let factor = 0; factor < rank; factor++) {
      let sum = -(centre[factor] as number)
      for (let at = 0; at < dims; at++) sum += (demands[factor * dims + at] as number) * (features[at] as number)
      asked[factor] = sum
    }
    for (let model = 0; model < models; model++) {
      let sum = intercepts[model] as number
      for (let factor = 0; factor < rank; factor++)
        sum += (vectors[model * rank + factor] as number) * (asked[factor] as number)
      quality[model] = sum
    }
    variance.set(residual)
  }
  return { method: 'mf', predict }
}
