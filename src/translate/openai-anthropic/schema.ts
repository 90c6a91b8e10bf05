/**
 * JSON schemas in the subset that Anthropic's constrained decoding accepts (structured output and strict tools):
 * every object closed, no numeric, length or pattern bounds, few string formats. What has to go is told to the model in
 * the description instead. Rules: Anthropic's structured-outputs guide, and the transform its own SDKs apply.
 */
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { isObject } from './types.ts'

type Schema = Record<string, unknown>

/** Deeper schemas are refused; it also bounds the recursion. */
const maxDepth = 100

const formats: ReadonlySet<unknown> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
])

/** Keys that go over as they are. */
const kept: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'const',
  '$ref',
  'title',
  'description',
  'required',
  'default',
])
const maps: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions'])
const lists: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf'])
/** Say nothing about the value, so they are not worth words in the description. */
const dropped: ReadonlySet<string> = new Set(['$schema', '$id', '$comment', 'additionalProperties', 'examples'])

export function closeSchema(schema: Schema, param: string, depth = 0): Schema {
  if (depth > maxDepth) {
    throw new GatewayError('invalid_request', `The JSON schema in ${param} is nested deeper than ${maxDepth} levels.`, {
      param,
    })
  }
  const out: Schema = {}
  const told: Schema = {}
  for (const [key, value] of Object.entries(schema)) {
    if (dropped.has(key)) continue
    if (kept.has(key)) out[key] = value
    else if (maps.has(key) && isObject(value)) out[key] = closeMap(value, param, depth)
    else if (lists.has(key) && Array.isArray(value)) closeList(key, value, out, param, depth)
    else if (key === 'items' && isObject(value)) out['items'] = closeSchema(value, param, depth + 1)
    else if (key === 'format' && formats.has(value)) out['format'] = value
    else if (key === 'minItems' && (value === 0 || value === 1)) out['minItems'] = value
    else told[key] = value
  }
  if (out['type'] === 'object' || out['properties'] !== undefined) {
    out['properties'] ??= {}
    out['additionalProperties'] = false
  }
  const rules = Object.entries(told).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  if (rules.length > 0) {
    const text = typeof out['description'] === 'string' ? `${out['description']}\n\n` : ''
    out['description'] = `${text}{${rules.join(', ')}}`
  }
  return out
}

function closeMap(map: Schema, param: string, depth: number): Schema {
  const out: Schema = {}
  for (const [name, value] of Object.entries(map)) {
    const closed = isObject(value) ? closeSchema(value, param, depth + 1) : value
    // Plain assignment to `__proto__` would set the prototype and lose the property.
    Object.defineProperty(out, name, { value: closed, enumerable: true, configurable: true, writable: true })
  }
  return out
}

/** Exactly-one and at-least-one differ only for schemas that overlap; Anthropic knows the latter. */
function closeList(key: string, list: unknown[], out: Schema, param: string, depth: number): void {
  const name = key === 'oneOf' && out['anyOf'] === undefined ? 'anyOf' : key
  const closed = list.map(entry => (isObject(entry) ? closeSchema(entry, param, depth + 1) : entry))
  if (name === 'oneOf') {
    out['allOf'] = [...(Array.isArray(out['allOf']) ? out['allOf'] : []), { anyOf: closed }]
  } else if (name === 'anyOf' && Array.isArray(out['anyOf'])) {
    out['allOf'] = [...(Array.isArray(out['allOf']) ? out['allOf'] : []), { anyOf: closed }]
  } else {
    out[name] = name === 'allOf' && Array.isArray(out['allOf']) ? [...out['allOf'], ...closed] : closed
  }
}

/** A tool's input schema must have an object at its root; callers leave `type` out or send `null`. */
export function objectRoot(schema: unknown): Schema {
  if (!isObject(schema)) return { type: 'object', properties: {} }
  if (schema['type'] === 'object') return schema
  return { ...schema, type: 'object' }
}
