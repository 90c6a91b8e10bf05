import type { CounterValue, Window } from '../shared-state.ts'

/** One counter. Its window is known by its end, epoch ms: what a lease took is given back to that window or to none. */
export interface Counter {
  readonly kind: Window['kind']
  used: number
  reserved: number
  /** 0 for those that never end. */
  end: number
}

/**
 * Whether the counter still counts for a use at `now`. A window `until` ends only for a use that knows of a later end:
 * a process whose clock is late would otherwise start it again and again. A rate window further away than its length
 * was set before the clock stepped back.
 */
export function runs(counter: Counter, window: Window, now: number): boolean {
  const { end } = counter
  switch (window.kind) {
    case 'rate':
      return now < end && end - now <= window.ms
    case 'until':
      return now < end || window.at <= end
    default:
      return true
  }
}

export function endOf(window: Window, now: number): number {
  switch (window.kind) {
    case 'rate':
      return now + window.ms
    case 'until':
      return window.at
    default:
      return 0
  }
}

export const counterValue = (used: number, reserved: number, end: number): CounterValue => ({
  used,
  reserved,
  resetAt: end === 0 ? undefined : end,
})

/** A counter `until` a moment stays this long after it, ms, for processes whose clock is late. */
const lateClocks = 60_000

/** Whether nothing would change if the counter were not there. */
export function isOver({ kind, used, reserved, end }: Counter, now: number): boolean {
  switch (kind) {
    case 'rate':
      return now >= end
    case 'until':
      return now >= end + lateClocks
    case 'live':
      return used === 0 && reserved === 0
    case 'forever':
      return false
  }
}
