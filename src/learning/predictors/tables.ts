import type { Predictor } from '../predictor.ts'
import { type DotProducts, fillRows, VectorSpace } from './dot-products.ts'
import { BrokenPart, count, floats, type Part } from './part.ts'

export interface Tables extends Predictor {
  /** Cells of the finest table. */
  readonly cells: number
  /** Cells of each table, coarse to fine. */
  readonly cellCounts: readonly number[]
  /** Nearest cell of each table. */
  nearestOfEach(features: Float32Array, into: Uint16Array): void
  /** Nearest cell of the finest table. */
  nearest(features: Float32Array): number
}

/** Mean quality per cell of several k-means partitions, averaged: what explains («like cluster 12»). */
export function createTables(part: Part, models: number, dims: number, space = new VectorSpace(dims)): Tables {
  const tables = count(part, 'tables', 16)
  const partitions = Array.from({ length: tables }, (_, table) => {
    const cells = count(part, `cells${table}`, 4096)
    if (cells === 0) throw new BrokenPart(`table ${table} has no cells`)
    const centroids = floats(part, `centroids${table}`, cells * dims)
    return {
      cells,
      dots: dotsOf(space, centroids, cells, dims),
      /** |centroid|² / 2 */
      halves: halfSquares(centroids, cells, dims),
      means: floats(part, `means${table}`, cells * models),
      counts: floats(part, `counts${table}`, cells * models),
    }
  })
  const finest = partitions.at(-1)
  if (finest === undefined) throw new BrokenPart('there are no tables')

  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    quality.fill(0)
    variance.fill(0)
    for (const partition of partitions) {
      const cell = nearestCell(partition, features)
      for (let model = 0; model < models; model++) {
        const mean = partition.means[cell * models + model] as number
        const labels = partition.counts[cell * models + model] as number
        quality[model] = (quality[model] as number) + mean / tables
        // A cell's mean over few labels varies as a share of them does; tables agree too much to count as independent.
        variance[model] = (variance[model] as number) + Math.max(0.01, mean * (1 - mean)) / (labels + 5) / tables
      }
    }
  }

  function nearestCell({ cells, dots, halves }: (typeof partitions)[number], features: Float32Array): number {
    dots.query.set(features)
    dots.run(0, cells)
    const { products } = dots
    let best = 0
    let bestScore = Number.NEGATIVE_INFINITY
    for (let cell = 0; cell < cells; cell++) {
      const score = (products[cell] as number) - (halves[cell] as number)
      if (score > bestScore) {
        bestScore = score
        best = cell
      }
    }
    return best
  }

  return {
    method: 'tables',
    predict,
    cells: finest.cells,
    cellCounts: partitions.map(({ cells }) => cells),
    nearestOfEach(features, into) {
      for (const [table, partition] of partitions.entries()) into[table] = nearestCell(partition, features)
    },
    nearest: features => nearestCell(finest, features),
  }
}

function dotsOf(space: VectorSpace, centroids: Float32Array, cells: number, dims: number): DotProducts {
  const dots = space.add(cells)
  fillRows(dots, centroids, cells, dims)
  return dots
}

function halfSquares(centroids: Float32Array, cells: number, dims: number): Float32Array {
  const halves = new Float32Array(cells)
  for (let at = 0; at < centroids.length; at++) {
    const cell = Math.floor(at / dims)
    halves[cell] = (halves[cell] as number) + (centroids[at] as number) ** 2 / 2
  }
  return halves
}
