import { orthonormalise } from './cholesky.ts'
import { symmetricEigen } from './eigen.ts'
import { gram } from './gram.ts'
import type { Random } from './random.ts'

/** Sparse rows: those of row i stand at starts[i] … starts[i + 1]. */
export interface SparseMatrix {
  readonly rows: number
  readonly columns: number
  readonly starts: Uint32Array
  readonly indices: Uint16Array
  readonly values: Float32Array
}

const oversampling = 10
const powerIterations = 2

/**
 * The leading right singular vectors of a sparse matrix by a randomised range finder with power iterations (Halko,
 * Martinsson, Tropp 2011, algorithms 4.4 and 5.1).
 * @returns columns × components, row by row; components that the matrix does not have are zero
 */
export function rightSingularVectors(matrix: SparseMatrix, components: number, random: Random): Float64Array {
  const width = Math.min(components + oversampling, matrix.rows, matrix.columns)
  const right = new Float64Array(matrix.columns * width)
  for (let index = 0; index < right.length; index++) right[index] = random.gaussian()
  const left = new Float64Array(matrix.rows * width)
  multiply(matrix, right, left, width)
  orthonormalise(left, matrix.rows, width)
  for (let round = 0; round < powerIterations; round++) {
    multiplyTransposed(matrix, left, right, width)
    orthonormalise(right, matrix.columns, width)
    multiply(matrix, right, left, width)
    orthonormalise(left, matrix.rows, width)
  }
  // The small matrix B = leftᵀ·A has A's leading singular values; its right vectors come from those of B·Bᵀ.
  multiplyTransposed(matrix, left, right, width)
  const { values, vectors } = symmetricEigen(gram(right, matrix.columns, width), width)
  const result = new Float64Array(matrix.columns * components)
  const kept = Math.min(components, width)
  const least = (values[0] ?? 0) * 1e-9
  for (let row = 0; row < matrix.columns; row++) {
    for (let component = 0; component < kept; component++) {
      const value = values[component] as number
      if (value <= least) break
      let sum = 0
      for (let at = 0; at < width; at++) {
        sum += (right[row * width + at] as number) * (vectors[at * width + component] as number)
      }
      result[row * components + component] = sum / Math.sqrt(value)
    }
  }
  return result
}

function multiply(matrix: SparseMatrix, dense: Float64Array, into: Float64Array, width: number): void {
  into.fill(0)
  for (let row = 0; row < matrix.rows; row++) {
    const target = row * width
    const end = matrix.starts[row + 1] as number
    for (let at = matrix.starts[row] as number; at < end; at++) {
      const value = matrix.values[at] as number
      const source = (matrix.indices[at] as number) * width
      for (let column = 0; column < width; column++) {
        into[target + column] = (into[target + column] as number) + value * (dense[source + column] as number)
      }
    }
  }
}

function multiplyTransposed(matrix: SparseMatrix, dense: Float64Array, into: Float64Array, width: number): void {
  into.fill(0)
  for (let row = 0; row < matrix.rows; row++) {
    const source = row * width
    const end = matrix.starts[row + 1] as number
    for (let at = matrix.starts[row] as number; at < end; at++) {
      const value = matrix.values[at] as number
      const target = (matrix.indices[at] as number) * width
      for (let column = 0; column < width; column++) {
        into[target + column] = (into[target + column] as number) + value * (dense[source + column] as number)
      }
    }
  }
}
