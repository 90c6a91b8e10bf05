import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decimal, toThousandths } from './decimal.ts'

it('writes three decimals', () => {
  expect([0, 0.0004, 0.0006, 1, 1.5, 12.3456, 999.9996, 86_400_000.001].map(toThousandths)).toEqual([
    '0.000',
    '0.000',
    '0.001',
    '1.000',
    '1.500',
    '12.346',
    '1000.000',
    '86400000.001',
  ])
})

it('is never further from the number than half a thousandth', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), value => {
      const text = toThousandths(value)
      expect(text).toMatch(/^\d+\.\d{3}$/)
      expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(0.000501)
    }),
  )
})

it('writes numbers as String does', () => {
  for (const value of [
    0,
    -0,
    7,
    999,
    1000,
    1001,
    1_000_000,
    2 ** 53 - 1,
    2 ** 53,
    -1,
    0.5,
    Number.NaN,
    Infinity,
    1e21,
  ]) {
    expect(decimal(value)).toBe(String(value))
  }
  fc.assert(fc.property(fc.maxSafeNat(), value => decimal(value) === String(value)))
})
