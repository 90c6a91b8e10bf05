/** Anthropic Messages request → hub chat request, for models that do not speak Anthropic. */
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { CacheControl, ChatMessage, ChatRequest, ResponseFormat, ThinkingParam, Tool } from '../openai/types.ts'
import { messagesToHub, systemToHub } from './messages-to-hub.ts'
import { isObject, stringOr } from './types.ts'
import { invalid, required, validateCountTokens } from './validate-request.ts'

type Json = Readonly<Record<string, unknown>>

export interface ToHubOptions {
  /** Leave out what other vendors cannot do instead of refusing the call. */
  readonly dropParams?: boolean
  /** Filled with what was left out. */
  readonly dropped?: string[]
}

/** Fields that go over under the same name. `thinking` stays: each wire maps it to what its models take. */
const same = ['model', 'max_tokens', 'temperature', 'top_p', 'top_k'] as const

/** Fields translated below. */
const handled: ReadonlySet<string> = new Set([
  ...['messages', 'system', 'stream', 'stop_sequences', 'metadata', 'tools', 'tool_choice', 'thinking'],
  ...['output_config', 'output_format', 'service_tier'],
])

/** Settings of Anthropic's own service that change speed, place or bookkeeping, but not what the answer may say. */
const hints: ReadonlySet<string> = new Set([
  ...['cache_control', 'context_management', 'diagnostics', 'inference_geo', 'speed', 'betas', 'billing_policy'],
  ...['compaction', 'fallback_credit_token', 'user_profile_id', 'workspace_id'],
])

/** Fields without which the answer would be another one. */
const unsupported = ['mcp_servers', 'container'] as const

/** @throws GatewayError that names the field at fault. */
export function chatRequestOfMessages(body: Json, options: ToHubOptions = {}): ChatRequest {
  validateCountTokens(body)
  const messages: ChatMessage[] = []
  systemToHub(body['system'], messages)
  messagesToHub(body['messages'] as unknown[], messages)
  const request: ChatRequest = { model: '', messages }
  for (const field of same) if (body[field] != null) request[field] = body[field] as never
  if (body['stream'] === true) {
    request.stream = true
    // The closing event of a message carries its usage, so it has to be asked for.
    request.stream_options = { include_usage: true }
  }
  const stop = body['stop_sequences']
  if (Array.isArray(stop) && stop.length > 0) request.stop = stop as string[]
  else if (stop != null && !Array.isArray(stop)) throw invalid('stop_sequences', 'Input should be a valid list')
  const metadata = body['metadata']
  if (isObject(metadata) && typeof metadata['user_id'] === 'string') request.user = metadata['user_id']
  convertTools(body['tools'], request, options)
  convertChoice(body['tool_choice'], request)
  convertOutput(body, request)
  const tier = body['service_tier']
  if (typeof tier === 'string') request.service_tier = tier === 'standard_only' ? 'default' : tier
  if (body['thread'] != null) throw noThread()
  for (const field of unsupported) {
    if (body[field] != null && !isEmptyList(body[field])) refuse(field, field, options)
  }
  for (const field in body) {
    if (hints.has(field)) options.dropped?.push(field)
    else if (
      !handled.has(field) &&
      field !== 'thread' &&
      !(field in request) &&
      !unsupported.includes(field as never)
    ) {
      request[field] = body[field]
    }
  }
  return request
}

/**
 * A thread is a conversation that Anthropic's service holds. A turn that continues one lacks its history, so the field
 * is never dropped; Anthropic's SDK reads the error's details and sends the whole conversation instead.
 */
function noThread(): GatewayError {
  return new GatewayError(
    'unsupported_params',
    'thread: message threads work only with Anthropic models. Send the full conversation without it.',
    { param: 'thread', details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] } },
  )
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

function refuse(field: string, what: string, options: ToHubOptions): void {
  if (options.dropParams !== true) {
    throw new GatewayError(
      'unsupported_params',
      `${field}: ${what} works only with Anthropic models. Remove it, or set drop_params to leave it out.`,
      { param: field },
    )
  }
  options.dropped?.push(field)
}

function convertTools(tools: unknown, request: ChatRequest, options: ToHubOptions): void {
  if (!Array.isArray(tools) || tools.length === 0) return
  const converted: Tool[] = []
  for (let i = 0; i < tools.length; i++) {
    const tool = tools[i] as Record<string, unknown>
    const { type, name } = tool
    if (type == null || type === 'custom') {
      converted.push(functionTool(tool, `tools.${i}`))
    } else if (typeof type === 'string' && type.startsWith('web_search_')) {
      request.web_search_options = webSearchOptions(tool)
    } else {
      refuse(`tools.${i}`, `the hosted tool "${stringOr(name, stringOr(type)).slice(0, 64)}"`, options)
    }
  }
  if (converted.length > 0) request.tools = converted
}

function functionTool(tool: Record<string, unknown>, param: string): Tool {
  const { name, description, input_schema: schema, strict, cache_control: mark } = tool
  if (name === undefined) throw required(`${param}.name`)
  if (typeof name !== 'string') throw invalid(`${param}.name`, 'Input should be a valid string')
  if (schema === undefined) throw required(`${param}.input_schema`)
  if (!isObject(schema)) throw invalid(`${param}.input_schema`, 'Input should be an object')
  const converted: Tool = { type: 'function', function: { name, parameters: schema } }
  if (converted.function !== undefined) {
    if (typeof description === 'string') converted.function.description = description
    if (strict === true) converted.function.strict = true
  }
  if (isObject(mark)) converted.cache_control = mark as unknown as CacheControl
  return converted
}

function webSearchOptions(tool: Record<string, unknown>): NonNullable<ChatRequest['web_search_options']> {
  const uses = tool['max_uses']
  const size = typeof uses !== 'number' ? undefined : uses >= 10 ? 'high' : uses >= 5 ? 'medium' : 'low'
  const options: NonNullable<ChatRequest['web_search_options']> = {}
  if (size !== undefined) options.search_context_size = size
  const place = tool['user_location']
  if (isObject(place)) {
    const { type: _type, ...approximate } = place
    options.user_location = { type: 'approximate', approximate }
  }
  return options
}

function convertChoice(choice: unknown, request: ChatRequest): void {
  if (choice === null || choice === undefined) return
  if (!isObject(choice)) throw invalid('tool_choice', 'Input should be an object')
  switch (choice['type']) {
    case 'auto':
    case 'none':
      request.tool_choice = choice['type']
      break
    case 'any':
      request.tool_choice = 'required'
      break
    case 'tool': {
      const name = choice['name']
      if (typeof name !== 'string') throw required('tool_choice.name')
      request.tool_choice = { type: 'function', function: { name } }
      break
    }
    default:
      throw invalid('tool_choice.type', "Input should be 'auto', 'any', 'tool' or 'none'")
  }
  if (choice['disable_parallel_tool_use'] === true) request.parallel_tool_calls = false
  // OpenAI refuses a choice without tools; a dropped hosted tool must not leave one behind.
  if (request.tools === undefined) {
    delete request.tool_choice
    delete request.parallel_tool_calls
  }
}

function convertOutput(body: Json, request: ChatRequest): void {
  const { thinking, output_config: config, output_format: legacyFormat } = body
  if (thinking != null) {
    if (!isObject(thinking) || typeof thinking['type'] !== 'string') throw required('thinking.type')
    request.thinking = thinking as ThinkingParam
  }
  const format = isObject(config) && config['format'] != null ? config['format'] : legacyFormat
  if (isObject(config) && typeof config['effort'] === 'string') request.reasoning_effort = config['effort']
  if (format === null || format === undefined) return
  const schema = isObject(format) ? format['schema'] : undefined
  if (!isObject(schema)) throw required('output_config.format.schema')
  const strict = isStrict(schema, 0)
  request.response_format = {
    type: 'json_schema',
    json_schema: { name: 'output', schema, ...(strict ? { strict: true } : {}) },
  } satisfies ResponseFormat
}

/** OpenAI's strict mode wants every property of every object required; a schema with optional ones is refused by it. */
function isStrict(schema: Record<string, unknown>, depth: number): boolean {
  if (depth > 50) return false
  const properties = schema['properties']
  if (isObject(properties)) {
    const needed = Array.isArray(schema['required']) ? schema['required'] : []
    if (schema['additionalProperties'] !== false || needed.length !== Object.keys(properties).length) return false
  }
  for (const value of Object.values(schema)) {
    const nested = Array.isArray(value) ? value : isObject(value) ? [value, ...Object.values(value)] : []
    if (!nested.every(entry => !isObject(entry) || isStrict(entry, depth + 1))) return false
  }
  return true
}
