import type { SharedState, Window } from '../../platform/shared-state/shared-state.ts'
import { parseDuration } from '../limits/durations.ts'
import type { LimitRule } from '../limits/limit-rule.ts'
import { counterOf } from '../limits/rules.ts'
import type { Calendar } from '../limits/windows.ts'

/**
 * Sets the budget counters of an object to what its `spend` was set to: a limit that went on counting the old spend would
 * refuse calls that a reset allows. What calls under way hold is kept.
 * @param value nano-dollars
 * @throws StateUnavailable
 */
export async function resetCounters(
  state: Pick<SharedState, 'assign'>,
  calendar: Calendar,
  rules: readonly LimitRule[],
  value: number,
  now: number,
): Promise<void> {
  const budgets = rules.filter(rule => rule.metric === 'budget')
  if (budgets.length === 0) return
  await state.assign(budgets.map(rule => ({ key: counterOf(rule), value, window: windowOf(rule, calendar, now) })))
}

/** As limits count them: the end that the object's row states wins over the calendar's. */
function windowOf({ window }: LimitRule, calendar: Calendar, now: number): Window {
  if (window === undefined) return { kind: 'forever' }
  if (window.kind === 'seconds') return { kind: 'rate', ms: window.seconds * 1000 }
  const duration = parseDuration(window.duration)
  if (duration === undefined) return { kind: 'forever' }
  const stated = window.resetAt !== undefined && window.resetAt > now ? window.resetAt : undefined
  return { kind: 'until', at: stated ?? calendar.window(duration, now).end }
}
