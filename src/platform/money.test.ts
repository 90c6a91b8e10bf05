import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addNano, formatNanoDollars, parseDollars, sumNano } from './money.ts'

const amounts = fc.maxSafeInteger()

describe('formatNanoDollars', () => {
  it.each([
    [0, '0'],
    [1, '0.000000001'],
    [12_345, '0.000012345'],
    [1_500_000_000, '1.5'],
    [-250_000_000, '-0.25'],
    [100_000_000_000, '100'],
    [10, '0.00000001'],
    [Number.MAX_SAFE_INTEGER, '9007199.254740991'],
  ])('%d → %s', (amount, text) => {
    expect(formatNanoDollars(amount)).toBe(text)
  })

  it('refuses fractions and amounts beyond the exact range', () => {
    expect(() => formatNanoDollars(0.5)).toThrow(RangeError)
    expect(() => formatNanoDollars(2 ** 53)).toThrow(RangeError)
    expect(() => formatNanoDollars(Number.NaN)).toThrow(RangeError)
  })

  it('is undone by parseDollars for every amount', () => {
    fc.assert(
      fc.property(amounts, amount => {
        expect(parseDollars(formatNanoDollars(amount))).toBe(amount + 0)
      }),
    )
  })
})

describe('parseDollars', () => {
  it.each<[string | number, number | undefined]>([
    ['0.25', 250_000_000],
    [' 10 ', 10_000_000_000],
    ['.5', 500_000_000],
    ['5.', 5_000_000_000],
    ['0.0000000005', 1],
    ['0.00000000049', 0],
    ['-0.0000000005', -1],
    ['1e-6', 1_000],
    [1e-6, 1_000],
    [100, 100_000_000_000],
    ['-0', 0],
    ['', undefined],
    ['.', undefined],
    ['1,5', undefined],
    ['ten', undefined],
    ['0x10', undefined],
    ['99999999999', undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [Number.NaN, undefined],
  ])('%s → %s', (text, amount) => {
    expect(parseDollars(text)).toBe(amount)
  })
})

describe('sums', () => {
  it('adds exactly where floats of dollars would drift', () => {
    expect(sumNano(Array.from({ length: 10 }, () => 100_000_000))).toBe(1_000_000_000)
  })

  it('throws when a sum leaves the exact range', () => {
    expect(() => addNano(Number.MAX_SAFE_INTEGER, 1)).toThrow(RangeError)
    expect(() => addNano(1, Number.NaN)).toThrow(RangeError)
  })
})
