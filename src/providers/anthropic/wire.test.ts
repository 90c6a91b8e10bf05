import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { Secret } from '../../platform/security/secret.ts'
import type { ChatRequest } from '../../translate/openai/types.ts'
import type { EventSignals, NativeRequest, Target, Vendor } from '../wire.ts'
import { budgetsFrom } from './plan.ts'
import { anthropicWire as wire } from './wire.ts'

const vendor: Vendor = {
  id: 'anthropic',
  name: 'Anthropic',
  wire: 'anthropic',
  baseUrl: 'https://api.anthropic.com',
  baseUrlEnv: [],
  apiKeyEnv: [],
  auth: 'x-api-key',
  operations: ['chat', 'messages', 'count_tokens'],
}

const target = (over: Partial<Target> = {}): Target => ({
  vendor,
  model: 'claude-sonnet-4-5',
  origin: 'https://api.anthropic.com',
  basePath: '',
  apiKey: new Secret('sk-test'),
  bearerToken: undefined,
  apiVersion: undefined,
  organization: undefined,
  extraHeaders: {},
  defaults: {},
  capabilities: {},
  baseModel: undefined,
  dropParams: false,
  additionalDropParams: [],
  allowedOpenaiParams: [],
  modifyParams: false,
  ...over,
})

const native = (text: string, headers: Record<string, string> = {}): NativeRequest => ({
  text,
  json: JSON.parse(text) as Record<string, unknown>,
  headers,
})

const hi: ChatRequest = { model: 'group', messages: [{ role: 'user', content: 'Hi' }] }

describe('forward', () => {
  it('changes nothing of the body but the model', () => {
    const text = '{ "model" : "group",\n "max_tokens": 1.0e2, "messages":[{"role":"user","content":"Hi \\u00e9"}]}'
    const sent = wire.forward('messages', native(text), target())
    expect(sent?.request.body).toBe(text.replace('"group"', '"claude-sonnet-4-5"'))
    expect(sent?.request.path).toBe('/v1/messages')
    expect(sent?.request.headers).toEqual({
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
      'x-api-key': 'sk-test',
    })
  })

  it('passes the very same text when the model is already right', () => {
    const text = '{"model":"claude-sonnet-4-5","max_tokens":1,"messages":[]}'
    expect(wire.forward('messages', native(text), target())?.request.body).toBe(text)
  })

  it('takes out fields meant for the gateway and configured ones, and names the latter', () => {
    const text = '{"model":"x","fallbacks":["a"],"metadata":{"user_id":"u","k":1},"top_k":3,"litellm_tags":[1]}'
    const sent = wire.forward(
      'messages',
      native(text),
      target({ additionalDropParams: ['top_k', 'metadata.k', 'absent'] }),
    )
    expect(JSON.parse(sent?.request.body ?? '')).toEqual({ model: 'claude-sonnet-4-5', metadata: { user_id: 'u' } })
    expect(sent?.droppedParams).toEqual(['top_k', 'metadata.k'])
  })

  it.each([
    ['messages', { user_id: 'u', tags: ['a'] }, { metadata: { user_id: 'u' } }],
    ['messages', { user_id: 'u' }, { metadata: { user_id: 'u' } }],
    ['messages', { tags: ['a'] }, {}],
    ['count_tokens', { user_id: 'u' }, {}],
  ] as const)('%s: of metadata %j only the vendor’s own member goes out', (operation, metadata, expected) => {
    const sent = wire.forward(operation, native(JSON.stringify({ model: 'x', metadata })), target())
    expect(JSON.parse(sent?.request.body ?? '')).toEqual({ model: 'claude-sonnet-4-5', ...expected })
  })

  it('adds configured defaults the caller did not set, in the words of this dialect', () => {
    const configured = target({
      defaults: {
        max_tokens: 50,
        temperature: 0.2,
        stop: 'END',
        user: 'u',
        reasoning_effort: 'medium',
        seed: 7,
        top_k: 4,
        extra_body: { speed: 'fast', model: 'sneaky' },
      },
    })
    const body = wire.forward('messages', native('{"model":"x","max_tokens":9}'), configured)?.request.body
    expect(JSON.parse(body ?? '')).toEqual({
      model: 'claude-sonnet-4-5',
      max_tokens: 9,
      temperature: 0.2,
      stop_sequences: ['END'],
      metadata: { user_id: 'u' },
      thinking: { type: 'enabled', budget_tokens: 2048 },
      top_k: 4,
      speed: 'fast',
    })
    const counted = wire.forward('count_tokens', native('{"model":"x","messages":[]}'), configured)
    expect(counted?.request.path).toBe('/v1/messages/count_tokens')
    expect(JSON.parse(counted?.request.body ?? '')).toEqual({ model: 'claude-sonnet-4-5', messages: [] })
  })

  it('leaves configured sampling out when the caller thinks', () => {
    const text = '{"model":"x","thinking":{"type":"adaptive"}}'
    const sent = wire.forward('messages', native(text), target({ defaults: { temperature: 0.2, max_tokens: 5 } }))
    expect(JSON.parse(sent?.request.body ?? '')).toEqual({
      model: 'claude-sonnet-4-5',
      thinking: { type: 'adaptive' },
      max_tokens: 5,
    })
  })

  it('leaves configured sampling out for callers of an API version without it', () => {
    const configured = target({ defaults: { temperature: 0.2, max_tokens: 5 } })
    const request = { ...native('{"model":"x"}'), headers: { 'anthropic-version': '2026-10-21' } }
    expect(JSON.parse(wire.forward('messages', request, configured)?.request.body ?? '')).toEqual({
      model: 'claude-sonnet-4-5',
      max_tokens: 5,
    })
  })

  it('takes out thinking that another vendor produced, and only that', () => {
    const thinking = (signature: string) => ({ type: 'thinking', thinking: 't', signature })
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: [thinking(''), { type: 'text', text: 'b' }, thinking('EqQB')] },
      { role: 'user', content: 'c' },
      { role: 'assistant', content: [thinking('gemini#x')] },
    ]
    const sent = wire.forward('messages', native(JSON.stringify({ model: 'x', messages })), target())
    const body = JSON.parse(sent?.request.body ?? '') as { messages: unknown[] }
    expect(body.messages).toEqual([
      messages[0],
      { role: 'assistant', content: [{ type: 'text', text: 'b' }, thinking('EqQB')] },
      messages[2],
    ])
  })

  it('merges betas once each, and lets the caller pick the version', () => {
    const sent = wire.forward(
      'messages',
      native('{"model":"x"}', { 'anthropic-beta': 'b, a,b', 'anthropic-version': '2024-01-01' }),
      target({ extraHeaders: { 'Anthropic-Beta': 'c,a', 'X-Team': 't' } }),
    )
    expect(sent?.request.headers).toMatchObject({
      'anthropic-beta': 'c,a,b',
      'anthropic-version': '2024-01-01',
      'x-team': 't',
    })
  })

  it.each([
    ['', '/v1/messages'],
    ['/v1', '/v1/messages'],
    ['/proxy', '/proxy/v1/messages'],
    ['/proxy/v1/messages', '/proxy/v1/messages'],
  ])('base path %j', (basePath, path) => {
    expect(wire.forward('messages', native('{"model":"x"}'), target({ basePath }))?.request.path).toBe(path)
  })

  it('sends a bearer token in place of a key', () => {
    const sent = wire.forward('messages', native('{"model":"x"}'), target({ bearerToken: new Secret('tok') }))
    expect(sent?.request.headers['authorization']).toBe('Bearer tok')
    expect(sent?.request.headers['x-api-key']).toBeUndefined()
  })

  it('has no other operations', () => {
    expect(wire.forward('embeddings', native('{"model":"x"}'), target())).toBeUndefined()
  })
})

describe('chat', () => {
  const body = (exchange: { request: { body: string } }) => JSON.parse(exchange.request.body) as Record<string, unknown>

  it('lets the caller override configured values, also in their other spelling', () => {
    const configured = target({
      defaults: {
        max_completion_tokens: 9000,
        thinking: { type: 'enabled', budget_tokens: 5000 },
        extra_body: { a: 1, b: 1 },
        top_k: 3,
      },
    })
    const sent = wire.chat(
      { ...hi, max_tokens: 2000, reasoning_effort: 'low', top_k: null, extra_body: { b: 2 }, fallbacks: ['x'] },
      { ...configured, dropParams: true },
    )
    expect(body(sent)).toMatchObject({
      max_tokens: 2000,
      thinking: { type: 'enabled', budget_tokens: 1024 },
      a: 1,
      b: 2,
    })
    expect(body(sent)).not.toHaveProperty('fallbacks')
    expect(sent.droppedParams).toEqual(['top_k'])
  })

  it('names the field it refuses, and the way out', () => {
    const refusal = (() => {
      try {
        wire.chat({ ...hi, seed: 1 }, target())
      } catch (error) {
        return error
      }
      return undefined
    })()
    expect(refusal).toBeInstanceOf(GatewayError)
    expect(refusal).toMatchObject({ code: 'unsupported_params', param: 'seed' })
    expect(String(refusal)).toContain('drop_params')
  })

  it("lets the call's own drop_params win", () => {
    const asked = { ...hi, seed: 1 }
    expect(wire.chat({ ...asked, drop_params: true }, target()).droppedParams).toEqual(['seed'])
    const refuse = () => wire.chat({ ...asked, drop_params: false }, target({ dropParams: true }))
    expect(refuse).toThrow(GatewayError)
  })

  it('asks for one whole answer where the model cannot stream', () => {
    const sent = wire.chat({ ...hi, stream: true }, target({ capabilities: { nativeStreaming: false } }))
    expect(sent.fakeStream).toBe(true)
    expect(body(sent)).not.toHaveProperty('stream')
  })

  it('sends the betas that hosted tools need', () => {
    const sent = wire.chat({ ...hi, tools: [{ type: 'computer_20250124', name: 'computer' }] }, target())
    expect(sent.request.headers['anthropic-beta']).toBe('computer-use-2025-01-24')
  })

  it('throws for an error in a 200', () => {
    const sent = wire.chat(hi, target())
    expect(() => sent.decode({ type: 'error', error: { type: 'rate_limit_error', message: 'slow' } })).toThrow('slow')
    expect(() => sent.decode({ choices: [] })).toThrow('no message')
  })

  it('reads the budgets LiteLLM reads from the environment', () => {
    expect(budgetsFrom({ DEFAULT_REASONING_EFFORT_HIGH_THINKING_BUDGET: '9000' })).toEqual({
      minimal: 1024,
      low: 1024,
      medium: 2048,
      high: 9000,
    })
  })
})

describe('relayed answers', () => {
  const signals = (): EventSignals => ({
    usage: undefined,
    failure: undefined,
    contentFiltered: false,
    content: false,
    terminal: false,
    usageOnly: false,
  })
  const start =
    '{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_1h_input_tokens":20,"ephemeral_5m_input_tokens":10},"output_tokens":1}}}'

  it('completes the input counts of the first event with the output of the last', () => {
    const into = signals()
    wire.readEvent('message_start', start, into)
    expect(into).toMatchObject({ content: false, usage: { input: 140, cacheRead: 100, output: 1 } })
    wire.readEvent('content_block_delta', '{}', into)
    expect(into).toMatchObject({ content: true, usage: { input: 140 } })
    const end = '{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":55}}'
    wire.readEvent('message_delta', end, into)
    expect(into.contentFiltered).toBe(true)
    expect(into.usage).toEqual({
      input: 140,
      cacheRead: 100,
      cacheWrite: 10,
      cacheWrite1h: 20,
      inputAudio: 0,
      inputImage: 0,
      output: 55,
      reasoning: 0,
      outputAudio: 0,
      outputImage: 0,
      webSearches: 0,
    })
    wire.readEvent('message_stop', '{"type":"message_stop"}', into)
    expect(into).toMatchObject({ terminal: true, content: false, contentFiltered: false, usage: { output: 55 } })
  })

  it('takes counts that the last event restates', () => {
    const into = signals()
    wire.readEvent('message_start', start, into)
    const usage =
      '{"input_tokens":12,"cache_read_input_tokens":0,"output_tokens":5,"server_tool_use":{"web_search_requests":2}}'
    wire.readEvent(
      'message_delta',
      `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":${usage}}`,
      into,
    )
    expect(into.usage).toMatchObject({ input: 42, cacheRead: 0, output: 5, webSearches: 2 })
  })

  it('keeps the tier of the first event, unless the last states another', () => {
    const into = signals()
    wire.readEvent('message_start', start.replace('"usage":{', '"usage":{"service_tier":"priority",'), into)
    expect(into.usage?.serviceTier).toBe('priority')
    wire.readEvent('message_delta', '{"type":"message_delta","delta":{},"usage":{"output_tokens":2}}', into)
    expect(into.usage).toMatchObject({ serviceTier: 'priority', output: 2 })
    wire.readEvent('message_delta', '{"delta":{},"usage":{"output_tokens":3,"service_tier":"standard"}}', into)
    expect(into.usage?.serviceTier).toBe('standard')
  })

  it.each(['message_start', 'content_block_start', 'content_block_delta', 'message_delta'])(
    'fails on half a %s',
    event => {
      const data = `{"type":"${event}","ind`
      const into = signals()
      wire.readEvent(event, data, into)
      expect(into.failure?.kind).toBe('bad_gateway')
      expect(wire.maySignal(Buffer.from(`event: ${event}\ndata: ${data}\n\n`))).toBe(true)
    },
  )

  it.each([
    ['content_block_start', '{"type":"content_block_start","content_block":{"type":"tool_use"}}', true],
    ['content_block_start', '{"type":"content_block_start","content_block":{"type":"server_tool_use"}}', false],
    ['content_block_start', '{"type":"content_block_start","content_block":{"type":"text","text":""}}', false],
    ['', '{"type": "content_block_delta","delta":{}}', true],
    ['', '{"type":"ping"}', false],
    ['', 'nonsense', false],
  ])('content of %s %s: %s', (event, data, content) => {
    const into = signals()
    wire.readEvent(event, data, into)
    expect(into.content).toBe(content)
  })

  it('reads an error event', () => {
    const into = signals()
    wire.readEvent('error', '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', into)
    expect(into.failure).toMatchObject({ kind: 'service_unavailable', status: 529, vendorCode: 'overloaded_error' })
    wire.readEvent('error', 'cut', into)
    expect(into.failure).toMatchObject({ kind: 'bad_gateway' })
  })

  it('skips runs of plain content and no others', () => {
    const delta =
      'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"an \\"error\\""}}\n\n'
    expect(wire.maySignal(Buffer.from(delta))).toBe(false)
    for (const event of ['message_start', 'message_delta', 'message_stop', 'error']) {
      expect(wire.maySignal(Buffer.from(`${delta}data: {"type":"${event}"}\n\n`))).toBe(true)
    }
  })

  it('reads a whole body', () => {
    const body = '{"type":"message","stop_reason":"refusal","usage":{"input_tokens":3,"output_tokens":2}}'
    expect(wire.readBody('messages', body)).toMatchObject({ usage: { input: 3, output: 2 }, contentFiltered: true })
    expect(wire.readBody('count_tokens', '{"input_tokens":3}')).toMatchObject({ usage: undefined, failure: undefined })
    const error = '{"type":"error","error":{"type":"api_error","message":"x"}}'
    expect(wire.readBody('messages', error).failure).toMatchObject({ kind: 'internal_server', vendorCode: 'api_error' })
    expect(wire.readBody('messages', 'oops').failure).toMatchObject({ kind: 'bad_gateway' })
  })
})

describe('failure', () => {
  const error = (type: string, message: string) => JSON.stringify({ type: 'error', error: { type, message } })

  it.each([
    [429, error('rate_limit_error', 'slow down'), 'rate_limit', 429],
    [529, error('overloaded_error', 'Overloaded'), 'service_unavailable', 529],
    [400, error('invalid_request_error', 'prompt is too long: 210000 tokens'), 'context_window_exceeded', 400],
    [400, error('invalid_request_error', 'Your credit balance is too low to access'), 'permission_denied', 402],
    [401, error('authentication_error', 'invalid x-api-key'), 'authentication', 401],
    [502, '<html>Bad gateway</html>', 'bad_gateway', 502],
  ])('%i %s', (status, body, kind, reported) => {
    expect(wire.failure(status, {}, body)).toMatchObject({ kind, status: reported })
  })

  it('keeps the vendor word and the wait', () => {
    const failure = wire.failure(429, { 'retry-after': '7' }, error('rate_limit_error', 'slow down'))
    expect(failure).toMatchObject({ vendorCode: 'rate_limit_error', retryAfter: 7, message: 'anthropic: slow down' })
  })

  it('keeps the particulars that clients act on, unless they are a flood', () => {
    const body = (details: unknown) =>
      JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message: 'no', details } })
    const details = { error_code: 'thread_not_found' }
    expect(wire.failure(400, {}, body(details)).details).toEqual(details)
    expect(wire.failure(400, {}, body({ a: 'x'.repeat(5000) })).details).toBeUndefined()
    expect(wire.failure(400, {}, body('text')).details).toBeUndefined()
  })
})
