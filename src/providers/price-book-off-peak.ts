import type { OffPeakPrice, OffPeakWindow, PriceBand } from './model-price.ts'

/** `off_peak_pricing` of the price map: rates under the usual field names, and when they hold. */
export type OffPeakFields = Readonly<Record<string, unknown>>

const everyDay = 0b1111_1110
const minutesPerDay = 1440

/** Undefined when there is no such price, or it names no hours that can be read: then the standard rates hold. */
export function offPeakPrice(
  value: unknown,
  bands: (fields: OffPeakFields) => readonly PriceBand[],
): OffPeakPrice | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = value as OffPeakFields
  const declared = Array.isArray(fields['windows']) ? fields['windows'] : [{ hours_utc: fields['hours_utc'] }]
  const windows = declared.flatMap(windowsOf)
  if (windows.length === 0) return undefined
  return { bands: bands(fields), windows, weekdayOffset: zoneOffset(fields['weekday_timezone']) }
}

function windowsOf(declared: { hours_utc?: unknown; weekdays?: unknown } | null): OffPeakWindow[] {
  const hours = Array.isArray(declared?.hours_utc) ? declared.hours_utc : [declared?.hours_utc]
  const weekdays = Array.isArray(declared?.weekdays) ? bits(declared.weekdays) : everyDay
  return hours.flatMap(range => {
    const match = typeof range === 'string' ? /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(range) : null
    if (match === null) return []
    const from = Number(match[1]) * 60 + Number(match[2])
    const to = Number(match[3]) * 60 + Number(match[4]) || minutesPerDay
    if (from < to) return [{ from, to, weekdays }]
    return [
      { from, to: minutesPerDay, weekdays },
      { from: 0, to, weekdays },
    ]
  })
}

function bits(weekdays: readonly unknown[]): number {
  let mask = 0
  for (const day of weekdays) if (typeof day === 'number' && day >= 1 && day <= 7) mask |= 1 << day
  return mask
}

/** Minutes east of UTC today. The zones in use (China) have no daylight saving; elsewhere it moves one hour a year. */
function zoneOffset(zone: unknown): number {
  if (typeof zone !== 'string' || zone === 'UTC') return 0
  try {
    const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts()
    const match = /GMT([+-])(\d\d):(\d\d)/.exec(parts.find(part => part.type === 'timeZoneName')?.value ?? '')
    if (match === null) return 0
    const minutes = Number(match[2]) * 60 + Number(match[3])
    return match[1] === '-' ? -minutes : minutes
  } catch {
    return 0
  }
}

/** @param epoch wall-clock milliseconds since 1970. */
export function isOffPeak(price: OffPeakPrice, epoch: number): boolean {
  const minutes = Math.floor(epoch / 60_000)
  const ofDay = ((minutes % minutesPerDay) + minutesPerDay) % minutesPerDay
  // 1 January 1970 was a Thursday: day 4 of a week that starts on Monday.
  const day = (((Math.floor((minutes + price.weekdayOffset) / minutesPerDay) + 3) % 7) + 7) % 7
  const bit = 1 << (day + 1)
  for (const window of price.windows) {
    if ((window.weekdays & bit) !== 0 && ofDay >= window.from && ofDay < window.to) return true
  }
  return false
}
