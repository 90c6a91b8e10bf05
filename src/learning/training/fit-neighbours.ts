import { missingQuality, qualityUnit } from '../predictors/knn.ts'
import type { Part } from '../predictors/part.ts'
import type { Partition } from './k-means.ts'
import type { Problem } from './training-rows.ts'

/** Up to this many rows a prompt is compared with all of them. */
const flatRows = 1500

/**
 * About a hundred, also where rows are few: on subsets of 250 to 2,000 rows every smaller number was worse, by up to 3
 * points of AIQ for a tenth of that.
 */
export const neighboursFor = (rows: number): number => Math.max(1, Math.min(100, Math.ceil(rows / 4)))

/** The rows' vectors in eight bits and the cells they stand in. `order[i]` is the row of the problem stored at place i. */
export function fitNeighbours(problem: Problem, partition: Partition): { part: Part; order: Uint32Array } {
  const { rows, dims, features } = problem
  const flat = rows <= flatRows
  const cells = flat ? 1 : partition.cells
  const order = Uint32Array.from({ length: rows }, (_, row) => row)
  if (!flat) {
    const { cellOf } = partition
    order.sort((a, b) => (cellOf[a] as number) - (cellOf[b] as number) || a - b)
  }
  const vectors = new Int8Array(rows * dims)
  const scale = new Float32Array(rows)
  const starts = new Uint32Array(cells + 1)
  const sums = new Float64Array(cells * dims)
  for (const [place, row] of order.entries()) {
    const vector = features.subarray(row * dims, (row + 1) * dims)
    const length = Math.hypot(...vector) || 1
    const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1
    scale[place] = largest / length / 127
    const cell = flat ? 0 : (partition.cellOf[row] as number)
    starts[cell + 1] = (starts[cell + 1] as number) + 1
    for (let at = 0; at < dims; at++) {
      vectors[place * dims + at] = Math.round(((vector[at] as number) / largest) * 127)
      sums[cell * dims + at] = (sums[cell * dims + at] as number) + (vector[at] as number) / length
    }
  }
  for (let cell = 0; cell < cells; cell++) starts[cell + 1] = (starts[cell + 1] as number) + (starts[cell] as number)
  const centroids = new Float32Array(cells * dims)
  for (let cell = 0; cell < cells; cell++) {
    const sum = sums.subarray(cell * dims, (cell + 1) * dims)
    const length = Math.hypot(...sum) || 1
    for (let at = 0; at < dims; at++) centroids[cell * dims + at] = (sum[at] as number) / length
  }
  const part = {
    facts: { rows, cells, neighbours: neighboursFor(rows) },
    arrays: { vectors, scale, starts, centroids },
  }
  return { part, order }
}

/** Rows of the model's mean that are mixed into each vote. */
const priorRows = 2

export function fitKnn({ models, quality, weight, means }: Problem, order: Uint32Array): Part {
  const qualities = new Uint8Array(order.length * models)
  const trust = new Uint8Array(order.length * models)
  let allTrusted = true
  for (const [place, row] of order.entries()) {
    for (let model = 0; model < models; model++) {
      const from = row * models + model
      const to = place * models + model
      const weighed = weight[from] as number
      qualities[to] = weighed === 0 ? missingQuality : Math.round((quality[from] as number) * qualityUnit)
      trust[to] = Math.round(Math.min(1, weighed) * 255)
      if (weighed !== 0 && weighed !== 1) allTrusted = false
    }
  }
  return { facts: { priorRows }, arrays: { qualities, means, ...(allTrusted ? {} : { trust }) } }
}
