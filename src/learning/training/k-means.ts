import type { Random } from './numerics/random.ts'

export interface Partition {
  readonly cells: number
  /** cells × dims */
  readonly centroids: Float32Array
  /** Cell of each row. */
  readonly cellOf: Uint16Array
}

const rounds = 12

/** Lloyd's k-means from a k-means++ start (Arthur, Vassilvitskii 2007); the best of `restarts`. */
export function kMeans(
  features: Float32Array,
  rows: number,
  dims: number,
  wanted: number,
  random: Random,
  restarts = 2,
): Partition {
  const cells = Math.max(1, Math.min(wanted, rows))
  let best: { inertia: number; partition: Partition } | undefined
  for (let restart = 0; restart < restarts; restart++) {
    const centroids = startingCentroids(features, rows, dims, cells, random)
    const cellOf = new Uint16Array(rows)
    let inertia = Number.POSITIVE_INFINITY
    for (let round = 0; round < rounds; round++) {
      const next = assign(features, rows, dims, centroids, cells, cellOf)
      if (next >= inertia * 0.9999) break
      inertia = next
      moveCentroids(features, rows, dims, centroids, cells, cellOf)
    }
    inertia = assign(features, rows, dims, centroids, cells, cellOf)
    if (best === undefined || inertia < best.inertia) best = { inertia, partition: { cells, centroids, cellOf } }
  }
  return best?.partition ?? { cells: 1, centroids: new Float32Array(dims), cellOf: new Uint16Array(rows) }
}

function startingCentroids(
  features: Float32Array,
  rows: number,
  dims: number,
  cells: number,
  random: Random,
): Float32Array {
  const centroids = new Float32Array(cells * dims)
  const distance = new Float64Array(rows).fill(Number.POSITIVE_INFINITY)
  let chosen = random.below(rows)
  for (let cell = 0; cell < cells; cell++) {
    centroids.set(features.subarray(chosen * dims, (chosen + 1) * dims), cell * dims)
    let total = 0
    for (let row = 0; row < rows; row++) {
      let squares = 0
      for (let at = 0; at < dims; at++) {
        const gap = (features[row * dims + at] as number) - (centroids[cell * dims + at] as number)
        squares += gap * gap
      }
      distance[row] = Math.min(distance[row] as number, squares)
      total += distance[row] as number
    }
    let left = random.uniform() * total
    chosen = rows - 1
    for (let row = 0; row < rows; row++) {
      left -= distance[row] as number
      if (left <= 0) {
        chosen = row
        break
      }
    }
  }
  return centroids
}

/** @returns sum of squared distances */
function assign(
  features: Float32Array,
  rows: number,
  dims: number,
  centroids: Float32Array,
  cells: number,
  into: Uint16Array,
): number {
  const halves = new Float64Array(cells)
  for (let at = 0; at < cells * dims; at++) {
    const cell = Math.floor(at / dims)
    halves[cell] = (halves[cell] as number) + (centroids[at] as number) ** 2 / 2
  }
  let inertia = 0
  for (let row = 0; row < rows; row++) {
    const base = row * dims
    let best = 0
    let bestScore = Number.NEGATIVE_INFINITY
    for (let cell = 0; cell < cells; cell++) {
      const other = cell * dims
      let score = -(halves[cell] as number)
      for (let at = 0; at < dims; at++) score += (features[base + at] as number) * (centroids[other + at] as number)
      if (score > bestScore) {
        bestScore = score
        best = cell
      }
    }
    into[row] = best
    let squares = 0
    for (let at = 0; at < dims; at++) squares += (features[base + at] as number) ** 2
    inertia += squares - 2 * bestScore
  }
  return inertia
}

/** A cell that lost all its rows keeps its place. */
function moveCentroids(
  features: Float32Array,
  rows: number,
  dims: number,
  centroids: Float32Array,
  cells: number,
  cellOf: Uint16Array,
): void {
  const sums = new Float64Array(cells * dims)
  const counts = new Uint32Array(cells)
  for (let row = 0; row < rows; row++) {
    const cell = cellOf[row] as number
    counts[cell] = (counts[cell] as number) + 1
    for (let at = 0; at < dims; at++) {
      sums[cell * dims + at] = (sums[cell * dims + at] as number) + (features[row * dims + at] as number)
    }
  }
  for (let at = 0; at < sums.length; at++) {
    const members = counts[Math.floor(at / dims)] as number
    if (members > 0) centroids[at] = (sums[at] as number) / members
  }
}
