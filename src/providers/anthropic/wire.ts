/** Anthropic's Messages API as an upstream: relayed for callers who speak it, translated for all others. */

import { spliceTopLevel } from '../../translate/json-splice.ts'
import { dropAt } from '../../translate/openai/drop-path.ts'
import type { ChatRequest } from '../../translate/openai/types.ts'
import { decodeResponse } from '../../translate/openai-anthropic/decode-response.ts'
import { AnthropicStreamDecoder } from '../../translate/openai-anthropic/decode-stream.ts'
import { encodeRequest } from '../../translate/openai-anthropic/encode-request.ts'
import { isObject } from '../../translate/openai-anthropic/types.ts'
import { isGatewayField } from '../openai/request-fields.ts'
import type {
  ChatExchange,
  ForwardedRequest,
  NativeRequest,
  Operation,
  Target,
  UpstreamRequest,
  Wire,
} from '../wire.ts'
import { failureOfAnswer, failureOfError } from './failure.ts'
import { type Plan, planOf, splitBetas, takesSampling } from './plan.ts'
import { maySignal, readBody, readEvent } from './signals.ts'
import { withoutForeignThinking } from './strip-thinking.ts'

/** `token-counting` went GA; the vendor accepts the call without a beta header. */
const operations: ReadonlySet<Operation> = new Set(['chat', 'messages', 'count_tokens'])

export const anthropicWire: Wire = {
  id: 'anthropic',
  dialect: 'anthropic',
  operations,
  forward,
  chat,
  readBody,
  readEvent,
  maySignal,
  failure: failureOfAnswer,
}

function forward(operation: Operation, request: NativeRequest, target: Target): ForwardedRequest | undefined {
  if (operation !== 'messages' && operation !== 'count_tokens') return undefined
  const plan = planOf(target)
  const { json } = request
  const droppedParams: string[] = []
  const set: Record<string, string> = {}
  const remove: string[] = []
  if (json['model'] !== target.model) set['model'] = plan.modelJson
  const headers = forwardedHeaders(plan, request.headers)
  // Counting knows no output settings.
  if (operation === 'messages') addDefaults(json, plan, takesSampling(headers['anthropic-version'] ?? ''), set)
  const messages = withoutForeignThinking(request.text, json['messages'])
  if (messages !== undefined) set['messages'] = JSON.stringify(messages)
  for (const path of plan.dropPaths) {
    const value = json[path.field]
    if (value === undefined) continue
    if (path.steps.length === 0) remove.push(path.field)
    else {
      const kept = dropAt(value, path.steps)
      if (kept === value) continue
      set[path.field] = JSON.stringify(kept)
    }
    droppedParams.push(path.text)
  }
  for (const key in json) if (isGatewayField(key)) remove.push(key)
  if (json['metadata'] !== undefined && !remove.includes('metadata')) keepOwnMetadata(operation, json, set, remove)
  const changed = remove.length > 0 || Object.keys(set).length > 0
  const path = operation === 'messages' ? plan.messagesPath : plan.countTokensPath
  return {
    request: {
      method: 'POST',
      path,
      headers,
      body: changed ? spliceTopLevel(request.text, set, remove) : request.text,
    },
    droppedParams,
    stripUsage: false,
  }
}

/** Anthropic knows `metadata.user_id`, and only where it answers; the other members are LiteLLM's, for the gateway. */
function keepOwnMetadata(
  operation: Operation,
  json: Record<string, unknown>,
  set: Record<string, string>,
  remove: string[],
): void {
  const metadata: unknown = set['metadata'] === undefined ? json['metadata'] : JSON.parse(set['metadata'])
  const user = isObject(metadata) ? metadata['user_id'] : undefined
  if (operation === 'messages' && (user !== undefined || !isObject(metadata))) {
    if (isObject(metadata) && Object.keys(metadata).length > 1) set['metadata'] = JSON.stringify({ user_id: user })
    return
  }
  delete set['metadata']
  remove.push('metadata')
}

function addDefaults(
  json: Record<string, unknown>,
  plan: Plan,
  versionSamples: boolean,
  set: Record<string, string>,
): void {
  if (plan.nativeDefaults.length === 0) return
  const thinking = json['thinking']
  const samples = versionSamples && !(isObject(thinking) && thinking['type'] !== 'disabled')
  for (const { field, json: value, sampling } of plan.nativeDefaults) {
    if (json[field] === undefined && (samples || !sampling)) set[field] = value
  }
}

function forwardedHeaders(plan: Plan, given: Readonly<Record<string, string>>): Record<string, string> {
  const headers = { ...plan.headers }
  const version = given['anthropic-version']
  if (version !== undefined && version !== '') headers['anthropic-version'] = version
  addBetas(headers, plan, splitBetas(given['anthropic-beta']))
  return headers
}

/** Betas of the deployment and the call in one header, each once. */
function addBetas(headers: Record<string, string>, plan: Plan, betas: readonly string[]): void {
  if (betas.length === 0 && plan.betas.length === 0) return
  headers['anthropic-beta'] = [...new Set([...plan.betas, ...betas])].join(',')
}

function chat(given: ChatRequest, target: Target): ChatExchange {
  const plan = planOf(target)
  const { body, betas, droppedParams, reply } = encodeRequest(withDefaults(given, plan), rulesFor(given, plan))
  const fakeStream = body.stream === true && target.capabilities.nativeStreaming === false
  if (fakeStream) delete body.stream
  const headers = { ...plan.headers }
  addBetas(headers, plan, betas)
  const request: UpstreamRequest = { method: 'POST', path: plan.messagesPath, headers, body: JSON.stringify(body) }
  const options = { reply, created: Math.floor(Date.now() / 1000), failure: failureOfError }
  return {
    request,
    fakeStream,
    droppedParams,
    decode: answer => decodeResponse(answer, options),
    stream: () => new AnthropicStreamDecoder(options),
  }
}

/** The deployment's rules, with the call's own `drop_params` in their place. */
function rulesFor(given: ChatRequest, { encode }: Plan): Plan['encode'] {
  const own = given['drop_params']
  return typeof own === 'boolean' && own !== encode.dropParams ? { ...encode, dropParams: own } : encode
}

/** Two spellings of one wish: a caller who uses the one overrides a configured value of the other. */
const rivals: Readonly<Record<string, string>> = {
  max_tokens: 'max_completion_tokens',
  max_completion_tokens: 'max_tokens',
  thinking: 'reasoning_effort',
  reasoning_effort: 'thinking',
  functions: 'tools',
  tools: 'functions',
}

/** The caller's fields over the deployment's, without those addressed to the gateway. */
function withDefaults(given: ChatRequest, plan: Plan): ChatRequest {
  const request: ChatRequest = { model: given.model, messages: given.messages }
  for (const [field, value] of plan.defaults) {
    const rival = rivals[field]
    if (rival === undefined || given[rival] == null) request[field] = value
  }
  for (const key in given) {
    const value = given[key]
    if (value !== undefined && value !== null && !isGatewayField(key)) request[key] = value
  }
  const own = given['extra_body']
  const configured = plan.defaults.find(([field]) => field === 'extra_body')?.[1]
  if (isObject(own) && isObject(configured)) request['extra_body'] = { ...configured, ...own }
  return request
}
