/** How numbers of a report are written, the same in text, Markdown and HTML. */
export const quality = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(4))

export const percent = (value: number | undefined, digits = 1): string =>
  value === undefined ? '' : `${(100 * value).toFixed(digits)} %`

/** US dollars per thousand calls: four digits, as prices span five orders of magnitude. */
export const dollars = (value: number | undefined): string => {
  if (value === undefined) return ''
  if (value === 0) return '0'
  return value >= 100 ? value.toFixed(1) : value.toPrecision(3)
}

export const milliseconds = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(0))

export const count = (value: number): string => value.toLocaleString('en-US')

export const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`
