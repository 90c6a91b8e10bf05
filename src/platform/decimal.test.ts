import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decimal, toHundredths, toThousandths, toThreeDigits } from './decimal.ts'

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

it.each([-0.004, -0.01, -12.3456, Number.NaN, Number.POSITIVE_INFINITY, 1e15, 1e21])(
  'writes %d as JavaScript does',
  value => {
    expect([toThousandths(value), toHundredths(value), toThreeDigits(value)]).toEqual([
      value.toFixed(3),
      value.toFixed(2),
      value.toPrecision(3),
    ])
  },
)

it('writes two decimals', () => {
  expect([0, 0.004, 0.005, 0.714, 1, 12.999].map(toHundredths)).toEqual([
    '0.00',
    '0.00',
    '0.01',
    '0.71',
    '1.00',
    '13.00',
  ])
})

it('writes three significant digits as toPrecision does, but for what lies exactly between two', () => {
  for (const value of [0, 1e-9, 1e-6, 1.234e-6, 0.000123456, 0.00999, 0.1, 0.9989, 0.9999, 1, 12.3]) {
    expect(toThreeDigits(value)).toBe(value.toPrecision(3))
  }
  fc.assert(
    fc.property(fc.double({ min: 1e-8, max: 2, noNaN: true }), value => {
      const [own, exact] = [toThreeDigits(value), value.toPrecision(3)]
      return (
        own === exact ||
        (own.length === exact.length && Math.abs(Number(own) - value) <= Math.abs(Number(exact) - value) * 1.000001)
      )
    }),
    { numRuns: 2000 },
  )
})
