import type { Predictor } from '../predictor.ts'
import type { Neighbours } from './neighbours.ts'
import { arrayOf, fact, floats, type Part } from './part.ts'

export const missingQuality = 255
/** Quality 0 … 1 in a byte; 255 says that the model was not tried on the row. */
export const qualityUnit = 254

/**
 * Mean quality of the nearest rows, weighed by similarity and trust, with a few rows of the model's mean mixed in.
 * A search for the same vector is not made twice.
 */
export function createKnn(part: Part, models: number, neighbours: Neighbours, rowCount: number): Predictor {
  const qualities = arrayOf(part, 'qualities', Uint8Array, rowCount * models)
  /** Trust in each label × 255; absent: all are trusted alike. */
  const trust = part.arrays['trust'] === undefined ? undefined : arrayOf(part, 'trust', Uint8Array, rowCount * models)
  const means = floats(part, 'means', models)
  const prior = fact(part, 'priorRows')
  const sums = new Float64Array(models)
  const squares = new Float64Array(models)
  const weights = new Float64Array(models)

  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    neighbours.find(features)
    sums.fill(0)
    squares.fill(0)
    weights.fill(0)
    for (let index = 0; index < neighbours.size; index++) {
      const row = (neighbours.rows[index] as number) * models
      const near = Math.max(0, neighbours.similarity[index] as number)
      for (let model = 0; model < models; model++) {
        const byte = qualities[row + model] as number
        if (byte === missingQuality) continue
        const weight = trust === undefined ? near : near * ((trust[row + model] as number) / 255)
        const value = byte / qualityUnit
        sums[model] = (sums[model] as number) + weight * value
        squares[model] = (squares[model] as number) + weight * value * value
        weights[model] = (weights[model] as number) + weight
      }
    }
    for (let model = 0; model < models; model++) {
      const mean = means[model] as number
      const weight = (weights[model] as number) + prior
      const estimate = ((sums[model] as number) + prior * mean) / weight
      quality[model] = estimate
      const second = ((squares[model] as number) + prior * mean) / weight
      variance[model] = Math.max(0.0001, second - estimate * estimate) / weight
    }
  }
  return { method: 'knn', predict }
}
