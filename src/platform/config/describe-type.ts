import type { z } from 'zod'

type Def = z.core.$ZodTypeDef & Readonly<Record<string, unknown>>

export function definition(schema: z.core.$ZodType): Def {
  return schema._zod.def as Def
}

/** The type behind `optional`, `default`, `prefault` and output transforms: what a config author writes. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let current = schema
  for (;;) {
    const def = definition(current)
    if (def.type === 'pipe') current = def['in'] as z.core.$ZodType
    else if (def['innerType'] !== undefined) current = def['innerType'] as z.core.$ZodType
    else return current
  }
}

export function elementOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const def = definition(schema)
  if (def.type === 'array') return def['element'] as z.core.$ZodType
  return def.type === 'record' ? (def['valueType'] as z.core.$ZodType) : undefined
}

export function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const def = definition(schema)
  return def.type === 'object' ? (def['shape'] as Record<string, z.core.$ZodType>) : undefined
}

export function optionsOf(schema: z.core.$ZodType): readonly z.core.$ZodType[] | undefined {
  const def = definition(schema)
  return def.type === 'union' ? (def['options'] as z.core.$ZodType[]) : undefined
}

export function choicesOf(schema: z.core.$ZodType): readonly string[] | undefined {
  const def = definition(schema)
  return def.type === 'enum' ? Object.values(def['entries'] as Record<string, string>) : undefined
}

/** The type in words, for messages and the reference page. */
export function describeType(schema: z.core.$ZodType): string {
  const type = unwrap(schema)
  const choices = choicesOf(type)
  if (choices) return choices.map(choice => `"${choice}"`).join(' or ')
  const options = optionsOf(type)
  if (options) return options.map(describeType).join(' or ')
  const def = definition(type)
  switch (def.type) {
    case 'string':
      return 'text'
    case 'number':
      return isInteger(type) ? 'whole number' : 'number'
    case 'boolean':
      return 'true or false'
    case 'array':
      return `list of ${plural(def['element'] as z.core.$ZodType)}`
    case 'record':
      return `map of ${plural(def['valueType'] as z.core.$ZodType)}`
    case 'object':
      return 'map'
    default:
      return 'any value'
  }
}

function plural(schema: z.core.$ZodType): string {
  const words = describeType(schema)
  if (words === 'text') return 'texts'
  if (words === 'map') return 'maps'
  return words === 'any value' ? 'values' : `(${words})`
}

export function isInteger(schema: z.core.$ZodType): boolean {
  return definition(schema)['format'] === 'safeint'
}

/** What somebody wrote, in words, without the value itself. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'number':
      return Number.isInteger(value) ? 'a whole number' : 'a number'
    case 'boolean':
      return 'true/false'
    default:
      return 'a map'
  }
}
