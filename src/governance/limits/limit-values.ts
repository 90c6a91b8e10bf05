import { type NanoDollars, parseDollars } from '../../platform/money.ts'

/**
 * Reading limits out of stored settings, which come from the API, from config files and from LiteLLM's database. A limit
 * that is there is never lost to its spelling: numbers in quotes count, and less than nothing is nothing.
 */
export type LimitSettings = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is LimitSettings =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const recordAt = (settings: LimitSettings, name: string): LimitSettings | undefined => {
  const value = settings[name]
  return isRecord(value) ? value : undefined
}

export const recordsAt = (settings: LimitSettings, name: string): readonly LimitSettings[] => {
  const value = settings[name]
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/** The first of the names that holds anything. */
export function firstOf(settings: LimitSettings, ...names: readonly string[]): unknown {
  for (const name of names) {
    const value = settings[name]
    if (value !== undefined && value !== null && value !== '') return value
  }
  return undefined
}

/** A whole number of requests, tokens or calls; undefined for what is no number. */
export function countOf(value: unknown): number | undefined {
  const number = numberOf(value)
  return number === undefined ? undefined : Math.floor(Math.max(0, number))
}

/** US dollars in nano-dollars; an amount beyond the exact range is the largest there is, not none. */
export function dollarsOf(value: unknown): NanoDollars | undefined {
  const number = numberOf(value)
  if (number === undefined) return undefined
  const nano = parseDollars(typeof value === 'string' ? value.trim() : number)
  return Math.max(0, nano ?? (number > 0 ? Number.MAX_SAFE_INTEGER : 0))
}

/** Epoch ms of an ISO date (LiteLLM's form, UTC where no zone is given) or of a number of milliseconds. */
export function momentOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string') return undefined
  const zoned = /[zZ]$|[+-]\d\d:?\d\d$/.test(value) || !value.includes(':')
  const epoch = Date.parse(zoned ? value : `${value}Z`)
  return Number.isNaN(epoch) ? undefined : epoch
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && !Number.isNaN(number) ? number : undefined
}
