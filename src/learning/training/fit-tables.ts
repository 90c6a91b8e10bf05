import type { Part } from '../predictors/part.ts'
import { kMeans, type Partition } from './k-means.ts'
import { seededRandom } from './numerics/random.ts'
import type { Problem } from './training-rows.ts'

const sizes = [16, 32, 64]
/** A cell wants so many rows on average; fewer rows make fewer cells. */
const rowsPerCell = 15

export function partitions({ features, rows, dims, seed }: Problem): Partition[] {
  return sizes.map((size, table) =>
    kMeans(
      features,
      rows,
      dims,
      Math.max(1, Math.min(size, Math.floor(rows / rowsPerCell))),
      seededRandom(seed + table),
    ),
  )
}

/** Rows of the model's mean that are mixed into each cell's. */
const priorRows = 5

export function fitTables(problem: Problem, tables: readonly Partition[]): Part {
  const { rows, models, quality, weight, means } = problem
  const facts: Record<string, number> = { tables: tables.length }
  const arrays: Record<string, Float32Array> = {}
  for (const [table, { cells, centroids, cellOf }] of tables.entries()) {
    const sums = new Float64Array(cells * models)
    const counts = new Float32Array(cells * models)
    for (let row = 0; row < rows; row++) {
      for (let model = 0; model < models; model++) {
        const trust = weight[row * models + model] as number
        if (trust === 0) continue
        const at = (cellOf[row] as number) * models + model
        sums[at] = (sums[at] as number) + trust * (quality[row * models + model] as number)
        counts[at] = (counts[at] as number) + trust
      }
    }
    facts[`cells${table}`] = cells
    arrays[`centroids${table}`] = centroids
    arrays[`counts${table}`] = counts
    arrays[`means${table}`] = Float32Array.from(
      sums,
      (sum, at) => (sum + priorRows * (means[at % models] as number)) / ((counts[at] as number) + priorRows),
    )
  }
  return { facts, arrays }
}
