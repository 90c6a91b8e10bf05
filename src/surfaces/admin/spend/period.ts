import { z } from 'zod'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'

const dayMs = 86_400_000
/** Longest range of one report, days. */
const maxDays = 1100

/** `2026-01-31`, or a time of that day; daily reports know days only. UTC. */
export const dateText = z
  .string()
  .trim()
  .transform((text, context) => {
    const date = text.slice(0, 10)
    const at = Date.parse(`${date}T00:00:00Z`)
    const real = /^\d{4}-\d{2}-\d{2}$/.test(date) && !Number.isNaN(at) && new Date(at).toISOString().startsWith(date)
    if (real && /^([ T].*)?$/.test(text.slice(10))) return date
    context.addIssue({ code: 'custom', message: 'expected a date such as 2026-01-31' })
    return z.NEVER
  })

export const optionalPeriod = { start_date: dateText.optional(), end_date: dateText.optional() }

export interface Period {
  readonly from: string
  readonly to: string
}

interface Given {
  readonly start_date?: string | undefined
  readonly end_date?: string | undefined
}

/** @throws GatewayError when a date is missing or they are the wrong way round */
export function requiredPeriod({ start_date: from, end_date: to }: Given): Period {
  if (from === undefined || to === undefined) {
    const param = from === undefined ? 'start_date' : 'end_date'
    throw new GatewayError('missing_field', 'Give start_date and end_date, such as 2026-01-31.', { param })
  }
  return checkedPeriod(from, to)
}

/** The last days, today included, where none are given. */
export function periodOr(given: Given, days: number, now: number): Period {
  const to = given.end_date ?? dateAt(now)
  return checkedPeriod(given.start_date ?? dateAt(Date.parse(`${to}T00:00:00Z`) - (days - 1) * dayMs), to)
}

function checkedPeriod(from: string, to: string): Period {
  const days = (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / dayMs
  if (days < 0) {
    throw new GatewayError('invalid_request', `start_date ${from} is after end_date ${to}.`, { param: 'start_date' })
  }
  if (days < maxDays) return { from, to }
  throw new GatewayError('invalid_request', `The range is ${days + 1} days long; a report covers ${maxDays} at most.`, {
    param: 'start_date',
  })
}

export const dateAt = (epoch: number): string => new Date(epoch).toISOString().slice(0, 10)
