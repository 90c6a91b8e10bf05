const day = 86_400_000

/** How far local time is ahead of UTC, in one time zone. A call costs microseconds: for boundaries, not for every call. */
export class UtcOffsets {
  readonly #format: Intl.DateTimeFormat | undefined

  /** @throws RangeError for a name that is no time zone */
  constructor(timeZone: string) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    this.#format = timeZone === 'UTC' ? undefined : format
  }

  /** Milliseconds, at a moment (epoch ms). */
  at(instant: number): number {
    if (this.#format === undefined) return 0
    const whole = Math.floor(instant / 1000) * 1000
    const part: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(whole)) part[type] = Number(value)
    const { year = 0, month = 1, day: date = 1, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, date, hour, minute, second) - whole
  }

  /**
   * The moment at which clocks show a local time, given as the epoch ms it would be in UTC. A time that the clocks skip
   * is read with the offset before the change; of one that comes twice the first is taken.
   */
  instant(local: number): number {
    if (this.#format === undefined) return local
    const before = this.at(local - day)
    const after = this.at(local + day)
    const early = local - Math.max(before, after)
    if (this.at(early) === Math.max(before, after)) return early
    const late = local - Math.min(before, after)
    if (this.at(late) === Math.min(before, after)) return late
    return local - before
  }
}
