import { isRecord, parseSettings } from '../objects/settings.ts'

/** Columns by how LiteLLM shows them: dollars, ISO times, flags. What is in `hidden` never leaves. */
export interface Presentation {
  readonly money: readonly string[]
  readonly times: readonly string[]
  readonly flags: readonly string[]
  readonly hidden: readonly string[]
  /** Fields that are there, empty, when nothing was set, as clients expect. */
  readonly defaults: Readonly<Record<string, unknown>>
}

/** A row as LiteLLM's JSON object: columns and `settings` side by side. */
export function present(row: object, how: Presentation): Record<string, unknown> {
  const columns = row as Readonly<Record<string, unknown>>
  const shown: Record<string, unknown> = { ...how.defaults }
  const settings = columns['settings']
  if (typeof settings === 'string') Object.assign(shown, parseSettings(settings))
  for (const [name, value] of Object.entries(columns)) {
    if (name === 'settings' || how.hidden.includes(name)) continue
    if (how.money.includes(name)) shown[name] = typeof value === 'number' ? dollarsFromNano(value) : value
    else if (how.times.includes(name)) shown[name] = isoTime(value)
    else if (how.flags.includes(name)) shown[name] = value === 1
    else shown[name] = value
  }
  return shown
}

/** Dollars as JSON has them; exact to nine decimals below nine million. */
export const dollarsFromNano = (nano: number): number => nano / 1e9

export const isoTime = (value: unknown): string | null =>
  typeof value === 'number' ? new Date(value).toISOString() : null

/**
 * Fields of a request that are kept in `settings`: what was sent, without the columns. `undefined` leaves a field as it
 * was, `null` removes it.
 */
export function mergedSettings(
  before: string | undefined,
  sent: Readonly<Record<string, unknown>>,
  columns: ReadonlySet<string>,
): string {
  const settings: Record<string, unknown> = { ...parseSettings(before) }
  for (const [name, value] of Object.entries(sent)) {
    if (columns.has(name) || value === undefined) continue
    if (value === null) delete settings[name]
    else settings[name] = isRecord(value) ? { ...value } : value
  }
  return JSON.stringify(settings)
}
