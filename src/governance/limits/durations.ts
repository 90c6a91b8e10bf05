/**
 * LiteLLM's durations: `30s`, `30m`, `30h`, `30d`, `1w`, `1mo`. Whole days stay days however they are written (`24h` is
 * `1d`, `1w` is `7d`), because days follow the calendar and shorter lengths the clock. `1y` is `12mo`.
 */
export type Duration =
  | { readonly unit: 'ms'; readonly length: number }
  | { readonly unit: 'days'; readonly length: number }
  | { readonly unit: 'months'; readonly length: number }

const day = 86_400_000
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: day, w: 7 * day }
const pattern = /^\s*(\d{1,9})\s*(mo|min|[smhdwy])?\s*$/i
/** A hundred years, in days: beyond it a window never ends anyway. */
const longestDays = 36_525

/** Undefined for what is no duration; a number without a unit is seconds. Zero is no duration either. */
export function parseDuration(text: unknown): Duration | undefined {
  if (typeof text !== 'string' && typeof text !== 'number') return undefined
  const match = pattern.exec(String(text))
  if (match === null) return undefined
  const value = Number(match[1])
  const unit = (match[2] ?? 's').toLowerCase()
  if (value === 0) return undefined
  if (unit === 'mo' || unit === 'y') {
    const months = unit === 'y' ? value * 12 : value
    return months * 28 > longestDays ? undefined : { unit: 'months', length: months }
  }
  const ms = value * (unitMs[unit] ?? 1000)
  if (ms > longestDays * day) return undefined
  return ms % day === 0 ? { unit: 'days', length: ms / day } : { unit: 'ms', length: ms }
}

/** Canonical text: equal lengths read equally, so that a counter's name does not change with the spelling. */
export function formatDuration({ unit, length }: Duration): string {
  if (unit === 'days') return `${length}d`
  if (unit === 'months') return `${length}mo`
  return `${length / 1000}s`
}

/** A moment that long after another, by the UTC calendar: expiries (`duration: "30d"`), not windows. */
export function after(epoch: number, { unit, length }: Duration): number {
  if (unit === 'ms') return epoch + length
  if (unit === 'days') return epoch + length * day
  const date = new Date(epoch)
  const dayOfMonth = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + length)
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(dayOfMonth, lastDay))
  return date.getTime()
}
