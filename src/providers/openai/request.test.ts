import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../../translate/openai/types.ts'
import { vendors } from '../vendors.ts'
import type { Target } from '../wire.ts'
import { testTarget } from './target.fixtures.ts'
import { openaiWire } from './wire.ts'

interface Row {
  name: string
  vendor: string
  model: string
  via: 'both' | 'chat'
  request: Record<string, unknown>
  body: Record<string, unknown>
  dropped?: string[]
  target?: Partial<Target>
  stripUsage?: boolean
  fakeStream?: boolean
  error?: { code: string; param: string; says: string[] }
}
const rows: Row[] = JSON.parse(readFileSync(new URL('./fixtures/requests.json', import.meta.url), 'utf8'))
const native = (json: Record<string, unknown>) => ({ json, text: JSON.stringify(json), headers: {} })
/** Mapped ids are nine letters or digits; which ones does not matter, only that call and result agree. */
const withId = (text: string) => {
  const ids = new Set([...text.matchAll(/"(?:id|tool_call_id)":"([a-z0-9]{9})"/g)].map(match => match[1]!))
  expect(ids.size).toBeLessThanOrEqual(1)
  return JSON.parse([...ids].reduce((out, id) => out.replaceAll(id, 'ID9'), text))
}

describe.each(rows)('request: $name', row => {
  const target = testTarget(row.vendor, row.model, row.target)
  if (row.error) {
    const { error } = row
    it.each(row.via === 'chat' ? ['chat'] : ['chat', 'forward'])('is refused by %s', way => {
      try {
        if (way === 'chat') openaiWire.chat(row.request as ChatRequest, target)
        else openaiWire.forward('chat', native(row.request), target)
        expect.unreachable()
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: error.code, param: error.param })
        for (const text of error.says) expect((thrown as Error).message).toContain(text)
      }
    })
    return
  }
  it('is translated', () => {
    const before = structuredClone(row.request)
    const exchange = openaiWire.chat(row.request as ChatRequest, target)
    expect(withId(exchange.request.body)).toEqual(row.body)
    expect(exchange.droppedParams).toEqual(row.dropped ?? [])
    expect(exchange.fakeStream).toBe(row.fakeStream ?? false)
    expect(row.request).toEqual(before)
  })
  it(row.via === 'chat' ? 'is never relayed' : 'is relayed', () => {
    const forwarded = openaiWire.forward('chat', native(row.request), target)
    if (row.via === 'chat') return expect(forwarded).toBeUndefined()
    expect(JSON.parse(forwarded!.request.body)).toEqual(row.body)
    expect(forwarded!.droppedParams).toEqual(row.dropped ?? [])
    expect(forwarded!.stripUsage).toBe(row.stripUsage ?? false)
  })
})

describe('relayed bytes', () => {
  it('stay as they were, but for the model and the usage wish', () => {
    const text =
      '{ "messages" : [{"role":"user","content":"\\u00e9 1.0"}],\n"model":"my","temperature":1.0,"stream":true }'
    const forwarded = openaiWire.forward(
      'chat',
      { json: JSON.parse(text), text, headers: {} },
      testTarget('openai', 'gpt-4o'),
    )
    expect(forwarded!.request.body).toBe(
      text.replace('"my"', '"gpt-4o"').replace('true }', 'true,"stream_options":{"include_usage":true} }'),
    )
  })

  it('hold no body of a large request that was not touched', () => {
    const image = 'A'.repeat(200_000)
    const text = `{"model":"my","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"${image}"}}]}]}`
    const forwarded = openaiWire.forward(
      'chat',
      { json: JSON.parse(text), text, headers: {} },
      testTarget('openai', 'gpt-4o'),
    )
    expect(forwarded!.request.body).toBe(text.replace('"my"', '"gpt-4o"'))
  })
})

describe('addressing', () => {
  const send = (target: Target, operation: 'chat' | 'completions' | 'embeddings', headers = {}) =>
    openaiWire.forward(
      operation,
      { ...native({ model: 'x', prompt: 'p', input: 'i', messages: [] }), headers },
      target,
    )!.request

  it.each([
    ['openai', 'chat', '/v1/chat/completions'],
    ['openai', 'completions', '/v1/completions'],
    ['openai', 'embeddings', '/v1/embeddings'],
    ['perplexity', 'chat', '/chat/completions'],
    ['datarobot', 'chat', '/api/v2/genai/llmgw/chat/completions/'],
    ['fireworks_ai', 'chat', '/inference/v1/chat/completions'],
  ] as const)('%s %s → %s', (id, operation, path) => {
    expect(send(testTarget(id, 'm'), operation).path).toBe(path)
  })

  it('sends the key as a bearer token, and no header of the caller over it', () => {
    const target = testTarget('openai', 'm', { organization: 'org', extraHeaders: { 'X-Extra': '1' } })
    expect(send(target, 'chat', { authorization: 'evil', 'openai-beta': 'b' }).headers).toEqual({
      'content-type': 'application/json',
      authorization: 'Bearer sk-test',
      'openai-organization': 'org',
      'openai-beta': 'b',
      'x-extra': '1',
    })
  })

  it('sends no credential without a key, and the header a vendor asks for', () => {
    expect(send(testTarget('hosted_vllm', 'm', { apiKey: undefined }), 'chat').headers).not.toHaveProperty(
      'authorization',
    )
    expect(send(testTarget('sarvam', 'm'), 'chat').headers).toMatchObject({ 'api-subscription-key': 'sk-test' })
  })

  it('gives each call its own headers', () => {
    const target = testTarget('openai', 'm')
    send(target, 'chat').headers['content-length'] = '1'
    expect(send(target, 'chat').headers).not.toHaveProperty('content-length')
  })
})

describe('any request', () => {
  const ids = vendors()
    .filter(v => v.wire === 'openai')
    .map(v => v.id)
  const part = fc.oneof(
    fc.record({ type: fc.constantFrom('text', 'thinking', 'file', 'image_url'), text: fc.string() }),
    fc.jsonValue(),
  )
  const message = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool'),
        content: fc.oneof(fc.string(), fc.array(part), fc.constant(null)),
        tool_calls: fc.oneof(fc.array(fc.jsonValue()), fc.constant(null)),
        reasoning_details: fc.jsonValue(),
        provider_specific_fields: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  )
  const request = fc.record(
    {
      model: fc.constant('my'),
      messages: fc.oneof(fc.array(message, { maxLength: 4 }), fc.jsonValue()),
      tools: fc.oneof(fc.array(fc.jsonValue(), { maxLength: 3 }), fc.jsonValue()),
      tool_choice: fc.oneof(fc.constantFrom('auto', 'required', 'any'), fc.jsonValue()),
      response_format: fc.oneof(fc.constant({ type: 'json_schema' }), fc.jsonValue()),
      thinking: fc.jsonValue(),
      reasoning_effort: fc.jsonValue(),
      extra_body: fc.jsonValue(),
      metadata: fc.jsonValue(),
      stream: fc.boolean(),
      stream_options: fc.jsonValue(),
      temperature: fc.jsonValue(),
      additional_drop_params: fc.jsonValue(),
    },
    { requiredKeys: ['model'] },
  )

  it('fails only with a GatewayError, and relays and translates to the same body', () => {
    fc.assert(
      fc.property(request, fc.constantFrom(...ids), fc.constantFrom('gpt-4o', 'gpt-5', 'o3'), (wild, id, model) => {
        const target = testTarget(id, model)
        const text = JSON.stringify(wild)
        const json = JSON.parse(text)
        const attempt = (run: () => string | undefined) => {
          try {
            return run()
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError)
            return (error as Error).message
          }
        }
        const relayed = attempt(() => openaiWire.forward('chat', { json, text, headers: {} }, target)?.request.body)
        const made = attempt(() => openaiWire.chat(json, target).request.body)
        if (relayed?.startsWith('{')) expect(JSON.parse(relayed)).toEqual(JSON.parse(made!))
        expect(JSON.stringify(json)).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })
})
