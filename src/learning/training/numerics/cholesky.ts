import { gram } from './gram.ts'

/**
 * The lower triangle L with L·Lᵀ = matrix. A pivot that rounding has made useless is replaced by a large one, which takes
 * its dimension out instead of blowing it up.
 */
export function cholesky(matrix: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size)
  let largest = 0
  for (let i = 0; i < size; i++) largest = Math.max(largest, matrix[i * size + i] as number)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j] as number
      for (let k = 0; k < j; k++) sum -= (lower[i * size + k] as number) * (lower[j * size + k] as number)
      if (i === j) lower[i * size + i] = sum > largest * 1e-13 ? Math.sqrt(sum) : 1e150
      else lower[i * size + j] = sum / (lower[j * size + j] as number)
    }
  }
  return lower
}

/** Solves L·Lᵀ·x = b in place. */
export function choleskySolve(lower: Float64Array, size: number, b: Float64Array): void {
  for (let i = 0; i < size; i++) {
    let sum = b[i] as number
    for (let k = 0; k < i; k++) sum -= (lower[i * size + k] as number) * (b[k] as number)
    b[i] = sum / (lower[i * size + i] as number)
  }
  for (let i = size - 1; i >= 0; i--) {
    let sum = b[i] as number
    for (let k = i + 1; k < size; k++) sum -= (lower[k * size + i] as number) * (b[k] as number)
    b[i] = sum / (lower[i * size + i] as number)
  }
}

/** Makes the columns orthonormal in place (Cholesky QR, twice: once loses half the digits). */
export function orthonormalise(dense: Float64Array, rows: number, width: number): void {
  for (let pass = 0; pass < 2; pass++) {
    const lower = cholesky(gram(dense, rows, width), width)
    for (let row = 0; row < rows; row++) {
      const base = row * width
      for (let i = 0; i < width; i++) {
        let sum = dense[base + i] as number
        const triangle = i * width
        for (let k = 0; k < i; k++) sum -= (lower[triangle + k] as number) * (dense[base + k] as number)
        dense[base + i] = sum / (lower[triangle + i] as number)
      }
    }
  }
}
