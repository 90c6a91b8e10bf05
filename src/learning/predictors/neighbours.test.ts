import { describe, expect, it } from 'vitest'
import { fitNeighbours } from '../training/fit-neighbours.ts'
import { kMeans } from '../training/k-means.ts'
import { seededRandom } from '../training/numerics/random.ts'
import type { Problem } from '../training/training-rows.ts'
import { createNeighbours } from './neighbours.ts'

const dims = 10

/** Rows around twelve centres, as prompts are around their topics. */
function problemOf(rows: number): Problem {
  const random = seededRandom(5)
  const centres = Array.from({ length: 12 }, () => Array.from({ length: dims }, () => random.gaussian()))
  const features = Float32Array.from({ length: rows * dims }, (_, at) => {
    const centre = centres[Math.floor(at / dims) % centres.length]
    return (centre?.[at % dims] ?? 0) + 0.4 * random.gaussian()
  })
  const nothing = new Float32Array(rows)
  return {
    rows,
    dims,
    models: 1,
    features,
    quality: nothing,
    weight: nothing,
    means: new Float32Array(1),
    labels: new Uint32Array(1),
    seed: 1,
  }
}

const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = a.reduce((sum, value, at) => sum + value * b[at]!, 0)
  return dot / Math.hypot(...a) / Math.hypot(...b)
}

describe.each([
  ['compared with all', 600],
  ['in cells', 4000],
])('the nearest rows, %s', (_name, rows) => {
  const problem = problemOf(rows)
  const { part, order } = fitNeighbours(problem, kMeans(problem.features, rows, dims, 32, seededRandom(1)))
  const neighbours = createNeighbours(part, dims, 4)
  const random = seededRandom(9)
  const queries = Array.from({ length: 30 }, () => {
    const row = random.below(rows)
    return problem.features.slice(row * dims, (row + 1) * dims).map(value => value + 0.2 * random.gaussian())
  })

  it('are those of the largest cosine', () => {
    let found = 0
    let wanted = 0
    for (const query of queries) {
      neighbours.find(query)
      const places = [...neighbours.rows.subarray(0, neighbours.size)]
      const all = Array.from(order, row => cosine(query, problem.features.subarray(row * dims, (row + 1) * dims)))
      const least = [...all].sort((a, b) => b - a)[neighbours.size - 1]!
      wanted += neighbours.size
      // Eight bits a number: rows on the edge may change places.
      found += places.filter(place => all[place]! >= least - 0.01).length
      for (const [index, place] of places.entries()) expect(neighbours.similarity[index]).toBeCloseTo(all[place]!, 1)
      const nearest = [...all].sort((a, b) => b - a).slice(0, 20)
      expect(neighbours.closeness).toBeCloseTo(
        nearest.reduce((sum, value) => sum + value / 20, 0),
        1,
      )
    }
    expect(found / wanted).toBeGreaterThan(0.97)
  })

  it('are found anew for each prompt', () => {
    neighbours.find(queries[0]!)
    const first = [...neighbours.rows]
    neighbours.find(queries[1]!)
    expect([...neighbours.rows]).not.toEqual(first)
    neighbours.find(queries[0]!)
    expect([...neighbours.rows].sort()).toEqual(first.sort())
  })
})

it('a text of unknown words is close to nothing, whatever it looks like', () => {
  const problem = problemOf(600)
  const { part } = fitNeighbours(problem, kMeans(problem.features, 600, dims, 8, seededRandom(1)))
  const likeRow = problem.features.slice(0, dims)
  const wordless = likeRow.map((value, at) => (at < 4 ? 0 : value * 0.2))
  const neighbours = createNeighbours(part, dims, 4)
  neighbours.find(likeRow)
  const known = neighbours.closeness
  neighbours.find(wordless)
  expect(neighbours.closeness).toBeLessThan(known - 0.3)
})
