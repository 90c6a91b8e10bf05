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
 * Adds a call's limits to its response headers (names and values in turn): what each limit is, what is left and when it
 * resets, in LiteLLM's names. Calls in flight count with what they reserved; this one with what it used, where that is
 * known by now (`actual`; an answer in one piece), else with nothing.
 * @returns whether `x-ratelimit-*` names without a scope were written: those of the vendor must then not be
 */
export function addLimitHeaders(
  headers: string[],
  { limits, items, values }: ShownReservation,
  principal: Principal,
  actual: Amounts | undefined,
  now: number,
): boolean {
  addKeyLimits(headers, principal)
  let plain = false
  for (let i = 0; i < limits.length; i++) {
    const planned = limits[i] as PlannedLimit
    const names = planned.headers
    if (names === undefined || (planned.countOnly && principal.admin)) continue
    const value = values[i]
    const item = items[i]
    if (value === undefined || item === undefined) continue
    const limit = planned.limit(now)
    const { metric } = planned.rule
    const counted = metric === 'requests' || metric === 'parallel'
    const own = counted ? item.amount : actual === undefined ? 0 : planned.amount(actual)
    const left = Math.max(0, limit - value.used - (value.reserved - item.amount) - own)
    if (metric === 'budget') {
      if (Number.isFinite(limit)) headers.push(names.remaining, formatNanoDollars(left))
      if (planned.rule.scope === 'key') headers.push('x-litellm-key-spend', formatNanoDollars(value.used + own))
      continue
    }
    const most = planned.limitText
    const rest = String(left)
    const reset = value.resetAt === undefined ? undefined : resetIn(value.resetAt - now)
    if (names.limit !== undefined) headers.push(names.limit, most, names.remaining, rest)
    if (names.reset !== undefined && reset !== undefined) headers.push(names.reset, reset)
    if (names.plain !== undefined) {
      plain = true
      headers.push(names.plain.limit, most, names.plain.remaining, rest)
      if (reset !== undefined) headers.push(names.plain.reset, reset)
    }
    if (names.ofModel !== undefined) headers.push(names.ofModel, rest)
  }
  return plain
}

function addKeyLimits(headers: string[], { keyLimits: { tpm, rpm, maxBudget } }: Principal): void {
  if (tpm !== undefined) headers.push('x-litellm-key-tpm-limit', String(tpm))
  if (rpm !== undefined) headers.push('x-litellm-key-rpm-limit', String(rpm))
  if (maxBudget !== undefined) headers.push('x-litellm-key-max-budget', formatNanoDollars(maxBudget))
}

/** OpenAI's form, which clients parse: `59s`, `6m0s`, `1h0m0s`. */
export function resetIn(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  return `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds % 60}s`
}
