import { floats, type Part } from './part.ts'

/** Expected output tokens of each model from the features of the prompt. */
export interface OutputLength {
  predict(features: Float32Array, tokens: Float32Array): void
}

/** Longest answer that is ever expected: a bound on what a strange vector can make of an exponential. */
const mostLog = Math.log(200_000)

export function createOutputLength(part: Part, models: number, dims: number): OutputLength {
  const weights = floats(part, 'weights', models * dims)
  const intercepts = floats(part, 'intercepts', models)
  const predict = (features: Float32Array, tokens: Float32Array): void => {
    for (let model = 0; model < models; model++) {
      let sum = intercepts[model] as number
      const row = model * dims
      for (let at = 0; at < dims; at++) sum += (weights[row + at] as number) * (features[at] as number)
      tokens[model] = Math.exp(Math.max(0, Math.min(mostLog, sum)))
    }
  }
  return { predict }
}
