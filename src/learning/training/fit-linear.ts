import { randomCosines, sigmoid } from '../predictors/linear.ts'
import type { Part } from '../predictors/part.ts'
import { cholesky, choleskySolve } from './numerics/cholesky.ts'
import { gram } from './numerics/gram.ts'
import { seededRandom } from './numerics/random.ts'
import type { Problem } from './training-rows.ts'

/** A loss of score and target, through its derivative in the score; the second derivative is nowhere above `curvature`. */
interface Loss {
  derivative(score: number, target: number): number
  readonly curvature: number
}

/** Soft labels are fine: the derivative is what the target leaves of the probability. */
const logisticLoss: Loss = { derivative: (score, target) => sigmoid(score) - target, curvature: 0.25 }

const tube = 0.05
/** ½ · max(0, |score − target| − tube)²: support vector regression with the smooth loss. */
const supportVectorLoss: Loss = {
  derivative(score, target) {
    const gap = score - target
    if (Math.abs(gap) <= tube) return 0
    return gap > 0 ? gap - tube : gap + tube
  },
  curvature: 1,
}

const rounds = 25
const logisticPenalty = 3
const linearPenalty = 30
const kernelPenalty = 3
const kernelWidth = 256
/** Of the Gaussian kernel exp(−gamma · distance²) over vectors of length about 1. */
const gamma = 0.5

export function fitLogistic(problem: Problem): Part {
  const start = problem.means.map(mean => {
    const inside = Math.max(0.01, Math.min(0.99, mean))
    return Math.log(inside / (1 - inside))
  })
  return linearPart(problem, minimise(problem, problem.quality, start, logisticLoss, logisticPenalty), sigmoid)
}

/** Support vectors on how far each model is above or below what the prompt gives on average; that average beside it. */
export function fitSupportVectors(problem: Problem): Part {
  return linearPart(problem, supportVectors(problem, linearPenalty), score => score)
}

export function fitKernelSupportVectors(problem: Problem): Part {
  const { rows, dims, features, seed } = problem
  const random = seededRandom(seed * 31 + 7)
  const spread = Math.sqrt(2 * gamma)
  const frequencies = Float32Array.from({ length: kernelWidth * dims }, () => random.gaussian() * spread)
  const phases = Float32Array.from({ length: kernelWidth }, () => random.uniform() * 2 * Math.PI)
  const map = randomCosines(frequencies, phases, dims)
  const mapped = new Float32Array(rows * kernelWidth)
  for (let row = 0; row < rows; row++) {
    map(features.subarray(row * dims, (row + 1) * dims), mapped.subarray(row * kernelWidth, (row + 1) * kernelWidth))
  }
  const kernel = { ...problem, dims: kernelWidth, features: mapped }
  const part = linearPart(kernel, supportVectors(kernel, kernelPenalty), score => score)
  return { facts: {}, arrays: { ...part.arrays, frequencies, phases } }
}

interface Solution {
  readonly weights: Float32Array
  readonly intercepts: Float32Array
}

function supportVectors(problem: Problem, penalty: number): Solution {
  const { rows, models, quality, weight, means } = problem
  const common = new Float32Array(quality.length).fill(Number.NaN)
  const gaps = new Float32Array(quality.length).fill(Number.NaN)
  for (let row = 0; row < rows; row++) {
    let sum = 0
    let count = 0
    for (let at = row * models; at < (row + 1) * models; at++) {
      if (weight[at] === 0) continue
      sum += (quality[at] as number) - (means[at - row * models] as number)
      count++
    }
    // Nothing is known of differences where one model answered: all of it is the model's own then.
    const shared = count > 1 ? sum / count : 0
    for (let at = row * models; at < (row + 1) * models; at++) {
      if (weight[at] === 0) continue
      common[at] = shared
      gaps[at] = (quality[at] as number) - (means[at - row * models] as number) - shared
    }
  }
  const nothing = new Float32Array(models)
  const shared = minimise(problem, common, nothing, supportVectorLoss, penalty)
  const own = minimise(problem, gaps, nothing, supportVectorLoss, penalty)
  return {
    weights: own.weights.map((value, at) => value + (shared.weights[at] as number)),
    intercepts: own.intercepts.map(
      (value, model) => value + (shared.intercepts[model] as number) + (means[model] as number),
    ),
  }
}

/**
 * Minimises Σ trust · loss + penalty/2 · |weights|² per model by steps of the quadratic that bounds it from above (Böhning,
 * Lindsay 1988): one Cholesky factor serves all models tried on the same rows, and no step can overshoot.
 */
function minimise(problem: Problem, targets: Float32Array, start: Float32Array, loss: Loss, penalty: number): Solution {
  const { rows, dims, models, features, weight } = problem
  const width = dims + 1
  const weights = new Float32Array(models * dims)
  const intercepts = Float32Array.from(start)
  let factored: { trust: Float64Array; lower: Float64Array } | undefined
  for (let model = 0; model < models; model++) {
    const trust = Float64Array.from({ length: rows }, (_, row) => weight[row * models + model] as number)
    if (!trust.some(value => value > 0)) continue
    const known = factored
    if (known === undefined || trust.some((value, row) => value !== known.trust[row])) {
      factored = { trust, lower: boundFactor(problem, trust, loss.curvature, penalty) }
    }
    const lower = (factored as { lower: Float64Array }).lower
    const current = new Float64Array(width)
    current[dims] = start[model] as number
    const step = new Float64Array(width)
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < dims; at++) step[at] = -penalty * (current[at] as number)
      step[dims] = 0
      for (let row = 0; row < rows; row++) {
        const its = trust[row] as number
        if (its === 0) continue
        const base = row * dims
        let score = current[dims] as number
        for (let at = 0; at < dims; at++) score += (current[at] as number) * (features[base + at] as number)
        const slope = its * loss.derivative(score, targets[row * models + model] as number)
        if (slope === 0) continue
        for (let at = 0; at < dims; at++) step[at] = (step[at] as number) - slope * (features[base + at] as number)
        step[dims] = (step[dims] as number) - slope
      }
      choleskySolve(lower, width, step)
      let largest = 0
      for (let at = 0; at < width; at++) {
        current[at] = (current[at] as number) + (step[at] as number)
        largest = Math.max(largest, Math.abs(step[at] as number))
      }
      if (largest < 1e-4) break
    }
    weights.set(current.subarray(0, dims), model * dims)
    intercepts[model] = current[dims] as number
  }
  return { weights, intercepts }
}

/** Of curvature · Xᵀ·trust·X + penalty, with a column of ones that the penalty (all but) spares. */
function boundFactor(
  { rows, dims, features }: Problem,
  trust: Float64Array,
  curvature: number,
  penalty: number,
): Float64Array {
  const width = dims + 1
  const scaled = new Float64Array(rows * width)
  for (let row = 0; row < rows; row++) {
    const root = Math.sqrt(curvature * (trust[row] as number))
    for (let at = 0; at < dims; at++) scaled[row * width + at] = root * (features[row * dims + at] as number)
    scaled[row * width + dims] = root
  }
  const matrix = gram(scaled, rows, width)
  for (let at = 0; at < width; at++)
    matrix[at * width + at] = (matrix[at * width + at] as number) + (at < dims ? penalty : 1e-6)
  return cholesky(matrix, width)
}

/** Adds the variance of the estimate: residual variance × dimensions / labels. */
function linearPart(problem: Problem, { weights, intercepts }: Solution, link: (score: number) => number): Part {
  const { rows, dims, models, features, quality, weight, labels } = problem
  const residual = new Float32Array(models)
  for (let model = 0; model < models; model++) {
    let squares = 0
    let total = 0
    for (let row = 0; row < rows; row++) {
      const trust = weight[row * models + model] as number
      if (trust === 0) continue
      let score = intercepts[model] as number
      for (let at = 0; at < dims; at++)
        score += (weights[model * dims + at] as number) * (features[row * dims + at] as number)
      squares += trust * (link(score) - (quality[row * models + model] as number)) ** 2
      total += trust
    }
    const known = labels[model] as number
    residual[model] = total > 0 ? (squares / total) * Math.min(1, dims / known) : 0.25
  }
  return { facts: {}, arrays: { weights, intercepts, residual } }
}
