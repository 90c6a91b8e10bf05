import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isJson, type Json, WireRejection } from '../types.ts'

export function anthropicError(type: string, message: string): Json {
  return { type: 'error', error: { type, message }, request_id: 'req_upstream' }
}

export function reject(message: string, status = 400, type = 'invalid_request_error'): never {
  throw new WireRejection(status, anthropicError(type, message), message)
}

export function requireHeaders(headers: IncomingHttpHeaders, apiKey: string | undefined): void {
  const bearer = headers.authorization?.startsWith('Bearer ') === true ? headers.authorization.slice(7) : undefined
  const key = headers['x-api-key'] ?? bearer
  if (key === undefined || key === '') reject('x-api-key header is required', 401, 'authentication_error')
  if (apiKey !== undefined && key !== apiKey) reject('invalid x-api-key', 401, 'authentication_error')
  const version = headers['anthropic-version']
  if (version === undefined) reject('anthropic-version: header is required')
  if (!versions.includes(String(version))) {
    reject(`anthropic-version: "${String(version)}" is not a valid version`)
  }
}

const versions = ['2023-01-01', '2023-06-01', '2026-10-21']

const createFields: ReadonlySet<string> = new Set([
  'max_tokens',
  'messages',
  'model',
  'cache_control',
  'container',
  'inference_geo',
  'metadata',
  'output_config',
  'service_tier',
  'stop_sequences',
  'stream',
  'system',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_k',
  'top_p',
])
const betaFields: ReadonlySet<string> = new Set(['context_management', 'mcp_servers', 'output_format', 'speed'])
const countFields: ReadonlySet<string> = new Set([
  'messages',
  'model',
  'cache_control',
  'output_config',
  'system',
  'thinking',
  'tool_choice',
  'tools',
  'context_management',
  'mcp_servers',
])

export function checkFields(body: Json, headers: IncomingHttpHeaders, counting: boolean): void {
  const betas = String(headers['anthropic-beta'] ?? '')
  if (body['thread'] != null && betas.includes('message-threads-')) refuseThread()
  for (const name of Object.keys(body)) {
    const known = counting ? countFields.has(name) : createFields.has(name) || (betas !== '' && betaFields.has(name))
    if (!known) reject(`${name}: Extra inputs are not permitted`)
  }
  if (headers['anthropic-version'] === '2026-10-21') {
    // That version took the sampling parameters away, default values included.
    for (const name of ['temperature', 'top_p', 'top_k']) {
      if (name in body) reject(`${name}: Extra inputs are not permitted`)
    }
  }
  if (typeof body['model'] !== 'string') reject('model: Field required')
  if (body['messages'] === undefined) reject('messages: Field required')
  if (counting) return
  checkSampling(body)
  if (body['stream'] !== undefined && typeof body['stream'] !== 'boolean') {
    reject('stream: Input should be a valid boolean')
  }
  const metadata = body['metadata']
  if (metadata !== undefined) {
    if (!isJson(metadata)) reject('metadata: Input should be an object')
    onlyKeys(metadata, ['user_id'], 'metadata')
  }
  const stops = body['stop_sequences']
  if (stops !== undefined) {
    if (!Array.isArray(stops)) reject('stop_sequences: Input should be a valid list')
    if (stops.some(stop => typeof stop !== 'string' || stop.trim() === '')) {
      reject('stop_sequences: each stop sequence must contain non-whitespace')
    }
  }
}

/** Threads are a beta that some organisations cannot use; clients tell this refusal by its details. */
function refuseThread(): never {
  const message = 'thread: not available for this organization'
  const details = { error_code: 'thread_unsupported_request', unsupported: ['hipaa'] }
  const error = { type: 'invalid_request_error', message, details }
  throw new WireRejection(400, { type: 'error', error, request_id: 'req_upstream' }, message)
}

function checkSampling(body: Json): void {
  const max = body['max_tokens']
  if (max === undefined) reject('max_tokens: Field required')
  if (!Number.isInteger(max)) reject('max_tokens: Input should be a valid integer')
  if ((max as number) < 1) reject('max_tokens: Input should be greater than or equal to 1')
  for (const name of ['temperature', 'top_p'] as const) {
    const value = body[name]
    if (value === undefined) continue
    if (typeof value !== 'number') reject(`${name}: Input should be a valid number`)
    if (value > 1) reject(`${name}: Input should be less than or equal to 1`)
    if (value < 0) reject(`${name}: Input should be greater than or equal to 0`)
  }
  if (body['top_k'] !== undefined && !Number.isInteger(body['top_k'])) reject('top_k: Input should be a valid integer')
  const newer = /claude-(opus|sonnet|haiku)-(4-[1-9]\b|[5-9])/.test(String(body['model']))
  if (newer && body['temperature'] !== undefined && body['top_p'] !== undefined) {
    reject('`temperature` and `top_p` cannot both be specified for this model. Please use only one.')
  }
}

/** Thinking, effort and structured output: shapes and what they exclude. Returns whether thinking is on. */
export function checkThinking(body: Json, counting: boolean): boolean {
  const output = body['output_config']
  if (output !== undefined) {
    if (!isJson(output)) reject('output_config: Input should be an object')
    onlyKeys(output, ['effort', 'format', 'task_budget'], 'output_config')
    const effort = output['effort']
    if (effort !== undefined && !['low', 'medium', 'high', 'xhigh', 'max'].includes(String(effort))) {
      reject("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    }
    if (isJson(output['format'])) checkOutputSchema(output['format']['schema'], 'output_config.format.schema')
  }
  const thinking = body['thinking']
  if (thinking === undefined) return false
  if (!isJson(thinking)) reject('thinking: Input should be an object')
  const type = thinking['type']
  if (type === 'disabled') return false
  if (type === 'adaptive') {
    if (!/claude-(opus|sonnet|haiku)-(4-[6-9]\b|[5-9])/.test(String(body['model']))) {
      reject('adaptive thinking is not supported on this model')
    }
    onlyKeys(thinking, ['type', 'display'], 'thinking.adaptive')
  } else if (type === 'enabled') {
    onlyKeys(thinking, ['type', 'budget_tokens', 'display'], 'thinking.enabled')
    const budget = thinking['budget_tokens']
    if (typeof budget !== 'number') reject('thinking.enabled.budget_tokens: Field required')
    if (budget < 1024) reject('thinking.enabled.budget_tokens: Input should be greater than or equal to 1024')
    if (!counting && Number(body['max_tokens']) <= budget) {
      reject('`max_tokens` must be greater than `thinking.budget_tokens`.')
    }
  } else {
    reject(
      `thinking: Input tag '${String(type)}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'`,
    )
  }
  if (body['temperature'] !== undefined && body['temperature'] !== 1) {
    reject('`temperature` may only be set to 1 when thinking is enabled.')
  }
  if (body['top_k'] !== undefined) reject('`top_k` must be unset when thinking is enabled.')
  if (typeof body['top_p'] === 'number' && body['top_p'] < 0.95) {
    reject('`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.')
  }
  const choice = body['tool_choice']
  if (isJson(choice) && (choice['type'] === 'any' || choice['type'] === 'tool')) {
    reject('Thinking may not be enabled when tool_choice forces tool use.')
  }
  return true
}

const unsupportedKeywords = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
]

/** Structured outputs compile the schema into a grammar: closed objects, no bounds. */
export function checkOutputSchema(schema: unknown, path: string): void {
  if (!isJson(schema)) reject(`${path}: Input should be an object`)
  if (schema['type'] === 'object' && schema['additionalProperties'] !== false) {
    reject(`${path}: For 'object' type, 'additionalProperties' must be explicitly set to false`)
  }
  const found = unsupportedKeywords.filter(name => name in schema)
  if (found.length > 0) {
    reject(`${path}: For '${String(schema['type'])}' type, properties ${found.join(', ')} are not supported`)
  }
  for (const group of ['properties', '$defs', 'definitions']) {
    const members = schema[group]
    if (!isJson(members)) continue
    for (const entry of Object.values(members)) if (isJson(entry)) checkOutputSchema(entry, path)
  }
  if (isJson(schema['items'])) checkOutputSchema(schema['items'], path)
}

export function onlyKeys(object: Json, names: readonly string[], path: string): void {
  for (const name of Object.keys(object)) {
    if (!names.includes(name)) reject(`${path}.${name}: Extra inputs are not permitted`)
  }
}

/** Signatures are reproducible from the thinking text, so a changed or foreign one is found out. */
export function signatureOf(thinking: string): string {
  return `EqQB${createHash('sha256').update(`anthropic:${thinking}`).digest('base64')}`
}
