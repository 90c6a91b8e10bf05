import type { Part } from '../predictors/part.ts'
import { fitRidge } from './fit-ridge.ts'
import { labelMeans, type Problem } from './training-rows.ts'

/** Where nothing at all is known of a model's answers. */
const unknownTokens = 256
/** Mean over median of answers' lengths: beyond this it is outliers that speak. */
const mostCorrection = 3

/** Ridge on the logarithm of output tokens, per model. */
export function fitOutputLength(problem: Problem, logTokens: Float32Array): Part {
  const { models } = problem
  const weight = logTokens.map(value => (Number.isNaN(value) ? 0 : 1))
  const { means, labels } = labelMeans(logTokens, weight, models)
  if (labels.every(count => count === 0)) means.fill(Math.log(unknownTokens))
  const { arrays } = fitRidge({ ...problem, quality: logTokens, weight, means, labels }, 'targets')
  const weights = arrays['weights'] as Float32Array
  const intercepts = arrays['intercepts'] as Float32Array
  for (let model = 0; model < models; model++) {
    intercepts[model] =
      (intercepts[model] as number) + Math.log(smearing(problem, logTokens, weights, intercepts, model))
  }
  return { facts: {}, arrays: { weights, intercepts } }
}

/** A mean of logarithms predicts the median; the mean is so many times that (Duan 1983), whatever the spread's shape. */
function smearing(
  { rows, dims, models, features }: Problem,
  logTokens: Float32Array,
  weights: Float32Array,
  intercepts: Float32Array,
  model: number,
): number {
  let actual = 0
  let predicted = 0
  for (let row = 0; row < rows; row++) {
    const value = logTokens[row * models + model] as number
    if (Number.isNaN(value)) continue
    let sum = intercepts[model] as number
    for (let at = 0; at < dims; at++)
      sum += (weights[model * dims + at] as number) * (features[row * dims + at] as number)
    actual += Math.exp(value)
    predicted += Math.exp(sum)
  }
  return predicted > 0 ? Math.max(1, Math.min(mostCorrection, actual / predicted)) : 1
}
