import { z } from 'zod'
import { gatewayConfig } from './schema.ts'
import { type KeyInfo, type SectionInfo, sections } from './section.ts'

type JsonSchema = z.core.JSONSchema.BaseSchema

/** Written wherever a number or a switch is expected: the value may come from the environment. */
const environmentValue = { type: 'string', pattern: '^os\\.environ/.+' }

/** Marks a section until the tree is final: before that, shared parts are still references to one another. */
const marker = 'x-section'

/** The JSON Schema that editors use for completion and hints, made from the one schema. */
export function configJsonSchema(): JsonSchema {
  const infos: SectionInfo[] = []
  const schema = z.toJSONSchema(gatewayConfig, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const info = sections.get(zodSchema)
      if (info) jsonSchema[marker] = infos.push(info) - 1
    },
  })
  finish(schema, infos)
  return { ...schema, title: 'RouteIQ Gateway config.yaml (LiteLLM-compatible)' }
}

function finish(schema: JsonSchema, infos: readonly SectionInfo[]) {
  const { properties, items, additionalProperties, anyOf } = schema
  const parts = [...Object.values(properties ?? {}), items, additionalProperties, ...(anyOf ?? [])]
  for (const part of parts.flat()) if (typeof part === 'object' && part !== null) finish(part as JsonSchema, infos)
  const info = infos[schema[marker] as number]
  delete schema[marker]
  if (info) describeKeys(schema, info)
  else if (isScalar(schema)) allowEnvironment(schema)
}

function isScalar({ type }: JsonSchema): boolean {
  return type === 'number' || type === 'integer' || type === 'boolean'
}

function allowEnvironment(schema: JsonSchema) {
  const { default: defaultValue, ...scalar } = schema
  for (const name of Object.keys(schema)) delete schema[name]
  Object.assign(schema, { anyOf: [scalar, environmentValue] })
  if (defaultValue !== undefined) schema.default = defaultValue
}

/** Adds what the Zod object does not hold: descriptions, and the keys that are known but not active. */
function describeKeys(schema: JsonSchema, info: SectionInfo) {
  const properties: Record<string, JsonSchema> = {}
  for (const [name, keyInfo] of Object.entries(info.keys)) {
    const own = schema.properties?.[name]
    properties[name] = { ...(typeof own === 'object' ? own : {}), ...annotation(keyInfo) }
  }
  schema.properties = properties
}

function annotation(info: KeyInfo): JsonSchema {
  const unit = info.unit === undefined ? '' : ` (${info.unit})`
  if (info.status === 'active') {
    const text = { description: `${info.description}${unit}` }
    return info.default === undefined ? text : { ...text, default: info.default as never }
  }
  const note = info.status === 'later' ? 'Known, not active yet' : 'No effect here'
  return { description: `${note}: ${info.description}`, deprecated: true }
}
