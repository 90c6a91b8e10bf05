import { PolicyInvalid, type TimeWindow } from './policy.ts'

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const allDays = 0b1111111
const minutesPerDay = 1440

/** Whether a moment (epoch ms) lies in one of the windows. */
export type TimeTest = (at: number) => boolean

/** @throws PolicyInvalid */
export function timeWindows(windows: readonly TimeWindow[], param: string): TimeTest {
  const tests = windows.map((window, index) => timeWindow(window, `${param}[${index}]`))
  // Clocks turn once a minute: calls within one share the answer.
  let minute = Number.NaN
  let inside = false
  return at => {
    const current = Math.floor(at / 60_000)
    if (current !== minute) {
      inside = tests.some(test => test(at))
      minute = current
    }
    return inside
  }
}

function timeWindow({ days, from, to, time_zone: zone }: TimeWindow, param: string): TimeTest {
  const clock = localClock(zone ?? 'UTC', param)
  const begins = days === undefined ? allDays : daysOf(days, `${param}.days`)
  const start = minuteOf(from ?? '00:00', `${param}.from`)
  const end = to === undefined ? minutesPerDay : minuteOf(to, `${param}.to`)
  if (start === end) throw new PolicyInvalid(param, 'begins and ends at the same time')
  const on = (day: number): boolean => (begins & (1 << ((day + 7) % 7))) !== 0
  return at => {
    const { day, minute } = clock(at)
    if (start < end) return minute >= start && minute < end && on(day)
    // Over midnight: the evening belongs to the day itself, the morning to the day before.
    return (minute >= start && on(day)) || (minute < end && on(day - 1))
  }
}

function daysOf(names: readonly string[], param: string): number {
  let mask = 0
  for (const name of names) {
    const day = (dayNames as readonly string[]).indexOf(name.toLowerCase().slice(0, 3))
    if (day < 0) throw new PolicyInvalid(param, `must hold days such as "mon", not ${JSON.stringify(name)}`)
    mask |= 1 << day
  }
  if (mask === 0) throw new PolicyInvalid(param, 'names no day')
  return mask
}

function minuteOf(text: string, param: string): number {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (text === '24:00') return minutesPerDay
  if (match === null) throw new PolicyInvalid(param, `must be a time of day, "HH:MM", not ${JSON.stringify(text)}`)
  return Number(match[1]) * 60 + Number(match[2])
}

/** What the clocks of a time zone show: day of the week from Monday = 0, minute of the day. */
function localClock(zone: string, param: string): (at: number) => { readonly day: number; readonly minute: number } {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: 'numeric',
      minute: 'numeric',
      hourCycle: 'h23',
    })
  } catch {
    throw new PolicyInvalid(`${param}.time_zone`, `must be an IANA time zone such as "Europe/Berlin"`)
  }
  return at => {
    const part: Record<string, string> = {}
    for (const { type, value } of format.formatToParts(at)) part[type] = value
    const day = (dayNames as readonly string[]).indexOf((part['weekday'] ?? '').toLowerCase())
    return { day, minute: Number(part['hour']) * 60 + Number(part['minute']) }
  }
}
