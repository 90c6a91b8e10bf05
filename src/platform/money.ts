import { decimal } from './decimal.ts'

/**
 * Money is a whole number of nano-dollars (10⁻⁹ US$) in a plain `number`: exact, cheap, and it adds up without drift.
 * Range: ±9,007,199,254,740,991 nano-dollars, which is ± 9.007 million US$. One call is far inside it; a sum over many
 * calls is guarded by `addNano`, and a total that can pass nine million dollars belongs in a bigint column.
 */
export type NanoDollars = number

export const nanoPerDollar = 1_000_000_000
const fractionDigits = 9

/** @throws RangeError when the sum leaves the exact range, so that a total is never silently wrong. */
export function addNano(a: NanoDollars, b: NanoDollars): NanoDollars {
  const sum = a + b
  if (!Number.isSafeInteger(sum)) throw new RangeError(`nano-dollar sum ${a} + ${b} is outside the exact range`)
  return sum
}

/** @throws RangeError as `addNano` does. */
export function sumNano(amounts: Iterable<NanoDollars>): NanoDollars {
  let total = 0
  for (const amount of amounts) total = addNano(total, amount)
  return total
}

/**
 * Shortest exact decimal: `0.000012345`, `1.5`, `0`. Never an exponent, never float noise.
 * @throws RangeError for anything but a safe integer.
 */
export function formatNanoDollars(amount: NanoDollars): string {
  if (!Number.isSafeInteger(amount)) throw new RangeError(`${amount} is not a whole number of nano-dollars`)
  const size = Math.abs(amount)
  const whole = Math.floor(size / nanoPerDollar)
  const sign = amount < 0 ? '-' : ''
  // A one before the fraction keeps its leading zeros. Two small integers become text faster than one large number.
  let fraction = size - whole * nanoPerDollar + nanoPerDollar
  if (fraction === nanoPerDollar) return sign + decimal(whole)
  while (fraction % 10 === 0) fraction /= 10
  return `${sign}${decimal(whole)}.${decimal(fraction).slice(1)}`
}

const plainDecimal = /^([+-]?)(\d*)(?:\.(\d*))?$/

/**
 * Decimal dollars → nano-dollars, exact up to nine decimals; further ones round half away from zero.
 * Accepts what configs hold: a number (`100`, `1e-6`) or a decimal string (`"0.25"`). Undefined when it is neither, or
 * outside the range.
 */
export function parseDollars(value: string | number): NanoDollars | undefined {
  if (typeof value === 'number') return inRange(Math.sign(value) * Math.round(Math.abs(value) * nanoPerDollar))
  const text = value.trim()
  const match = plainDecimal.exec(text)
  if (match === null) {
    const parsed = /^[+-]?[\d.]+e[+-]?\d+$/i.test(text) ? Number(text) : Number.NaN
    return parseDollars(parsed)
  }
  const [, sign = '', whole = '', fraction = ''] = match
  if (whole === '' && fraction === '') return undefined
  const kept = fraction.slice(0, fractionDigits).padEnd(fractionDigits, '0')
  const carry = fraction.charCodeAt(fractionDigits) >= 53 ? 1n : 0n
  const amount = Number(BigInt(`0${whole}${kept}`) + carry)
  return inRange(sign === '-' ? -amount : amount)
}

/** Adds 0 so that −0 never appears. */
function inRange(amount: number): NanoDollars | undefined {
  return Number.isSafeInteger(amount) ? amount + 0 : undefined
}
