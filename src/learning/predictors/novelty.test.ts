import { expect, it } from 'vitest'
import { createNovelty, drawToMean } from './novelty.ts'

const { familiarity } = createNovelty({ facts: { known: 0.8, unknown: 0.4 }, arrays: {} })

it('trusts prompts that are as close as training rows were, and less the farther they are', () => {
  expect(familiarity(0.95)).toBe(1)
  expect(familiarity(0.8)).toBe(1)
  expect(familiarity(0.6)).toBeCloseTo(0.5)
  expect(familiarity(0.4)).toBe(0)
  expect(familiarity(-1)).toBe(0)
})

it('draws what is unfamiliar to the means, all the way where nothing is like it', () => {
  const drawn = (trust: number): { quality: number[]; variance: number[] } => {
    const quality = Float32Array.of(0.9, 0.1)
    const variance = Float32Array.of(0.01, 0.01)
    drawToMean(quality, variance, trust, Float32Array.of(0.5, 0.5))
    return {
      quality: [...quality].map(value => Number(value.toFixed(3))),
      variance: [...variance].map(value => Number(value.toFixed(3))),
    }
  }
  expect(drawn(1).quality).toEqual([0.9, 0.1])
  expect(drawn(0.5).quality).toEqual([0.9, 0.1])
  expect(drawn(0.25)).toEqual({ quality: [0.7, 0.3], variance: [0.13, 0.13] })
  expect(drawn(0)).toEqual({ quality: [0.5, 0.5], variance: [0.25, 0.25] })
})
