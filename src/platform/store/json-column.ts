/**
 * JSON columns are text that this program wrote; other text in one is a damaged or foreign row, which is an error and
 * not an empty object: writing it back would destroy it.
 */
export function readJsonObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new TypeError('a JSON column holds no object')
}

/** A list of texts, as `tags` is. */
export function readJsonList(text: string): string[] {
  const value: unknown = JSON.parse(text)
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
  throw new TypeError('a JSON column holds no list of texts')
}

/** Fields that are undefined are left out. */
export function writeJson(value: Readonly<Record<string, unknown>> | readonly unknown[]): string {
  return JSON.stringify(value)
}
