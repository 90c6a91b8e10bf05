import { createHash } from 'node:crypto'
import type { Fault } from '../fault.ts'
import { type Conversation, cut, makePlan, type Plan, wordsIn } from '../plan.ts'
import { type Frame, isJson, type Json, type Memory, type Reply, type Wire, type WireCall } from '../types.ts'
import { type CheckedMessage, checkCacheControl, checkMessages } from './messages.ts'
import {
  anthropicError,
  checkFields,
  checkOutputSchema,
  checkThinking,
  reject,
  requireHeaders,
  signatureOf,
} from './rules.ts'
import { checkTools } from './tools.ts'

export const anthropicWire: Wire = {
  name: 'anthropic',
  ping: 'event: ping\ndata: {"type": "ping"}\n\n',
  malformedFrame: 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n',
  headers: anthropicHeaders,
  answer(call: WireCall): Reply {
    requireHeaders(call.headers, call.apiKey)
    const headers = anthropicHeaders(call.memory)
    if (call.path.endsWith('/models')) return { kind: 'json', status: 200, headers, body: modelList }
    const counting = call.path.endsWith('/count_tokens')
    checkFields(call.body, call.headers, counting)
    if (call.model.startsWith('missing')) reject(`model: ${call.model}`, 404, 'not_found_error')
    const thinking = checkThinking(call.body, counting)
    const messages = checkMessages(call.body['messages'], {
      model: call.model,
      thinking,
      newVersion: call.headers['anthropic-version'] === '2026-10-21',
    })
    checkCacheControl(call.body)
    checkSystem(call.body['system'])
    const tools = checkTools(call.body, messages)
    const promptTokens = wordsIn(call.body['system']) + wordsIn(call.body['messages'])
    if (counting) return { kind: 'json', status: 200, headers, body: { input_tokens: promptTokens } }
    const conversation: Conversation = {
      lastUserText: lastUserText(messages),
      toolResults: toolResults(messages.at(-1)),
      tools: tools.offered,
      toolChoice: tools.choice,
      parallel: tools.parallel,
      json: outputSchema(call.body),
      think: thinking,
      maxTokens: Number(call.body['max_tokens']),
      stops: Array.isArray(call.body['stop_sequences']) ? call.body['stop_sequences'].map(String) : [],
    }
    const filtered = call.fault.filter === 'prompt' ? { ...call.fault, filter: 'completion' } : call.fault
    const plan = makePlan(conversation, filtered)
    const usage = inputUsage(call, promptTokens)
    const message = messageOf(call, plan, usage)
    if (call.body['stream'] !== true) return { kind: 'json', status: 200, headers, body: message }
    return {
      kind: 'stream',
      headers,
      contentType: 'text/event-stream; charset=utf-8',
      frames: framesOf(call, message, plan, usage),
    }
  },
  failure(status, fault) {
    return { headers: { 'request-id': 'req_upstream' }, body: failureBody(status, fault) }
  },
  errorFrame(fault) {
    const status = fault.error_kind === 'rate_limit' ? 429 : fault.error_kind === 'invalid' ? 400 : 529
    return `event: error\ndata: ${JSON.stringify(failureBody(status, {}))}\n\n`
  },
}

function failureBody(status: number, fault: Fault): Json {
  if (fault.context === true) {
    return anthropicError('invalid_request_error', 'prompt is too long: 208310 tokens > 200000 maximum')
  }
  switch (status) {
    case 401:
      return anthropicError('authentication_error', 'invalid x-api-key')
    case 403:
      return anthropicError('permission_error', 'Your API key does not have permission to use the specified resource.')
    case 404:
      return anthropicError('not_found_error', 'model: not found')
    case 413:
      return anthropicError('request_too_large', 'Request exceeds the maximum size')
    case 429:
      return anthropicError('rate_limit_error', 'This request would exceed the rate limit for your organization.')
    case 529:
      return anthropicError('overloaded_error', 'Overloaded')
    default:
      return status < 500
        ? anthropicError('invalid_request_error', 'Invalid request')
        : anthropicError('api_error', 'Internal server error')
  }
}

const modelList = {
  data: [
    { type: 'model', id: 'claude-sonnet-4-5', display_name: 'Claude Sonnet 4.5', created_at: '2025-09-29T00:00:00Z' },
  ],
  has_more: false,
  first_id: 'claude-sonnet-4-5',
  last_id: 'claude-sonnet-4-5',
}

function anthropicHeaders(memory: Memory): Record<string, string> {
  return {
    'request-id': memory.nextId('req_'),
    'anthropic-organization-id': '00000000-0000-4000-8000-000000000001',
    'anthropic-ratelimit-requests-limit': '4000',
    'anthropic-ratelimit-requests-remaining': '3999',
  }
}

function checkSystem(system: unknown): void {
  if (system === undefined || typeof system === 'string') return
  if (!Array.isArray(system)) reject('system: Input should be a valid list')
  system.forEach((block: unknown, index) => {
    if (!isJson(block) || block['type'] !== 'text') reject(`system.${index}.type: Input should be 'text'`)
    for (const name of Object.keys(block)) {
      if (!['type', 'text', 'cache_control', 'citations'].includes(name)) {
        reject(`system.${index}.${name}: Extra inputs are not permitted`)
      }
    }
    if (typeof block['text'] !== 'string' || block['text'] === '') {
      reject('system: text content blocks must be non-empty')
    }
  })
}

function outputSchema(body: Json): Json | undefined {
  const output = body['output_config']
  if (isJson(output) && isJson(output['format']) && isJson(output['format']['schema']))
    return output['format']['schema']
  const beta = body['output_format']
  if (!isJson(beta) || !isJson(beta['schema'])) return undefined
  checkOutputSchema(beta['schema'], 'output_format.schema')
  return beta['schema']
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  const texts = content.filter(isJson).filter(block => block['type'] === 'text')
  return texts.map(block => String(block['text'])).join(' ')
}

function lastUserText(messages: CheckedMessage[]): string {
  for (const message of messages.toReversed()) {
    if (message.role !== 'user') continue
    const text = textOf(message.blocks)
    if (text !== '') return text
  }
  return ''
}

/** Empty when the last turn also holds a text: then that text is answered. */
function toolResults(last: CheckedMessage | undefined): string[] {
  if (last?.role !== 'user' || textOf(last.blocks) !== '') return []
  return last.blocks.filter(block => block['type'] === 'tool_result').map(block => textOf(block['content']))
}

/** Input counts. A prefix up to the last cache breakpoint is written at its first use and read from then on. */
function inputUsage(call: WireCall, promptTokens: number): Json {
  const { prefix, words, ttl } = cachedPrefix(call.body)
  const key = createHash('sha256').update(prefix).digest('hex')
  const read = words > 0 && call.memory.cachedPrefixes.has(key)
  if (words > 0) call.memory.cachedPrefixes.add(key)
  const written = read ? 0 : words
  return {
    input_tokens: promptTokens - words,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read ? words : 0,
    cache_creation: {
      ephemeral_5m_input_tokens: ttl === '1h' ? 0 : written,
      ephemeral_1h_input_tokens: ttl === '1h' ? written : 0,
    },
  }
}

function cachedPrefix(body: Json): { prefix: string; words: number; ttl: string } {
  const system = typeof body['system'] === 'string' ? [{ type: 'text', text: body['system'] }] : (body['system'] ?? [])
  const blocks: Json[] = Array.isArray(system) ? system.filter(isJson) : []
  for (const message of Array.isArray(body['messages']) ? body['messages'].filter(isJson) : []) {
    const content = message['content']
    blocks.push(...(Array.isArray(content) ? content.filter(isJson) : [{ type: 'text', text: content }]))
  }
  const last = blocks.findLastIndex(block => isJson(block['cache_control']))
  const taken = blocks.slice(0, last + 1)
  const control = taken.at(-1)?.['cache_control']
  const ttl = isJson(control) ? String(control['ttl'] ?? '5m') : '5m'
  return { prefix: JSON.stringify(taken), words: wordsIn(taken), ttl }
}

function messageOf(call: WireCall, plan: Plan, usage: Json): Json {
  const content: Json[] = []
  if (plan.reasoning !== '') {
    content.push({ type: 'thinking', thinking: plan.reasoning, signature: signatureOf(plan.reasoning) })
  }
  if (plan.text !== '' && plan.finish !== 'filter') content.push({ type: 'text', text: plan.text })
  for (const planned of plan.calls) {
    content.push({ type: 'tool_use', id: call.memory.nextId('toolu_'), name: planned.name, input: planned.args })
  }
  return {
    id: call.memory.nextId('msg_'),
    type: 'message',
    role: 'assistant',
    model: call.model,
    content,
    stop_reason: stopReason(plan),
    stop_sequence: plan.stopSequence ?? null,
    ...(call.fault.no_usage === true
      ? {}
      : { usage: { ...usage, output_tokens: plan.outputTokens + plan.reasoningTokens, service_tier: 'standard' } }),
  }
}

function stopReason(plan: Plan): string {
  const names = {
    stop: 'end_turn',
    stop_sequence: 'stop_sequence',
    length: 'max_tokens',
    tool: 'tool_use',
    filter: 'refusal',
  }
  return names[plan.finish]
}

function framesOf(call: WireCall, message: Json, plan: Plan, usage: Json): Frame[] {
  const frames: Frame[] = []
  const push = (part: Frame['part'], data: Json): void => {
    frames.push({ part, text: `event: ${String(data['type'])}\ndata: ${JSON.stringify(data)}\n\n` })
  }
  const counted = call.fault.no_usage !== true
  const start = {
    ...message,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    ...(counted ? { usage: { ...usage, output_tokens: 1, service_tier: 'standard' } } : {}),
  }
  push('preamble', { type: 'message_start', message: start })
  const blocks = Array.isArray(message['content']) ? message['content'].filter(isJson) : []
  blocks.forEach((block, index) => {
    const delta = (value: Json): void => push('content', { type: 'content_block_delta', index, delta: value })
    const open = (value: Json): void => {
      push(index === 0 ? 'preamble' : 'content', { type: 'content_block_start', index, content_block: value })
      if (index === 0) frames.push({ part: 'preamble', text: anthropicWire.ping })
    }
    if (block['type'] === 'thinking') {
      open({ type: 'thinking', thinking: '', signature: '' })
      for (const thinking of cut(plan.reasoning, 16)) delta({ type: 'thinking_delta', thinking })
      delta({ type: 'signature_delta', signature: block['signature'] })
    } else if (block['type'] === 'text') {
      open({ type: 'text', text: '' })
      for (const text of plan.pieces) delta({ type: 'text_delta', text })
    } else {
      open({ ...block, input: {} })
      delta({ type: 'input_json_delta', partial_json: '' })
      const args = JSON.stringify(block['input'])
      // A call without arguments streams no JSON at all, as the vendor does.
      if (args !== '{}') for (const partial of cut(args, 8)) delta({ type: 'input_json_delta', partial_json: partial })
    }
    push(index === blocks.length - 1 ? 'closing' : 'content', { type: 'content_block_stop', index })
  })
  push('closing', {
    type: 'message_delta',
    delta: { stop_reason: message['stop_reason'], stop_sequence: message['stop_sequence'] },
    ...(counted ? { usage: { ...usage, output_tokens: plan.outputTokens + plan.reasoningTokens } } : {}),
  })
  push('terminal', { type: 'message_stop' })
  return frames
}
