import type { Duration } from './durations.ts'
import { UtcOffsets } from './utc-offsets.ts'

/** One window of a limit, epoch ms: `start` belongs to it, `end` to the next. */
export interface Span {
  readonly start: number
  readonly end: number
}

const minute = 60_000
const day = 86_400_000
/** Monday, 1 January 2024: every grid starts here, so weeks begin on Mondays and quarters in January. */
const anchorYear = 2024
const anchorDay = Date.UTC(anchorYear, 0, 1) / day

/** LiteLLM takes 30 days for a month that begins on the first. */
const monthInDays = 30

/**
 * When windows begin and end.
 *
 * Days, weeks and months follow the calendar of a time zone and begin at `resetTime`: `1d` every day, `7d` on Mondays,
 * `30d` and `1mo` on the first of the month; other numbers of days, weeks or months count from Monday, 1 January 2024.
 * Through a change of clocks such a window is an hour longer or shorter. A reset time that the change skips is the
 * moment that long after it began; one that comes twice is the first.
 *
 * Shorter lengths (`30s`, `1h`, `36h`) are exact: they count elapsed time from midnight of that Monday, without regard
 * to the reset time.
 */
export class Calendar {
  readonly timeZone: string
  readonly #offsets: UtcOffsets
  readonly #resetMs: number

  /**
   * @param timeZone IANA name
   * @param resetMinutes minutes after midnight at which calendar windows begin, 0–1439
   * @throws RangeError for a time zone that does not exist
   */
  constructor(timeZone = 'UTC', resetMinutes = 0) {
    this.timeZone = timeZone
    this.#offsets = new UtcOffsets(timeZone)
    this.#resetMs = resetMinutes * minute
  }

  /** The window of that length that holds a moment (epoch ms). */
  window(duration: Duration, now: number): Span {
    if (duration.unit === 'ms') return this.#elapsed(duration.length, now)
    if (duration.unit === 'months' || duration.length === monthInDays) {
      const months = duration.unit === 'months' ? duration.length : 1
      return this.#search(now, this.#monthsSinceAnchor(now), months, index => this.#startOfMonth(index))
    }
    return this.#search(now, this.#localDay(now) - anchorDay, duration.length, index => this.#startOfDay(index))
  }

  #elapsed(length: number, now: number): Span {
    const anchor = anchorDay * day - this.#offsets.at(anchorDay * day)
    const start = anchor + Math.floor((now - anchor) / length) * length
    return { start, end: start + length }
  }

  /**
   * Begins at a guess from the local date and steps to the window that holds `now`: the reset time, clock changes and
   * days that a country skipped move a boundary by a day at most.
   */
  #search(now: number, units: number, length: number, startOf: (unit: number) => number): Span {
    let index = Math.floor(units / length)
    while (startOf(index * length) > now) index--
    while (startOf((index + 1) * length) <= now) index++
    return { start: startOf(index * length), end: startOf((index + 1) * length) }
  }

  #startOfDay(sinceAnchor: number): number {
    return this.#offsets.instant((anchorDay + sinceAnchor) * day + this.#resetMs)
  }

  #startOfMonth(sinceAnchor: number): number {
    return this.#offsets.instant(Date.UTC(anchorYear, sinceAnchor, 1) + this.#resetMs)
  }

  #localDay(now: number): number {
    return Math.floor((now + this.#offsets.at(now)) / day)
  }

  #monthsSinceAnchor(now: number): number {
    const local = new Date(now + this.#offsets.at(now))
    return (local.getUTCFullYear() - anchorYear) * 12 + local.getUTCMonth()
  }
}

/** `litellm_settings.budget_reset_time`, `HH:MM`, in minutes after midnight; undefined for anything else. */
export function parseResetTime(text: string): number | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim())
  return match === null ? undefined : Number(match[1]) * 60 + Number(match[2])
}
