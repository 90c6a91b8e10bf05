import { expect, it } from 'vitest'
import { sampled } from './sample.ts'

const problem = {
  rows: 50,
  dims: 2,
  models: 1,
  features: Float32Array.from({ length: 100 }, (_, at) => Math.floor(at / 2)),
  quality: Float32Array.from({ length: 50 }, (_, row) => row / 50),
  weight: new Float32Array(50).fill(1),
  means: Float32Array.of(0.5),
  labels: Uint32Array.of(50),
  seed: 3,
}
const partition = {
  cells: 5,
  centroids: new Float32Array(10),
  cellOf: Uint16Array.from({ length: 50 }, (_, row) => row % 5),
}

it('keeps rows whole, each once', () => {
  const few = sampled(problem, partition, 20)
  expect(few.problem.rows).toBe(20)
  const rows = Array.from({ length: 20 }, (_, place) => few.problem.features[2 * place] ?? -1)
  expect(new Set(rows).size).toBe(20)
  for (const [place, row] of rows.entries()) {
    expect(few.problem.features[2 * place + 1]).toBe(row)
    expect(few.problem.quality[place]).toBeCloseTo(row / 50)
    expect(few.partition.cellOf[place]).toBe(row % 5)
  }
  expect(sampled(problem, partition, 20)).toEqual(few)
  expect(sampled({ ...problem, seed: 4 }, partition, 20)).not.toEqual(few)
})

it('takes all where they are few enough', () => {
  expect(sampled(problem, partition, 50).problem).toBe(problem)
})
