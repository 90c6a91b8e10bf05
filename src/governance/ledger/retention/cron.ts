/** Minute, hour, day of month, month, day of week: the values a field allows. */
export interface CronSchedule {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly days: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly weekdays: ReadonlySet<number>
  /** crontab(5): with both days given, either may match. */
  readonly eitherDay: boolean
}

const fields = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of the month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12 },
  { name: 'day of the week', min: 0, max: 7 },
] as const

/** Four years and a bit: the longest a valid schedule can be away (29 February). */
const horizonDays = 366 * 8 + 2
const minuteMs = 60_000

/**
 * A crontab line of five fields with lists, ranges and steps (`0 3 * * 1-5`, every 15 minutes: `0,15,30,45 * * * *`).
 * @throws RangeError that says which field is wrong
 */
export function parseCron(text: string): CronSchedule {
  const parts = text.trim().split(/\s+/)
  if (parts.length !== fields.length) throw new RangeError(`'${text}' has ${parts.length} fields, not 5`)
  const [minutes, hours, days, months, weekdays] = fields.map((field, index) =>
    parseField(parts[index] ?? '', field),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>]
  if (weekdays.delete(7)) weekdays.add(0)
  return { minutes, hours, days, months, weekdays, eitherDay: parts[2] !== '*' && parts[4] !== '*' }
}

function parseField(text: string, { name, min, max }: (typeof fields)[number]): Set<number> {
  const values = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part)
    if (match === null) throw new RangeError(`'${part}' is no ${name}`)
    const [, first, last, step] = match
    const from = first === undefined ? min : Number(first)
    // `5/10` means from 5 on, in steps.
    const to = first === undefined ? max : last !== undefined ? Number(last) : step !== undefined ? max : from
    const by = step === undefined ? 1 : Number(step)
    if (from < min || to > max || from > to || by === 0) throw new RangeError(`'${part}' is no ${name}`)
    for (let value = from; value <= to; value += by) values.add(value)
  }
  return values
}

/** Epoch ms of the first matching minute after a moment, UTC; undefined when there is none (31 April). */
export function nextRun(schedule: CronSchedule, after: number): number | undefined {
  const start = (Math.floor(after / minuteMs) + 1) * minuteMs
  const day = new Date(start)
  day.setUTCHours(0, 0, 0, 0)
  for (let count = 0; count < horizonDays; count++) {
    if (matchesDay(schedule, day)) {
      for (const hour of [...schedule.hours].sort((a, b) => a - b)) {
        for (const minute of [...schedule.minutes].sort((a, b) => a - b)) {
          const at = day.getTime() + (hour * 60 + minute) * minuteMs
          if (at >= start) return at
        }
      }
    }
    day.setUTCDate(day.getUTCDate() + 1)
  }
  return undefined
}

function matchesDay({ days, months, weekdays, eitherDay }: CronSchedule, date: Date): boolean {
  if (!months.has(date.getUTCMonth() + 1)) return false
  const day = days.has(date.getUTCDate())
  const weekday = weekdays.has(date.getUTCDay())
  return eitherDay ? day || weekday : day && weekday
}
