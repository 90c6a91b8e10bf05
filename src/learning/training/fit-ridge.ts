import type { Part } from '../predictors/part.ts'
import { cholesky } from './numerics/cholesky.ts'
import { symmetricEigen } from './numerics/eigen.ts'
import { gram } from './numerics/gram.ts'
import type { Problem } from './training-rows.ts'

const penalties = [1, 3, 10, 30, 100, 300, 1000]

/**
 * Ridge regression per model on the rows it was tried on. One penalty for models tried on the same rows: that with the
 * least error when each row is left out in turn, which has a closed form, residual / (1 − leverage) (Allen 1974). The
 * error is that of the differences between models, where there are several, because they are what decides; or of the
 * targets themselves.
 */
export function fitRidge(problem: Problem, judgedBy: 'differences' | 'targets' = 'differences'): Part {
  const { dims, models } = problem
  const fitted: Fitted = {
    weights: new Float32Array(models * dims),
    intercepts: Float32Array.from(problem.means),
    residual: new Float32Array(models).fill(0.25),
  }
  for (const group of sameWeights(problem)) {
    const design = decompose(problem, group.weight)
    if (design === undefined) continue
    const centred = group.models.map(model => centreTargets(design, problem, model))
    const penalty = bestPenalty(design, problem, centred, judgedBy === 'differences' && centred.length > 1)
    for (const [index, model] of group.models.entries()) {
      solve(design, problem, model, centred[index] as CentredTargets, penalty, fitted)
    }
  }
  return {
    facts: {},
    arrays: { ...fitted, rows: Float32Array.of(problem.rows), ...leverage(problem) },
  }
}

/** Models tried on the same rows with the same trust share one decomposition. */
function sameWeights({ rows, models, weight }: Problem): { weight: Float64Array; models: number[] }[] {
  const groups: { weight: Float64Array; models: number[] }[] = []
  for (let model = 0; model < models; model++) {
    const column = Float64Array.from({ length: rows }, (_, row) => weight[row * models + model] as number)
    const group = groups.find(other => other.weight.every((value, row) => value === column[row]))
    if (group === undefined) groups.push({ weight: column, models: [model] })
    else group.models.push(model)
  }
  return groups
}

interface Design {
  readonly weight: Float64Array
  readonly total: number
  readonly labelled: number
  readonly centre: Float64Array
  readonly values: Float64Array
  readonly vectors: Float64Array
  /** Centred features in the eigenbasis, rows × dims. */
  readonly rotated: Float64Array
}

function decompose({ rows, dims, features }: Problem, weight: Float64Array): Design | undefined {
  const total = weight.reduce((sum, value) => sum + value, 0)
  const labelled = weight.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0)
  if (labelled < 2) return undefined
  const centre = new Float64Array(dims)
  for (let row = 0; row < rows; row++) {
    const trust = (weight[row] as number) / total
    if (trust === 0) continue
    for (let at = 0; at < dims; at++)
      centre[at] = (centre[at] as number) + trust * (features[row * dims + at] as number)
  }
  const scaled = new Float64Array(rows * dims)
  for (let row = 0; row < rows; row++) {
    const root = Math.sqrt(weight[row] as number)
    if (root === 0) continue
    for (let at = 0; at < dims; at++) {
      scaled[row * dims + at] = root * ((features[row * dims + at] as number) - (centre[at] as number))
    }
  }
  const { values, vectors } = symmetricEigen(gram(scaled, rows, dims), dims)
  const rotated = new Float64Array(rows * dims)
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < dims; at++) {
      const value = (features[row * dims + at] as number) - (centre[at] as number)
      if (value === 0) continue
      for (let to = 0; to < dims; to++) {
        rotated[row * dims + to] = (rotated[row * dims + to] as number) + value * (vectors[at * dims + to] as number)
      }
    }
  }
  return { weight, total, labelled, centre, values, vectors, rotated }
}

interface Fitted {
  readonly weights: Float32Array
  readonly intercepts: Float32Array
  readonly residual: Float32Array
}

interface CentredTargets {
  readonly mean: number
  /** Target − mean per row; 0 where there is none. */
  readonly values: Float64Array
  /** Features in the eigenbasis, times these. */
  readonly projected: Float64Array
}

function centreTargets(design: Design, problem: Problem, model: number): CentredTargets {
  const { rows, dims, models, quality } = problem
  const { weight, rotated, total } = design
  let mean = 0
  for (let row = 0; row < rows; row++) {
    const trust = weight[row] as number
    if (trust > 0) mean += (trust / total) * (quality[row * models + model] as number)
  }
  const values = new Float64Array(rows)
  const projected = new Float64Array(dims)
  for (let row = 0; row < rows; row++) {
    const trust = weight[row] as number
    if (trust === 0) continue
    const value = (quality[row * models + model] as number) - mean
    values[row] = value
    for (let at = 0; at < dims; at++) {
      projected[at] = (projected[at] as number) + trust * value * (rotated[row * dims + at] as number)
    }
  }
  return { mean, values, projected }
}

function bestPenalty(
  design: Design,
  problem: Problem,
  targets: readonly CentredTargets[],
  differences: boolean,
): number {
  let best = { error: Number.POSITIVE_INFINITY, penalty: penalties[0] as number }
  for (const penalty of penalties) {
    const residuals = targets.map(target => leftOutResiduals(design, problem, target, penalty))
    const error = errorOf(residuals, design.weight, differences)
    if (error < best.error) best = { error, penalty }
  }
  return best.penalty
}

/** Of each row, what a fit without it misses by. */
function leftOutResiduals(design: Design, problem: Problem, target: CentredTargets, penalty: number): Float64Array {
  const { weight, rotated, values, total } = design
  const { rows, dims } = problem
  const inverse = values.map(value => 1 / (value + penalty))
  const coefficients = target.projected.map((value, at) => value * (inverse[at] as number))
  const residuals = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    const trust = weight[row] as number
    if (trust === 0) continue
    let prediction = 0
    let leverage = 1 / total
    for (let at = 0; at < dims; at++) {
      const value = rotated[row * dims + at] as number
      prediction += value * (coefficients[at] as number)
      leverage += value * value * (inverse[at] as number)
    }
    residuals[row] = ((target.values[row] as number) - prediction) / (1 - Math.min(0.99, trust * leverage))
  }
  return residuals
}

function errorOf(residuals: readonly Float64Array[], weight: Float64Array, differences: boolean): number {
  let error = 0
  for (const [row, trust] of weight.entries()) {
    if (trust === 0) continue
    let sum = 0
    let squares = 0
    for (const its of residuals) {
      const value = its[row] as number
      sum += value
      squares += value * value
    }
    error += trust * (differences ? squares - (sum * sum) / residuals.length : squares)
  }
  return error
}

function solve(
  design: Design,
  problem: Problem,
  model: number,
  target: CentredTargets,
  penalty: number,
  into: Fitted,
): void {
  const { rows, dims } = problem
  const { values, vectors, centre, weight, total } = design
  let intercept = target.mean
  for (let at = 0; at < dims; at++) {
    let sum = 0
    for (let from = 0; from < dims; from++) {
      const coefficient = (target.projected[from] as number) / ((values[from] as number) + penalty)
      sum += (vectors[at * dims + from] as number) * coefficient
    }
    into.weights[model * dims + at] = sum
    intercept -= sum * (centre[at] as number)
  }
  into.intercepts[model] = intercept
  const residuals = leftOutResiduals(design, problem, target, penalty)
  const error = residuals.reduce((sum, value, row) => sum + (weight[row] as number) * value * value, 0) / total
  // Leverage is measured over all rows; a model tried on a part of them knows less by as much.
  into.residual[model] = (error * rows) / design.labelled
}

/** The inverse of the Cholesky factor of XᵀX + αI over all rows: |L⁻¹x|² is a vector's leverage. */
function leverage({ rows, dims, features }: Problem): { leverage: Float32Array; centre: Float32Array } {
  const centre = new Float64Array(dims)
  for (let index = 0; index < features.length; index++) {
    centre[index % dims] = (centre[index % dims] as number) + (features[index] as number) / rows
  }
  const centred = Float64Array.from(features, (value, index) => value - (centre[index % dims] as number))
  const matrix = gram(centred, rows, dims)
  for (let at = 0; at < dims; at++) matrix[at * dims + at] = (matrix[at * dims + at] as number) + 10
  const lower = cholesky(matrix, dims)
  const inverse = new Float32Array(dims * dims)
  const column = new Float64Array(dims)
  for (let unit = 0; unit < dims; unit++) {
    column.fill(0)
    for (let row = unit; row < dims; row++) {
      let sum = row === unit ? 1 : 0
      for (let at = unit; at < row; at++) sum -= (lower[row * dims + at] as number) * (column[at] as number)
      column[row] = sum / (lower[row * dims + row] as number)
      inverse[row * dims + unit] = column[row] as number
    }
  }
  return { leverage: inverse, centre: Float32Array.from(centre) }
}
