import type { IncomingHttpHeaders } from 'node:http'
import { isJson, type Json, WireRejection } from '../types.ts'

/** OpenAI's error object. */
export function openaiError(message: string, type: string, param: string | null, code: string | null): Json {
  return { error: { message, type, param, code } }
}

export function reject(message: string, param: string | null = null, code: string | null = null, status = 400): never {
  throw new WireRejection(status, openaiError(message, 'invalid_request_error', param, code), message)
}

export function requireBearer(headers: IncomingHttpHeaders, apiKey: string | undefined): void {
  const value = headers.authorization
  if (value === undefined || !value.startsWith('Bearer ')) {
    reject(
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
      null,
      null,
      401,
    )
  }
  const key = value.slice(7)
  if (key === '' || (apiKey !== undefined && key !== apiKey)) {
    reject(`Incorrect API key provided: ${key.slice(0, 3)}***.`, null, 'invalid_api_key', 401)
  }
}

/** Rules of one parameter: JSON type, and bounds for numbers. */
interface ParameterRule {
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'any'
  readonly min?: number
  readonly max?: number
}

const chatParameters: Record<string, ParameterRule> = {
  messages: { type: 'array' },
  model: { type: 'string' },
  audio: { type: 'object' },
  frequency_penalty: { type: 'number', min: -2, max: 2 },
  function_call: { type: 'any' },
  functions: { type: 'array' },
  logit_bias: { type: 'object' },
  logprobs: { type: 'boolean' },
  max_completion_tokens: { type: 'integer', min: 1 },
  max_tokens: { type: 'integer', min: 1 },
  metadata: { type: 'object' },
  modalities: { type: 'array' },
  moderation: { type: 'any' },
  n: { type: 'integer', min: 1, max: 128 },
  parallel_tool_calls: { type: 'boolean' },
  prediction: { type: 'object' },
  presence_penalty: { type: 'number', min: -2, max: 2 },
  prompt_cache_key: { type: 'string' },
  prompt_cache_options: { type: 'object' },
  prompt_cache_retention: { type: 'string' },
  reasoning_effort: { type: 'string' },
  response_format: { type: 'object' },
  safety_identifier: { type: 'string' },
  seed: { type: 'integer' },
  service_tier: { type: 'string' },
  stop: { type: 'any' },
  store: { type: 'boolean' },
  stream: { type: 'boolean' },
  stream_options: { type: 'object' },
  temperature: { type: 'number', min: 0, max: 2 },
  tool_choice: { type: 'any' },
  tools: { type: 'array' },
  top_logprobs: { type: 'integer', min: 0, max: 20 },
  top_p: { type: 'number', min: 0, max: 1 },
  user: { type: 'string' },
  verbosity: { type: 'string' },
  web_search_options: { type: 'object' },
}

const completionParameters: Record<string, ParameterRule> = {
  model: { type: 'string' },
  prompt: { type: 'any' },
  best_of: { type: 'integer', min: 1, max: 20 },
  echo: { type: 'boolean' },
  frequency_penalty: { type: 'number', min: -2, max: 2 },
  logit_bias: { type: 'object' },
  logprobs: { type: 'integer', min: 0, max: 5 },
  max_tokens: { type: 'integer', min: 0 },
  n: { type: 'integer', min: 1, max: 128 },
  presence_penalty: { type: 'number', min: -2, max: 2 },
  seed: { type: 'integer' },
  stop: { type: 'any' },
  stream: { type: 'boolean' },
  stream_options: { type: 'object' },
  suffix: { type: 'string' },
  temperature: { type: 'number', min: 0, max: 2 },
  top_p: { type: 'number', min: 0, max: 1 },
  user: { type: 'string' },
}

const embeddingParameters: Record<string, ParameterRule> = {
  input: { type: 'any' },
  model: { type: 'string' },
  dimensions: { type: 'integer', min: 1 },
  encoding_format: { type: 'string' },
  user: { type: 'string' },
}

const tables = { chat: chatParameters, completions: completionParameters, embeddings: embeddingParameters }

/** Names, types and bounds of the top-level parameters. Null counts as absent, as it does at OpenAI. */
export function checkParameters(body: Json, operation: keyof typeof tables): void {
  const table = tables[operation]
  const unknown = Object.keys(body).filter(name => !Object.hasOwn(table, name))
  if (unknown.length > 0) {
    reject(`Unrecognized request argument${unknown.length > 1 ? 's' : ''} supplied: ${unknown.join(', ')}`)
  }
  for (const [name, value] of Object.entries(body)) {
    const rule = table[name]
    if (value === null || rule === undefined) continue
    checkType(name, value, rule)
  }
}

function checkType(name: string, value: unknown, rule: ParameterRule): void {
  const actual = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
  const fits = rule.type === 'any' || actual === rule.type || (rule.type === 'number' && actual === 'integer')
  if (!fits) {
    const article = /^[aeiou]/.test(rule.type) ? 'an' : 'a'
    reject(
      `Invalid type for '${name}': expected ${article} ${rule.type}, but got ${actual} instead.`,
      name,
      'invalid_type',
    )
  }
  if (typeof value !== 'number') return
  const kind = rule.type === 'integer' ? 'integer' : 'decimal'
  if (rule.max !== undefined && value > rule.max) {
    reject(
      `Invalid '${name}': ${kind} above maximum value. Expected a value <= ${rule.max}, but got ${value} instead.`,
      name,
      `${kind}_above_max_value`,
    )
  }
  if (rule.min !== undefined && value < rule.min) {
    reject(
      `Invalid '${name}': ${kind} below minimum value. Expected a value >= ${rule.min}, but got ${value} instead.`,
      name,
      `${kind}_below_min_value`,
    )
  }
}

export interface ModelFamily {
  /** gpt-5 and the o-series: `max_completion_tokens`, default sampling, hidden reasoning. */
  readonly reasoning: boolean
  /** A vendor that merely speaks this wire: returns `reasoning_content`, takes it back. */
  readonly like: boolean
}

export function familyOf(model: string): ModelFamily {
  const name = model.toLowerCase()
  const chatOnly = /gpt-5(\.\d+)?-chat/.test(name)
  const reasoning = /^(ft:)?(o[1-9](-|$)|gpt-5)/.test(name) && !chatOnly
  return { reasoning, like: !/^(ft:)?(gpt-|o[1-9](-|$)|chatgpt|text-|davinci|babbage)/.test(name) }
}

/** Parameters that the model family refuses although the API knows them. */
export function checkFamily(body: Json, family: ModelFamily): void {
  const effort = body['reasoning_effort']
  if (family.like) return
  if (typeof body['user'] === 'string') checkLength(body['user'], 64, 'user')
  if (!family.reasoning) {
    if (typeof effort === 'string') reject('Unrecognized request argument supplied: reasoning_effort')
    return
  }
  if (typeof body['max_tokens'] === 'number') {
    reject(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      'max_tokens',
      'unsupported_parameter',
    )
  }
  if (effort === 'none') return
  for (const name of ['temperature', 'top_p'] as const) {
    const value = body[name]
    if (typeof value === 'number' && value !== 1) {
      reject(
        `Unsupported value: '${name}' does not support ${value} with this model. Only the default (1) value is supported.`,
        name,
        'unsupported_value',
      )
    }
  }
  for (const name of ['presence_penalty', 'frequency_penalty', 'logprobs', 'top_logprobs', 'stop', 'logit_bias']) {
    const value = body[name]
    if (value === undefined || value === null || value === 0 || value === false) continue
    reject(`Unsupported parameter: '${name}' is not supported with this model.`, name, 'unsupported_parameter')
  }
}

export function checkLength(text: string, most: number, path: string): void {
  if (text.length <= most) return
  reject(
    `Invalid '${path}': string too long. Expected a string with maximum length ${most}, but got a string with length ${text.length} instead.`,
    path,
    'string_above_max_length',
  )
}

/** Rules between parameters. */
export function checkCombinations(body: Json): void {
  if (body['stream_options'] != null && body['stream'] !== true) {
    reject("The 'stream_options' parameter is only allowed when 'stream' is enabled.", 'stream_options')
  }
  if (body['max_tokens'] != null && body['max_completion_tokens'] != null) {
    reject(
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      'max_tokens',
      'invalid_parameter_combination',
    )
  }
  if (body['top_logprobs'] != null && body['logprobs'] !== true) {
    reject("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", 'top_logprobs')
  }
  if (body['metadata'] != null && body['store'] !== true) {
    reject("The 'metadata' parameter is only allowed when 'store' is enabled.", 'metadata')
  }
  const stop = body['stop']
  const stops = Array.isArray(stop) ? stop : stop == null ? [] : [stop]
  if (stops.length > 4) {
    reject(
      `Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length ${stops.length} instead.`,
      'stop',
      'array_above_max_length',
    )
  }
  if (stops.some(entry => typeof entry !== 'string')) {
    reject("Invalid type for 'stop': expected a string or an array of strings.", 'stop', 'invalid_type')
  }
  const options = body['stream_options']
  if (isJson(options)) allow(options, ['include_usage', 'include_obfuscation'], 'stream_options')
}

/** Refuses members that the API does not know at this place. */
export function allow(object: Json, names: readonly string[], path: string): void {
  for (const name of Object.keys(object)) {
    if (names.includes(name)) continue
    reject(`Unknown parameter: '${path}.${name}'.`, `${path}.${name}`, 'unknown_parameter')
  }
}
