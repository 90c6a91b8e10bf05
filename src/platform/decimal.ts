/** `000` … `999`. */
export const threeDigits: readonly string[] = Array.from({ length: 1000 }, (_, number) =>
  String(number).padStart(3, '0'),
)

/** A finite number of 0 or more with three decimals, as `toFixed(3)` writes it, in a fifth of the time. */
export function toThousandths(value: number): string {
  const thousandths = Math.round(value * 1000)
  const whole = Math.floor(thousandths / 1000)
  return `${whole}.${threeDigits[thousandths - whole * 1000]}`
}
