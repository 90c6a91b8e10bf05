import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, nearestKey } from './nearest-key.ts'

/** The textbook recursion, for comparison. */
function slow(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const rest = Math.min(
    slow(a.slice(1), b) + 1,
    slow(a, b.slice(1)) + 1,
    slow(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1),
  )
  const swapped = a.length > 1 && b.length > 1 && a[0] === b[1] && a[1] === b[0]
  return swapped ? Math.min(rest, slow(a.slice(2), b.slice(2)) + 1) : rest
}

describe('nearest key', () => {
  it('counts like the textbook, cut off at the limit', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
    fc.assert(
      fc.property(word, word, fc.integer({ min: 0, max: 4 }), (a, b, limit) => {
        expect(editDistance(a, b, limit)).toBe(Math.min(slow(a, b), limit + 1))
      }),
    )
  })
  it('finds the nearest, the first of equals, nothing beyond the limit', () => {
    expect(nearestKey('tiemout', ['timeout', 'stream_timeout'])).toBe('timeout')
    expect(nearestKey('Num-Retries', ['max_retries', 'num_retries'])).toBe('num_retries')
    expect(nearestKey('ab', ['ac', 'ad'])).toBe('ac')
    expect(nearestKey('weather', ['timeout'])).toBeUndefined()
    expect(nearestKey('x'.repeat(1_000_000), ['x'])).toBeUndefined()
  })
})
