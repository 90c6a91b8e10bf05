/**
 * Eigenvalues, falling, and eigenvectors of a symmetric matrix by Householder tridiagonalisation and implicit QL
 * (Bowdler, Martin, Reinsch, Wilkinson 1968: `tred2`, `tql2`). For the few hundred dimensions of training.
 * @param matrix size × size, row by row; left as it is
 * @returns vectors: column j, that is vectors[i·size + j], belongs to values[j]
 */
export function symmetricEigen(matrix: Float64Array, size: number): { values: Float64Array; vectors: Float64Array } {
  const vectors = Float64Array.from(matrix)
  const diagonal = new Float64Array(size)
  const side = new Float64Array(size)
  tridiagonalise(vectors, diagonal, side, size)
  diagonalise(vectors, diagonal, side, size)
  return sortedFalling(diagonal, vectors, size)
}

function tridiagonalise(v: Float64Array, d: Float64Array, e: Float64Array, n: number): void {
  const at = (row: number, column: number): number => v[row * n + column] as number
  for (let j = 0; j < n; j++) d[j] = at(n - 1, j)
  for (let i = n - 1; i > 0; i--) {
    let scale = 0
    let h = 0
    for (let k = 0; k < i; k++) scale += Math.abs(d[k] as number)
    if (scale === 0) {
      e[i] = d[i - 1] as number
      for (let j = 0; j < i; j++) {
        d[j] = at(i - 1, j)
        v[i * n + j] = 0
        v[j * n + i] = 0
      }
    } else {
      for (let k = 0; k < i; k++) {
        d[k] = (d[k] as number) / scale
        h += (d[k] as number) ** 2
      }
      let f = d[i - 1] as number
      let g = f > 0 ? -Math.sqrt(h) : Math.sqrt(h)
      e[i] = scale * g
      h -= f * g
      d[i - 1] = f - g
      for (let j = 0; j < i; j++) e[j] = 0
      for (let j = 0; j < i; j++) {
        f = d[j] as number
        v[j * n + i] = f
        g = (e[j] as number) + at(j, j) * f
        for (let k = j + 1; k <= i - 1; k++) {
          g += at(k, j) * (d[k] as number)
          e[k] = (e[k] as number) + at(k, j) * f
        }
        e[j] = g
      }
      f = 0
      for (let j = 0; j < i; j++) {
        e[j] = (e[j] as number) / h
        f += (e[j] as number) * (d[j] as number)
      }
      const hh = f / (h + h)
      for (let j = 0; j < i; j++) e[j] = (e[j] as number) - hh * (d[j] as number)
      for (let j = 0; j < i; j++) {
        f = d[j] as number
        g = e[j] as number
        for (let k = j; k <= i - 1; k++) v[k * n + j] = at(k, j) - (f * (e[k] as number) + g * (d[k] as number))
        d[j] = at(i - 1, j)
        v[i * n + j] = 0
      }
    }
    d[i] = h
  }
  accumulateReflections(v, d, n)
  e[0] = 0
}

function accumulateReflections(v: Float64Array, d: Float64Array, n: number): void {
  const at = (row: number, column: number): number => v[row * n + column] as number
  for (let i = 0; i < n - 1; i++) {
    v[(n - 1) * n + i] = at(i, i)
    v[i * n + i] = 1
    const h = d[i + 1] as number
    if (h !== 0) {
      for (let k = 0; k <= i; k++) d[k] = at(k, i + 1) / h
      for (let j = 0; j <= i; j++) {
        let g = 0
        for (let k = 0; k <= i; k++) g += at(k, i + 1) * at(k, j)
        for (let k = 0; k <= i; k++) v[k * n + j] = at(k, j) - g * (d[k] as number)
      }
    }
    for (let k = 0; k <= i; k++) v[k * n + i + 1] = 0
  }
  for (let j = 0; j < n; j++) {
    d[j] = at(n - 1, j)
    v[(n - 1) * n + j] = 0
  }
  v[(n - 1) * n + n - 1] = 1
}

function diagonalise(v: Float64Array, d: Float64Array, e: Float64Array, n: number): void {
  for (let i = 1; i < n; i++) e[i - 1] = e[i] as number
  e[n - 1] = 0
  let shift = 0
  let largest = 0
  for (let l = 0; l < n; l++) {
    largest = Math.max(largest, Math.abs(d[l] as number) + Math.abs(e[l] as number))
    let m = l
    while (m < n - 1 && Math.abs(e[m] as number) > Number.EPSILON * largest) m++
    for (let round = 0; m > l && round < 60; round++) {
      let g = d[l] as number
      let p = ((d[l + 1] as number) - g) / (2 * (e[l] as number))
      let r = p < 0 ? -Math.hypot(p, 1) : Math.hypot(p, 1)
      d[l] = (e[l] as number) / (p + r)
      d[l + 1] = (e[l] as number) * (p + r)
      const dl1 = d[l + 1] as number
      let h = g - (d[l] as number)
      for (let i = l + 2; i < n; i++) d[i] = (d[i] as number) - h
      shift += h
      p = d[m] as number
      let c = 1
      let c2 = 1
      let c3 = 1
      const el1 = e[l + 1] as number
      let s = 0
      let s2 = 0
      for (let i = m - 1; i >= l; i--) {
        c3 = c2
        c2 = c
        s2 = s
        g = c * (e[i] as number)
        h = c * p
        r = Math.hypot(p, e[i] as number)
        e[i + 1] = s * r
        s = (e[i] as number) / r
        c = p / r
        p = c * (d[i] as number) - s * g
        d[i + 1] = h + s * (c * g + s * (d[i] as number))
        for (let k = 0; k < n; k++) {
          const row = k * n + i
          h = v[row + 1] as number
          v[row + 1] = s * (v[row] as number) + c * h
          v[row] = c * (v[row] as number) - s * h
        }
      }
      p = (-s * s2 * c3 * el1 * (e[l] as number)) / dl1
      e[l] = s * p
      d[l] = c * p
      if (Math.abs(e[l] as number) <= Number.EPSILON * largest) break
    }
    d[l] = (d[l] as number) + shift
    e[l] = 0
  }
}

function sortedFalling(
  diagonal: Float64Array,
  columns: Float64Array,
  size: number,
): { values: Float64Array; vectors: Float64Array } {
  const order = Array.from(diagonal.keys()).sort((a, b) => (diagonal[b] as number) - (diagonal[a] as number) || a - b)
  const values = Float64Array.from(order, index => diagonal[index] as number)
  const vectors = new Float64Array(size * size)
  for (const [to, from] of order.entries()) {
    for (let row = 0; row < size; row++) vectors[row * size + to] = columns[row * size + from] as number
  }
  return { values, vectors }
}
