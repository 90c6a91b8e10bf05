import type { Predictor } from '../predictor.ts'
import { floats, type Part } from './part.ts'

/**
 * One linear regression per model. The variance is that of the estimate: residual variance × how far the prompt lies
 * from the training prompts (its leverage).
 */
export function createRidge(part: Part, models: number, dims: number): Predictor {
  const weights = floats(part, 'weights', models * dims)
  const intercepts = floats(part, 'intercepts', models)
  /** Residual variance per model. */
  const residual = floats(part, 'residual', models)
  /** Inverse of (XᵀX + αI) over all rows, factored: a vector's leverage is |rotation · x|². */
  const leverage = floats(part, 'leverage', dims * dims)
  const centre = floats(part, 'centre', dims)
  const rows = floats(part, 'rows', 1)[0] ?? 1

  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    const distance = 1 / rows + leverageOf(features)
    for (let model = 0; model < models; model++) {
      let sum = intercepts[model] as number
      const row = model * dims
      for (let at = 0; at < dims; at++) sum += (weights[row + at] as number) * (features[at] as number)
      quality[model] = sum
      variance[model] = (residual[model] as number) * distance
    }
  }

  function leverageOf(features: Float32Array): number {
    let squares = 0
    for (let row = 0; row < dims; row++) {
      let sum = 0
      const base = row * dims
      for (let at = 0; at <= row; at++)
        sum += (leverage[base + at] as number) * ((features[at] as number) - (centre[at] as number))
      squares += sum * sum
    }
    return squares
  }
  return { method: 'ridge', predict }
}
