import { decimal } from '../../platform/decimal.ts'
import { formatNanoDollars } from '../../platform/money.ts'
import type { CounterValue, LeaseItem } from '../../platform/shared-state/shared-state.ts'
import type { Principal } from '../authentication/principal.ts'
import type { Amounts, PlannedLimit } from './planned-limit.ts'

/** What headers are made of: a granted reservation. */
export interface ShownReservation {
  readonly limits: readonly PlannedLimit[]
  readonly items: readonly LeaseItem[]
  /** As they stood when the lease was taken, this call's worst case included. */
  readonly values: readonly CounterValue[]
}

/**
 * A call's limits as lines of its response head: what each limit is, what is left and when it resets, in LiteLLM's names.
 * Calls in flight count with what they reserved; this one with what it used, where that is known by now (`actual`; an
 * answer in one piece), else with nothing.
 */
export function limitLines(
  { limits, items, values }: ShownReservation,
  principal: Principal,
  actual: Amounts | undefined,
  now: number,
): string {
  let lines = keyLines(principal)
  for (let i = 0; i < limits.length; i++) {
    const planned = limits[i] as PlannedLimit
    const value = values[i]
    const item = items[i]
    if (value === undefined || item === undefined || !isShown(planned, principal)) continue
    const limit = planned.limit(now)
    const { metric, scope } = planned.rule
    const counted = metric === 'requests' || metric === 'parallel'
    const own = counted ? item.amount : actual === undefined ? 0 : planned.amount(actual)
    const left = Math.max(0, limit - value.used - (value.reserved - item.amount) - own)
    if (metric === 'budget') {
      if (Number.isFinite(limit)) lines += planned.lines(limit)?.with(formatNanoDollars(left), undefined) ?? ''
      if (scope === 'key') lines += `x-litellm-key-spend: ${formatNanoDollars(value.used + own)}\r\n`
      continue
    }
    const reset = value.resetAt === undefined ? undefined : resetIn(value.resetAt - now)
    lines += planned.lines(limit)?.with(decimal(left), reset) ?? ''
  }
  return lines
}

/** Whether `x-ratelimit-*` names without a scope are among the lines: those of the vendor must then not be. */
export const tellsPlainLimits = ({ limits }: ShownReservation, principal: Principal): boolean =>
  limits.some(limit => isShown(limit, principal) && limit.headers?.plain !== undefined)

const isShown = (limit: PlannedLimit, { admin }: Principal): boolean =>
  limit.headers !== undefined && !(limit.countOnly && admin)

const ofKeys = new WeakMap<Principal, string>()

function keyLines(principal: Principal): string {
  let lines = ofKeys.get(principal)
  if (lines === undefined) {
    const { tpm, rpm, maxBudget } = principal.keyLimits
    lines = tpm === undefined ? '' : `x-litellm-key-tpm-limit: ${tpm}\r\n`
    if (rpm !== undefined) lines += `x-litellm-key-rpm-limit: ${rpm}\r\n`
    if (maxBudget !== undefined) lines += `x-litellm-key-max-budget: ${formatNanoDollars(maxBudget)}\r\n`
    ofKeys.set(principal, lines)
  }
  return lines
}

/** OpenAI's form, which clients parse: `59s`, `6m0s`, `1h0m0s`. */
export function resetIn(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000))
  if (seconds < 60) return `${decimal(seconds)}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`
}
