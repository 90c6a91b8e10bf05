import type { Method, Predictor } from '../predictor.ts'
import { BrokenPart, floats, type Part } from './part.ts'

/** What a linear score is turned into. */
type Link = (score: number) => number

export const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score))

/** One weight vector per model: logistic regression, linear support vectors. */
export function createLinear(method: Method, part: Part, models: number, dims: number, link: Link): Predictor {
  const score = linearScores(part, models, dims)
  const residual = floats(part, 'residual', models)
  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    score(features, quality)
    for (let model = 0; model < models; model++) quality[model] = link(quality[model] as number)
    variance.set(residual)
  }
  return { method, predict }
}

/** weights · x + intercept, per model. */
export function linearScores(
  part: Part,
  models: number,
  dims: number,
): (features: Float32Array, into: Float32Array) => void {
  const weights = floats(part, 'weights', models * dims)
  const intercepts = floats(part, 'intercepts', models)
  return (features, into) => {
    for (let model = 0; model < models; model++) {
      let sum = intercepts[model] as number
      const row = model * dims
      for (let at = 0; at < dims; at++) sum += (weights[row + at] as number) * (features[at] as number)
      into[model] = sum
    }
  }
}

/**
 * A linear method on random cosines of the features, which stands for one with a Gaussian kernel (Rahimi, Recht 2007).
 */
export function createKernel(method: Method, part: Part, models: number, dims: number): Predictor {
  const phases = floats(part, 'phases')
  const width = phases.length
  if (width === 0 || width > 4096) throw new BrokenPart(`there are ${width} random features`)
  const map = randomCosines(floats(part, 'frequencies', width * dims), phases, dims)
  const linear = createLinear(method, part, models, width, score => score)
  const mapped = new Float32Array(width)
  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    map(features, mapped)
    linear.predict(mapped, quality, variance)
  }
  return { method, predict }
}

export function randomCosines(
  frequencies: Float32Array,
  phases: Float32Array,
  dims: number,
): (features: Float32Array, into: Float32Array) => void {
  const width = phases.length
  const scale = Math.sqrt(2 / width)
  return (features, into) => {
    for (let index = 0; index < width; index++) {
      let sum = phases[index] as number
      const row = index * dims
      for (let at = 0; at < dims; at++) sum += (frequencies[row + at] as number) * (features[at] as number)
      into[index] = scale * Math.cos(sum)
    }
  }
}
