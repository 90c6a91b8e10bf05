import { isJson, type Json } from './types.ts'

/** A value that satisfies a JSON Schema (or Gemini's OpenAPI subset), the same for the same schema. */
export function sampleOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (!isJson(schema) || depth > 12) return depth > 12 ? null : {}
  if (typeof schema['$ref'] === 'string') return sampleOf(resolve(schema['$ref'], root), root, depth + 1)
  if ('const' in schema) return schema['const']
  if (Array.isArray(schema['enum'])) return schema['enum'][0]
  const choice = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(choice)) {
    const branches = choice.filter(isJson)
    return sampleOf(branches.find(branch => branch['type'] !== 'null') ?? branches[0], root, depth + 1)
  }
  if (Array.isArray(schema['allOf'])) return sampleOf(merge(schema['allOf'].filter(isJson), root), root, depth + 1)
  switch (typeOf(schema)) {
    case 'object':
      return sampleObject(schema, root, depth)
    case 'array': {
      const count = Math.max(number(schema['minItems']) ?? 1, 0)
      return Array.from({ length: count }, () => sampleOf(schema['items'] ?? { type: 'string' }, root, depth + 1))
    }
    case 'integer':
    case 'number':
      return sampleNumber(schema)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return sampleString(schema)
  }
}

function typeOf(schema: Json): string {
  const type = Array.isArray(schema['type']) ? schema['type'].find(entry => entry !== 'null') : schema['type']
  if (typeof type === 'string') return type.toLowerCase()
  return isJson(schema['properties']) ? 'object' : 'string'
}

function sampleObject(schema: Json, root: unknown, depth: number): Json {
  const properties = isJson(schema['properties']) ? schema['properties'] : {}
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const result: Json = {}
  for (const [name, property] of Object.entries(properties)) {
    // Optional members of deep schemas are left out, so that recursive definitions come to an end.
    if (depth < 4 || required.includes(name)) result[name] = sampleOf(property, root, depth + 1)
  }
  return result
}

function sampleNumber(schema: Json): number {
  const integer = typeOf(schema) === 'integer'
  const step = number(schema['multipleOf']) ?? 1
  const exclusive = number(schema['exclusiveMinimum'])
  let value = exclusive !== undefined ? exclusive + step : (number(schema['minimum']) ?? 1)
  const maximum = number(schema['maximum'])
  if (maximum !== undefined && value > maximum) value = maximum
  return integer ? Math.ceil(value) : value
}

function sampleString(schema: Json): string {
  const byFormat: Record<string, string> = {
    'date-time': '2025-01-02T03:04:05Z',
    date: '2025-01-02',
    time: '03:04:05Z',
    email: 'user@example.com',
    uri: 'https://example.com/',
    uuid: '00000000-0000-4000-8000-000000000000',
    ipv4: '192.0.2.1',
  }
  let value = byFormat[String(schema['format'])] ?? 'echo'
  const shortest = number(schema['minLength']) ?? 0
  while (value.length < shortest) value += 'o'
  return value.slice(0, number(schema['maxLength']) ?? value.length)
}

function merge(parts: Json[], root: unknown): Json {
  const merged: Json = { type: 'object', properties: {}, required: [] }
  for (const entry of parts) {
    const part = typeof entry['$ref'] === 'string' ? resolve(entry['$ref'], root) : entry
    if (!isJson(part)) continue
    Object.assign(merged, part, {
      properties: { ...(merged['properties'] as Json), ...(isJson(part['properties']) ? part['properties'] : {}) },
      required: [
        ...(merged['required'] as unknown[]),
        ...(Array.isArray(part['required']) ? (part['required'] as unknown[]) : []),
      ],
    })
  }
  return merged
}

function resolve(ref: string, root: unknown): unknown {
  let at: unknown = root
  for (const key of ref.replace(/^#\/?/, '').split('/')) {
    if (key === '') continue
    at = isJson(at) ? at[key.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
  }
  return at
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
