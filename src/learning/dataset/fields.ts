import { BadLine } from './problems.ts'

export type JsonObject = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @throws BadLine */
export function parseObject(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new BadLine(undefined, `not JSON: ${error instanceof Error ? error.message : 'unknown'}`)
  }
  if (!isObject(value)) throw new BadLine(undefined, 'expected a JSON object')
  return value
}

/** @throws BadLine where it is missing, empty or no text */
export function text(object: JsonObject, field: string): string {
  const value = object[field]
  if (typeof value !== 'string') throw new BadLine(field, value === undefined ? 'is missing' : 'must be text')
  if (value === '') throw new BadLine(field, 'is empty')
  return value
}

/** Undefined where it is missing, null or empty. @throws BadLine where it is no text */
export function optionalText(object: JsonObject, field: string): string | undefined {
  const value = object[field]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') throw new BadLine(field, 'must be text')
  return value
}

/** NaN where it is missing or null. @throws BadLine where it is no finite number of 0 or more */
export function amount(value: unknown, field: string): number {
  if (value === undefined || value === null) return Number.NaN
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new BadLine(field, `must be a number of 0 or more, or null, not ${shown(value)}`)
  return value
}

/** As {@link amount}, at most 1. */
export function share(value: unknown, field: string): number {
  const number = amount(value, field)
  if (number > 1) throw new BadLine(field, `must be between 0 and 1, or null, not ${shown(value)}`)
  return number
}

/** A number written as text, as CSV has it. `True` and `False` are 1 and 0; an empty cell, `nan` and `None` are NaN. */
export function cellNumber(cell: string, field: string): number {
  const trimmed = cell.trim()
  if (trimmed === '' || /^(nan|none|null)$/i.test(trimmed)) return Number.NaN
  if (/^true$/i.test(trimmed)) return 1
  if (/^false$/i.test(trimmed)) return 0
  const value = Number(trimmed)
  if (!Number.isFinite(value) || value < 0)
    throw new BadLine(field, `must be a number of 0 or more, not ${shown(cell)}`)
  return value
}

/** One number per model. @throws BadLine where the length differs */
export function perModel(
  object: JsonObject,
  field: string,
  models: number,
  read: (value: unknown, field: string) => number,
): Float64Array | undefined {
  const value = object[field]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw new BadLine(field, 'must be an array with one number per model')
  if (value.length !== models)
    throw new BadLine(field, `has ${value.length} numbers for ${models} models: the order is that of the meta file`)
  return Float64Array.from(value, (entry, index) => read(entry, `${field}[${index}]`))
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
