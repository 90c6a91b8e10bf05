import fc from 'fast-check'
import { expect, it } from 'vitest'
import { VectorSpace } from './dot-products.ts'

const number = fc.float({ min: -4, max: 4, noNaN: true })

it('are what adding up product by product gives, for every length and every range', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 12 }),
      fc.infiniteStream(number),
      fc.nat(),
      fc.nat(),
      (dims, rows, stream, a, b) => {
        const next = (): number => stream.next().value as number
        const space = new VectorSpace(dims)
        const dots = space.add(rows)
        for (let at = 0; at < dims; at++) dots.query[at] = next()
        for (let row = 0; row < rows; row++) {
          for (let at = 0; at < dims; at++) dots.vectors[row * dots.stride + at] = next()
        }
        const [from, to] = [Math.min(a % (rows + 1), b % (rows + 1)), Math.max(a % (rows + 1), b % (rows + 1))]
        // Another one beside it, which makes the memory grow, takes nothing from it.
        space.add(2000).vectors.fill(7)
        dots.products.fill(-1e9)
        dots.run(from, to)
        for (let row = 0; row < rows; row++) {
          let sum = 0
          for (let at = 0; at < dims; at++) sum += dots.query[at]! * dots.vectors[row * dots.stride + at]!
          if (row >= from && row < to) expect(dots.products[row]).toBeCloseTo(sum, 2)
          else expect(dots.products[row]).toBe(-1e9)
        }
      },
    ),
    { numRuns: 200 },
  )
})

it('refuse what does not fit, and keep what was there', () => {
  const space = new VectorSpace(4)
  const dots = space.add(1)
  dots.vectors.set([1, 2, 3, 4])
  expect(() => space.add(2 ** 30)).toThrow(/do not fit into memory/)
  dots.query.set([1, 1, 1, 1])
  dots.run(0, 1)
  expect(dots.products[0]).toBe(10)
})
