/**
 * Numbers as decimal digits. V8 keeps the text of every number it has written in a table, from where it gets into the old
 * generation; numbers that differ by call are better put together from texts that are there already.
 */

/** `000` … `999`. */
export const threeDigits: readonly string[] = Array.from({ length: 1000 }, (_, number) =>
  String(number).padStart(3, '0'),
)
const small: readonly string[] = Array.from({ length: 1000 }, (_, number) => String(number))

/** The same text as `String(value)`. */
export function decimal(value: number): string {
  if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER && Number.isInteger(value))) return String(value)
  return digits(value)
}

function digits(value: number): string {
  if (value < 1000) return small[value] ?? ''
  const thousands = Math.floor(value / 1000)
  return digits(thousands) + (threeDigits[value - thousands * 1000] ?? '')
}

/** With three decimals, as `toFixed(3)` writes it but for what lies exactly between two. */
export function toThousandths(value: number): string {
  if (!isPlain(value)) return value.toFixed(3)
  const thousandths = Math.round(value * 1000)
  const whole = Math.floor(thousandths / 1000)
  return `${decimal(whole)}.${threeDigits[thousandths - whole * 1000]}`
}

/** The same with two. */
export function toHundredths(value: number): string {
  if (!isPlain(value)) return value.toFixed(2)
  const hundredths = Math.round(value * 100)
  const whole = Math.floor(hundredths / 100)
  return `${decimal(whole)}.${threeDigits[hundredths - whole * 100]?.slice(1)}`
}

/** Three significant digits, as `toPrecision(3)` writes them; from a millionth to one by multiplying, else by it. */
export function toThreeDigits(value: number): string {
  if (!(value >= 1e-6 && value < 0.999)) return value.toPrecision(3)
  let places = 3
  let scaled = value * 1000
  while (scaled < 99.95) {
    scaled *= 10
    places++
  }
  const digits = decimal(Math.round(scaled))
  return digits.length > 3 ? value.toPrecision(3) : `0.${zeros.slice(0, places - 3)}${digits}`
}

const zeros = '000000'

/** Put together here; the rest (negative, not a number, out of sight) is rare. */
const isPlain = (value: number): boolean => value >= 0 && value < 1e12
