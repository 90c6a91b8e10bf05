/** Levels and members looked at; a schema may be as large as its author likes. */
const deepest = 8
const mostItems = 50

type Json = Readonly<Record<string, unknown>>

/**
 * Whether a value has the shape a JSON schema asks for: types, required and known properties, enums, items. What the
 * schema says beyond that is not looked at; a doubt counts as a match.
 */
export function matchesSchema(value: unknown, schema: unknown, level = 0): boolean {
  if (level > deepest || typeof schema !== 'object' || schema === null) return true
  const { type, properties, required, items, additionalProperties, enum: allowed } = schema as Json
  if (Array.isArray(allowed) && !allowed.includes(value)) return false
  if (typeof type === 'string' && !isOf(value, type)) return false
  if (Array.isArray(type) && !type.some(own => typeof own === 'string' && isOf(value, own))) return false
  if (Array.isArray(value)) return value.slice(0, mostItems).every(item => matchesSchema(item, items, level + 1))
  if (typeof value !== 'object' || value === null) return true
  const object = value as Json
  if (Array.isArray(required) && required.some(key => typeof key === 'string' && !Object.hasOwn(object, key)))
    return false
  if (typeof properties !== 'object' || properties === null) return true
  const known = properties as Json
  return Object.keys(object).every(key =>
    Object.hasOwn(known, key) ? matchesSchema(object[key], known[key], level + 1) : additionalProperties !== false,
  )
}

function isOf(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'null':
      return value === null
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type
    default:
      return true
  }
}
