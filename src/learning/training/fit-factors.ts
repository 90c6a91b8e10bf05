import { floats, type Part } from '../predictors/part.ts'
import { fitRidge } from './fit-ridge.ts'
import { cholesky, choleskySolve } from './numerics/cholesky.ts'
import { symmetricEigen } from './numerics/eigen.ts'
import type { Problem } from './training-rows.ts'

const mostFactors = 6
/** A model with fewer labels than this share of the most labelled one has no say in what the factors are. */
const wellKnown = 0.5
/** Rows that a model's being like the average model is worth. */
const priorRows = 20

/**
 * Reduced-rank regression (Izenman 1975): ridge regressions of the well-labelled models, whose predictions are then
 * reduced to their principal directions; these are the factors. Each model's vector is fitted to its own rows in those few
 * dimensions, with the average model's as prior: a new model needs few labels, a retired one none.
 */
export function fitFactors(problem: Problem): Part {
  const { rows, dims, features, labels } = problem
  const known = Math.max(1, Math.max(...labels) * wellKnown)
  const teachers = Array.from(labels.keys()).filter(model => (labels[model] as number) >= known)
  const ridge = fitRidge(problem)
  const weights = floats(ridge, 'weights')
  const intercepts = floats(ridge, 'intercepts')
  const fitted = new Float64Array(rows * teachers.length)
  for (let row = 0; row < rows; row++) {
    for (const [place, model] of teachers.entries()) {
      let sum = intercepts[model] as number
      for (let at = 0; at < dims; at++)
        sum += (weights[model * dims + at] as number) * (features[row * dims + at] as number)
      fitted[row * teachers.length + place] = sum
    }
  }
  const directions = principalDirections(fitted, rows, teachers.length)
  const rank = Math.min(mostFactors, teachers.length)
  const demands = new Float32Array(rank * dims)
  for (let factor = 0; factor < rank; factor++) {
    for (const [place, model] of teachers.entries()) {
      const share = directions[place * teachers.length + factor] as number
      for (let at = 0; at < dims; at++) {
        const to = factor * dims + at
        demands[to] = (demands[to] as number) + share * (weights[model * dims + at] as number)
      }
    }
  }
  return placeModels(problem, demands, rank, teachers, directions)
}

function principalDirections(fitted: Float64Array, rows: number, width: number): Float64Array {
  const covariance = new Float64Array(width * width)
  const means = new Float64Array(width)
  for (let at = 0; at < fitted.length; at++)
    means[at % width] = (means[at % width] as number) + (fitted[at] as number) / rows
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const a = (fitted[row * width + i] as number) - (means[i] as number)
      for (let j = 0; j < width; j++) {
        const b = (fitted[row * width + j] as number) - (means[j] as number)
        covariance[i * width + j] = (covariance[i * width + j] as number) + a * b
      }
    }
  }
  return symmetricEigen(covariance, width).vectors
}

function placeModels(
  problem: Problem,
  demands: Float32Array,
  rank: number,
  teachers: readonly number[],
  directions: Float64Array,
): Part {
  const { rows, dims, models, features, quality, weight, means } = problem
  const asked = new Float64Array(rows * rank)
  const centre = new Float64Array(rank)
  for (let row = 0; row < rows; row++) {
    for (let factor = 0; factor < rank; factor++) {
      let sum = 0
      for (let at = 0; at < dims; at++)
        sum += (demands[factor * dims + at] as number) * (features[row * dims + at] as number)
      asked[row * rank + factor] = sum
      centre[factor] = (centre[factor] as number) + sum / rows
    }
  }
  for (let at = 0; at < asked.length; at++) asked[at] = (asked[at] as number) - (centre[at % rank] as number)
  // The average teacher's vector: where a new model is thought to stand.
  const prior = Float64Array.from(
    { length: rank },
    (_, factor) =>
      teachers.reduce((sum, _model, place) => sum + (directions[place * teachers.length + factor] as number), 0) /
      teachers.length,
  )
  const spread = asked.reduce((sum, value) => sum + value * value, 0) / Math.max(1, asked.length)
  const penalty = Math.max(1e-9, priorRows * spread)
  const vectors = new Float32Array(models * rank)
  const intercepts = new Float32Array(models)
  const residual = new Float32Array(models)
  for (let model = 0; model < models; model++) {
    const rowsOfModel = Array.from({ length: rows }, (_, row) => row).filter(
      row => (weight[row * models + model] as number) > 0,
    )
    const fitted = placeOne({ asked, rank, prior, penalty }, rowsOfModel, row => [
      weight[row * models + model] as number,
      quality[row * models + model] as number,
    ])
    vectors.set(fitted.vector, model * rank)
    intercepts[model] = rowsOfModel.length === 0 ? (means[model] as number) : fitted.intercept
    residual[model] = fitted.residual * Math.min(1, (rank + 1) / Math.max(1, rowsOfModel.length))
  }
  return {
    facts: {},
    arrays: { demands, vectors, intercepts, residual, centre: Float32Array.from(centre) },
  }
}

interface Factors {
  readonly asked: Float64Array
  readonly rank: number
  readonly prior: Float64Array
  readonly penalty: number
}

/** Ridge to the prior instead of to zero, with an intercept that is not penalised. */
function placeOne(
  { asked, rank, prior, penalty }: Factors,
  rows: readonly number[],
  label: (row: number) => [trust: number, quality: number],
): { vector: Float64Array; intercept: number; residual: number } {
  const width = rank + 1
  const matrix = new Float64Array(width * width)
  const right = new Float64Array(width)
  const vectorOf = (row: number, at: number): number => (at === rank ? 1 : (asked[row * rank + at] as number))
  for (const row of rows) {
    const [trust, quality] = label(row)
    for (let i = 0; i < width; i++) {
      right[i] = (right[i] as number) + trust * vectorOf(row, i) * quality
      for (let j = 0; j < width; j++) {
        matrix[i * width + j] = (matrix[i * width + j] as number) + trust * vectorOf(row, i) * vectorOf(row, j)
      }
    }
  }
  for (let at = 0; at < rank; at++) {
    matrix[at * width + at] = (matrix[at * width + at] as number) + penalty
    right[at] = (right[at] as number) + penalty * (prior[at] as number)
  }
  matrix[width * width - 1] = (matrix[width * width - 1] as number) + 1e-6
  choleskySolve(cholesky(matrix, width), width, right)
  let squares = 0
  let total = 0
  for (const row of rows) {
    const [trust, quality] = label(row)
    let sum = 0
    for (let at = 0; at < width; at++) sum += (right[at] as number) * vectorOf(row, at)
    squares += trust * (quality - sum) ** 2
    total += trust
  }
  return {
    vector: right.subarray(0, rank),
    intercept: right[rank] as number,
    residual: total > 0 ? squares / total : 0.25,
  }
}
