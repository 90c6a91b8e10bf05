import type { Plan } from './plan.ts'

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Tools as the vendor takes them; the same array when none had to change. */
export function prepareTools(tools: readonly unknown[], plan: Plan): readonly unknown[] {
  const { quirks } = plan
  let changed = false
  const out: unknown[] = []
  for (const tool of tools) {
    if (!isObject(tool)) {
      out.push(tool)
      continue
    }
    if (quirks.functionToolsOnly === true && tool['type'] !== 'function') {
      changed = true
      continue
    }
    let next = tool
    if (quirks.keepCacheControl !== true && 'cache_control' in tool) {
      const { cache_control: _mark, ...rest } = tool
      next = rest
    }
    if (isObject(next['function'])) {
      const definition = prepareFunction(next['function'], plan)
      if (definition !== next['function']) next = { ...next, function: definition }
    }
    if (next !== tool) changed = true
    out.push(next)
  }
  return changed ? out : tools
}

function prepareFunction(definition: Json, { quirks }: Plan): Json {
  let next = definition
  if (quirks.keepCacheControl !== true && 'cache_control' in next) {
    const { cache_control: _mark, ...rest } = next
    next = rest
  }
  if (quirks.stripStrict === true && 'strict' in next) {
    const { strict: _strict, ...rest } = next
    next = rest
  }
  if (quirks.stripSchemaKeys !== undefined && isObject(next['parameters'])) {
    const parameters = stripSchema(next['parameters'], quirks.stripSchemaKeys, 0)
    if (parameters !== next['parameters']) next = { ...next, parameters }
  }
  return next
}

/** Deeper schemas are left alone; no vendor takes them, and the recursion stays bounded. */
const maxDepth = 64
/** Members of a schema whose own members are names given by the user, not keywords. */
const nameMaps = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])

function stripSchema(schema: unknown, keys: readonly string[], depth: number, names = false): unknown {
  if (depth > maxDepth || typeof schema !== 'object' || schema === null) return schema
  if (Array.isArray(schema)) {
    const next = schema.map(item => stripSchema(item, keys, depth + 1))
    return next.some((item, i) => item !== schema[i]) ? next : schema
  }
  const object = schema as Json
  let changed = false
  const out: Json = {}
  for (const [key, value] of Object.entries(object)) {
    if (!names && keys.includes(key) && (key !== 'additionalProperties' || value === false)) {
      changed = true
      continue
    }
    const literal = !names && (key === 'enum' || key === 'const' || key === 'default' || key === 'examples')
    const next = literal ? value : stripSchema(value, keys, depth + 1, !names && nameMaps.has(key))
    if (next !== value) changed = true
    out[key] = next
  }
  return changed ? out : schema
}
