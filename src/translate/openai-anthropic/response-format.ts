import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import { closeSchema } from './schema.ts'
import type { ToolNames } from './tool-names.ts'
import { type AnthropicTool, type AnthropicToolChoice, isObject, type OutputConfig } from './types.ts'

/** A tool whose arguments are the answer, for models without native structured output. */
export interface JsonTool {
  readonly tool: AnthropicTool
  /** The schema's root is no object, so the answer sits under `values`. */
  readonly wrapped: boolean
  /** Keys that a model may wrap the answer in by mistake: those the schema itself does not define. */
  readonly wrappers: ReadonlySet<string>
}

export type StructuredOutput =
  | { readonly kind: 'native'; readonly format: NonNullable<OutputConfig['format']> }
  | { readonly kind: 'tool'; readonly json: JsonTool }

/** Name that LiteLLM gives the tool; agents' logs and tests know it. */
const toolName = 'json_tool_call'
const wrapper = 'values'

export function structuredOutput(
  request: ChatRequest,
  native: boolean,
  names: ToolNames,
): StructuredOutput | undefined {
  const format: unknown = request.response_format
  if (format === null || format === undefined) return undefined
  if (!isObject(format)) throw bad('response_format must be an object with a type.')
  switch (format['type']) {
    case 'text':
      return undefined
    case 'json_object': {
      const schema = isObject(format['response_schema']) ? format['response_schema'] : undefined
      return schema !== undefined && native ? nativeFormat(schema) : { kind: 'tool', json: jsonTool(schema, '', names) }
    }
    case 'json_schema': {
      const holder = isObject(format['json_schema']) ? format['json_schema'] : format
      const schema = isObject(holder['schema']) ? holder['schema'] : undefined
      if (schema !== undefined && native) return nativeFormat(schema)
      const description = typeof holder['description'] === 'string' ? holder['description'] : ''
      return { kind: 'tool', json: jsonTool(schema, description, names) }
    }
    default:
      throw bad('response_format.type must be text, json_object or json_schema.')
  }
}

const bad = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param: 'response_format' })

function nativeFormat(schema: Record<string, unknown>): StructuredOutput {
  return { kind: 'native', format: { type: 'json_schema', schema: closeSchema(schema, 'response_format') } }
}

function jsonTool(schema: Record<string, unknown> | undefined, description: string, names: ToolNames): JsonTool {
  const wrapped = schema !== undefined && schema['type'] !== undefined && schema['type'] !== 'object'
  const input: Record<string, unknown> =
    schema === undefined
      ? { type: 'object', properties: {}, additionalProperties: true }
      : wrapped
        ? { type: 'object', properties: { [wrapper]: unanchored(schema) }, required: [wrapper], ...defsOf(schema) }
        : { ...schema, type: 'object' }
  const own = schema !== undefined && isObject(schema['properties']) ? schema['properties'] : {}
  const wrappers = new Set([wrapper, 'properties'].filter(key => schema !== undefined && !Object.hasOwn(own, key)))
  const ask = 'Give the final answer by calling this tool: its input is the JSON that the caller receives.'
  const tool = {
    name: names.reserve(toolName),
    description: description === '' ? ask : `${ask}\n\n${description}`,
    input_schema: input,
  }
  return { tool, wrapped, wrappers }
}

/** `$defs` stay at the root when the schema moves below it, or `#/$defs/…` would point nowhere. */
function defsOf(schema: Record<string, unknown>): Record<string, unknown> {
  const defs: Record<string, unknown> = {}
  for (const key of ['$defs', 'definitions']) if (schema[key] !== undefined) defs[key] = schema[key]
  return defs
}

function unanchored(schema: Record<string, unknown>): Record<string, unknown> {
  const { $defs: _, definitions: __, ...rest } = schema
  return rest
}

/**
 * The choice that makes the model answer through the JSON tool. With tools of the caller beside it, any of them will
 * do. Forcing is refused by the vendor while the model thinks, so there the tool is only offered.
 */
export function jsonToolChoice(
  choice: AnthropicToolChoice | undefined,
  json: JsonTool,
  hasOwnTools: boolean,
  thinking: boolean,
): AnthropicToolChoice {
  if (thinking) return { type: 'auto' }
  if (hasOwnTools && choice?.type === 'tool') return choice
  if (hasOwnTools && choice?.type !== 'none') return { ...choice, type: 'any' }
  return { type: 'tool', name: json.tool.name, disable_parallel_tool_use: true }
}

/** Arguments of the JSON tool → the content the caller asked for. */
export function unwrapJson(input: unknown, json: JsonTool): string {
  if (isObject(input)) {
    const keys = Object.keys(input)
    const only = keys.length === 1 ? keys[0] : undefined
    if (only !== undefined && json.wrappers.has(only)) {
      const inner = input[only]
      if (json.wrapped || isObject(inner)) return JSON.stringify(inner)
    }
  }
  return JSON.stringify(input ?? {})
}
