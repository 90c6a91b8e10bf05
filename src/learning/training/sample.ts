import type { Partition } from './k-means.ts'
import { seededRandom, shuffled } from './numerics/random.ts'
import type { Problem } from './training-rows.ts'

/**
 * Methods that keep rows or take long over them learn from so many, drawn at random: beyond, accuracy does not grow
 * (1,000 to 2,000 fully labelled rows reach the plateau) and artifacts, decisions and training do.
 */
export const mostKeptRows = 20_000

export function sampled(
  problem: Problem,
  partition: Partition,
  most = mostKeptRows,
): { problem: Problem; partition: Partition } {
  const { rows, dims, models, features, quality, weight, seed } = problem
  if (rows <= most) return { problem, partition }
  const kept = shuffled(rows, seededRandom(seed)).subarray(0, most).sort()
  const taken = (values: Float32Array, width: number): Float32Array => {
    const result = new Float32Array(most * width)
    for (const [place, row] of kept.entries())
      result.set(values.subarray(row * width, (row + 1) * width), place * width)
    return result
  }
  return {
    problem: {
      ...problem,
      rows: most,
      features: taken(features, dims),
      quality: taken(quality, models),
      weight: taken(weight, models),
    },
    partition: { ...partition, cellOf: Uint16Array.from(kept, row => partition.cellOf[row] as number) },
  }
}
