import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { type GeminiSchema, isRecord } from './gemini-types.ts'

/**
 * JSON Schema → the OpenAPI 3.0 subset of `parameters` and `responseSchema`.
 *
 * Newer models also take raw JSON Schema (`parametersJsonSchema`, `responseJsonSchema`), but older ones and Gemma do
 * not, and they ignore or refuse different keywords. The subset works on all of them, so it is the one that is sent.
 * What it cannot say (numeric enums, constants) is told to the model in the description.
 *
 * References are inlined; where one comes round again, the inner use becomes an open object. Size is bounded.
 */
export interface SchemaOptions {
  /** Keep the order of properties in the answer (`propertyOrdering`), for response schemas. */
  readonly ordered?: boolean
  /** The request field named in errors. */
  readonly param: string
}

const maxNodes = 10_000
const maxDepth = 64

type Json = Record<string, unknown>

interface Walk {
  readonly root: Json
  readonly ordered: boolean
  readonly param: string
  /** References being expanded right now, to see a cycle. */
  readonly open: Set<string>
  nodes: number
}

/** @throws GatewayError `invalid_request` when the schema is too large or too deep once references are inlined. */
export function convertSchema(schema: unknown, options: SchemaOptions): GeminiSchema {
  if (!isRecord(schema)) return { type: 'OBJECT' }
  const walk: Walk = {
    root: schema,
    ordered: options.ordered === true,
    param: options.param,
    open: new Set(),
    nodes: 0,
  }
  return convert(schema, walk, 0)
}

const typeNames: Readonly<Record<string, NonNullable<GeminiSchema['type']>>> = {
  string: 'STRING',
  number: 'NUMBER',
  integer: 'INTEGER',
  boolean: 'BOOLEAN',
  array: 'ARRAY',
  object: 'OBJECT',
}

/** Formats the API accepts per type; it refuses any other. */
const formats: Readonly<Record<string, readonly string[]>> = {
  STRING: ['enum', 'date-time'],
  NUMBER: ['float', 'double'],
  INTEGER: ['int32', 'int64'],
}

function spend(walk: Walk, nodes: number): void {
  walk.nodes += nodes
  if (walk.nodes <= maxNodes) return
  throw new GatewayError(
    'invalid_request',
    `The schema has more than ${maxNodes} nodes or ${maxDepth} levels once its references are inlined. Simplify it.`,
    { param: walk.param },
  )
}

function convert(node: unknown, walk: Walk, depth: number): GeminiSchema {
  spend(walk, depth > maxDepth ? maxNodes + 1 : 1)
  // `true` allows anything; `false` cannot be said.
  if (!isRecord(node)) return anything(undefined)
  if (typeof node['$ref'] === 'string') return convertReference(node, node['$ref'], walk, depth)
  if (Array.isArray(node['allOf'])) return convertAllOf(node, node['allOf'], walk, depth)
  const variants = variantsOf(node)
  if (variants !== undefined) return convertVariants(variants, walk, depth)
  return convertPlain(node, walk, depth)
}

function convertReference(node: Json, reference: string, walk: Walk, depth: number): GeminiSchema {
  const target = resolve(walk.root, reference)
  if (!isRecord(target) || walk.open.has(reference)) return open(node)
  walk.open.add(reference)
  try {
    const { $ref: _, ...siblings } = node
    return convert({ ...target, ...siblings }, walk, depth + 1)
  } finally {
    walk.open.delete(reference)
  }
}

function open(node: Json): GeminiSchema {
  const schema: GeminiSchema = { type: 'OBJECT' }
  if (typeof node['description'] === 'string') schema.description = node['description']
  return schema
}

/** A JSON pointer within the document: `#`, `#/$defs/Name`, `#/definitions/…`. */
function resolve(root: Json, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined
  let at: unknown = root
  for (const step of reference.slice(1).split('/').slice(1)) {
    const name = decode(step).replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(at)) at = at[Number(name)]
    else if (isRecord(at) && Object.hasOwn(at, name)) at = at[name]
    else return undefined
  }
  return at
}

function decode(step: string): string {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

/** `allOf` as one schema: properties and required names are joined, for the rest the later one counts. */
function convertAllOf(node: Json, members: readonly unknown[], walk: Walk, depth: number): GeminiSchema {
  const { allOf: _, ...own } = node
  const opened: string[] = []
  let merged: Json = {}
  for (const member of members) {
    if (!isRecord(member)) continue
    // Each step copies what was joined so far; without a price a long list would take quadratic time.
    spend(walk, 1 + (isRecord(merged['properties']) ? Object.keys(merged['properties']).length : 0))
    const reference = member['$ref']
    if (typeof reference !== 'string') {
      merged = join(merged, member)
      continue
    }
    const target = resolve(walk.root, reference)
    if (walk.open.has(reference) || !isRecord(target)) {
      merged = join({ type: 'object' }, merged)
      continue
    }
    walk.open.add(reference)
    opened.push(reference)
    merged = join(merged, target)
  }
  try {
    return convert(join(merged, own), walk, depth + 1)
  } finally {
    for (const reference of opened) walk.open.delete(reference)
  }
}

function join(left: Json, right: Json): Json {
  const joined: Json = { ...left, ...right }
  if (isRecord(left['properties']) && isRecord(right['properties'])) {
    joined['properties'] = { ...left['properties'], ...right['properties'] }
  }
  if (Array.isArray(left['required']) && Array.isArray(right['required'])) {
    joined['required'] = [...new Set([...left['required'], ...right['required']])]
  }
  // Only one `anyOf` can be said; a second one is a further condition on the same value.
  return joined
}

interface Variants {
  readonly members: unknown[]
  readonly nullable: boolean
  readonly description: unknown
}

/** `anyOf`, `oneOf` and lists of types as alternatives; undefined when the node is one plain schema. */
function variantsOf(node: Json): Variants | undefined {
  const listed = Array.isArray(node['anyOf']) ? node['anyOf'] : Array.isArray(node['oneOf']) ? node['oneOf'] : undefined
  const description = node['description']
  if (listed !== undefined) {
    const { anyOf: _anyOf, oneOf: _oneOf, description: _description, nullable, ...own } = node
    const structured = isRecord(own['properties']) || own['items'] !== undefined
    const members = listed.filter(member => !isNull(member))
    // "One of these names is required" says nothing the subset can carry; the structure beside it does.
    if (structured && members.every(saysNothing)) return { members: [own], nullable: nullable === true, description }
    return {
      members: structured || own['type'] !== undefined ? members.map(member => within(own, member)) : members,
      nullable: members.length < listed.length || nullable === true,
      description,
    }
  }
  const type = node['type']
  if (!Array.isArray(type)) return undefined
  const names = type.filter(name => name !== 'null')
  const { description: _, nullable, ...own } = node
  return {
    members: names.map(name => ({ ...own, type: name })),
    nullable: names.length < type.length || nullable === true,
    description,
  }
}

const isNull = (node: unknown): boolean =>
  isRecord(node) && (node['type'] === 'null' || node['const'] === null) && node['anyOf'] === undefined

const saysNothing = (node: unknown): boolean =>
  !isRecord(node) ||
  !('type' in node || 'properties' in node || 'items' in node || '$ref' in node || 'enum' in node || 'const' in node)

/** An alternative together with what its parent already demands of the value. */
function within(own: Json, member: unknown): unknown {
  if (!isRecord(member)) return own
  return '$ref' in member ? member : join(own, member)
}

function convertVariants(variants: Variants, walk: Walk, depth: number): GeminiSchema {
  const { members, nullable, description } = variants
  const text = typeof description === 'string' ? description : undefined
  // Nothing may stand beside `anyOf`, so what was beside it moves into every alternative; alternatives of
  // alternatives join the list.
  const converted = members.flatMap(member => {
    const schema = convert(member, walk, depth + 1)
    return schema.anyOf ?? [schema]
  })
  for (const schema of converted) {
    if (nullable) schema.nullable = true
    if (text !== undefined && (schema.description === undefined || converted.length === 1)) schema.description = text
  }
  const [only] = converted
  if (only === undefined) {
    const schema: GeminiSchema = { type: 'STRING', nullable: true }
    return text === undefined ? schema : { ...schema, description: text }
  }
  return converted.length > 1 ? { anyOf: converted } : only
}

function convertPlain(node: Json, walk: Walk, depth: number): GeminiSchema {
  const schema: GeminiSchema = {}
  const type = typeOf(node)
  if (type !== undefined) schema.type = type
  copyAnnotations(node, schema)
  const values = Array.isArray(node['enum']) ? node['enum'] : 'const' in node ? [node['const']] : undefined
  if (values !== undefined) convertEnum(values, schema)
  const format = node['format']
  if (typeof format === 'string' && schema.type !== undefined && formats[schema.type]?.includes(format)) {
    schema.format = format
  }
  if (schema.type === 'ARRAY') convertArray(node, schema, walk, depth)
  if (schema.type === 'OBJECT') convertObject(node, schema, walk, depth)
  return schema.type === undefined ? anything(schema.description, schema.nullable) : schema
}

/** A schema without a type is refused, so "any value" is spelt out. */
function anything(description: string | undefined, nullable?: boolean): GeminiSchema {
  const members: GeminiSchema[] = [
    { type: 'STRING' },
    { type: 'NUMBER' },
    { type: 'BOOLEAN' },
    { type: 'OBJECT' },
    { type: 'ARRAY', items: { type: 'STRING' } },
  ]
  for (const member of members) {
    if (description !== undefined) member.description = description
    if (nullable === true) member.nullable = true
  }
  return { anyOf: members }
}

function typeOf(node: Json): GeminiSchema['type'] {
  const name = node['type']
  // A value that is only ever null still needs a type beside `nullable`.
  if (name === 'null') return 'STRING'
  if (typeof name === 'string' && Object.hasOwn(typeNames, name.toLowerCase())) return typeNames[name.toLowerCase()]
  if (isRecord(node['properties'])) return 'OBJECT'
  if (node['items'] !== undefined || Array.isArray(node['prefixItems'])) return 'ARRAY'
  return undefined
}

const finite = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const counts = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'] as const

function copyAnnotations(node: Json, schema: GeminiSchema): void {
  if (typeof node['title'] === 'string') schema.title = node['title']
  if (typeof node['description'] === 'string') schema.description = node['description']
  if (node['nullable'] === true || node['type'] === 'null') schema.nullable = true
  if (node['default'] !== undefined) schema.default = node['default']
  if (node['example'] !== undefined) schema.example = node['example']
  if (typeof node['pattern'] === 'string') schema.pattern = node['pattern']
  if (finite(node['minimum'])) schema.minimum = node['minimum']
  if (finite(node['maximum'])) schema.maximum = node['maximum']
  for (const name of counts) {
    const value = node[name]
    if (Number.isInteger(value) && (value as number) >= 0) schema[name] = value as number
  }
}

/** Enums are lists of non-empty strings; `null` and '' mean the value may be missing. */
function convertEnum(values: readonly unknown[], schema: GeminiSchema): void {
  const stated = values.filter(value => value !== null && value !== '')
  if (stated.length < values.length) schema.nullable = true
  if (stated.length === 0) return
  if (stated.every(value => typeof value === 'string')) {
    schema.type ??= 'STRING'
    if (schema.type === 'STRING') schema.enum = stated
    return
  }
  if (schema.type === undefined) {
    if (stated.every(value => typeof value === 'boolean')) schema.type = 'BOOLEAN'
    else if (stated.every(finite)) schema.type = stated.every(Number.isInteger) ? 'INTEGER' : 'NUMBER'
  }
  const list = `Allowed values: ${stated.map(value => JSON.stringify(value)).join(', ')}.`
  schema.description = schema.description === undefined ? list : `${schema.description} ${list}`
}

function convertArray(node: Json, schema: GeminiSchema, walk: Walk, depth: number): void {
  const items = node['items']
  const tuple = Array.isArray(node['prefixItems']) ? node['prefixItems'] : Array.isArray(items) ? items : undefined
  if (tuple !== undefined) {
    const members = tuple.map(member => convert(member, walk, depth + 1))
    const [only] = members
    schema.items = members.length > 1 ? { anyOf: members } : (only ?? { type: 'OBJECT' })
    return
  }
  // An array without a kind of item is refused.
  schema.items = isRecord(items) && Object.keys(items).length > 0 ? convert(items, walk, depth + 1) : { type: 'OBJECT' }
}

function convertObject(node: Json, schema: GeminiSchema, walk: Walk, depth: number): void {
  if (!isRecord(node['properties'])) return
  const properties: Record<string, GeminiSchema> = {}
  const names = Object.keys(node['properties'])
  if (names.length === 0) return
  for (const name of names) {
    // Plain assignment would run the setter of `__proto__`.
    const value = convert(node['properties'][name], walk, depth + 1)
    Object.defineProperty(properties, name, { value, enumerable: true, writable: true, configurable: true })
  }
  schema.properties = properties
  // A required name without a property is refused.
  if (Array.isArray(node['required'])) {
    const required = node['required'].filter(name => typeof name === 'string' && Object.hasOwn(properties, name))
    if (required.length > 0) schema.required = required
  }
  if (walk.ordered) schema.propertyOrdering = names
}
