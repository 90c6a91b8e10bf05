/** The JSON object in a row's `settings` column, under LiteLLM's field names. What is not of the expected type is absent. */
export type Settings = Readonly<Record<string, unknown>>

const none: Settings = Object.freeze({})

export function parseSettings(text: string | null | undefined): Settings {
  if (text === null || text === undefined || text === '') return none
  const value: unknown = JSON.parse(text)
  return isRecord(value) ? value : none
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function textOf(settings: Settings, name: string): string | undefined {
  const value = settings[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function numberOf(settings: Settings, name: string): number | undefined {
  const value = settings[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

export function textsOf(settings: Settings, name: string): readonly string[] {
  const value = settings[name]
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}

export function recordOf(settings: Settings, name: string): Readonly<Record<string, unknown>> {
  const value = settings[name]
  return isRecord(value) ? value : none
}
