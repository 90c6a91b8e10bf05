import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../platform/security/secret.ts'
import type { ChatChunk, ChatRequest } from '../../translate/openai/types.ts'
import { SseParser } from '../../translate/sse.ts'
import { testTarget } from '../openai/target.fixtures.ts'
import type { EventSignals, Target } from '../wire.ts'
import { azureWire } from './wire.ts'

interface Row {
  name: string
  path: string
  model: string
  via: 'both' | 'chat'
  request: Record<string, unknown>
  body: Record<string, unknown>
  target: Partial<Target>
  dropped?: string[]
  fakeStream?: boolean
  error?: string
}
const rows: Row[] = JSON.parse(readFileSync(new URL('./fixtures/requests.json', import.meta.url), 'utf8'))
const azureTarget = (model: string, overrides: Partial<Target> = {}) =>
  testTarget('azure', model, { origin: 'https://x.openai.azure.com', basePath: '', ...overrides })

describe.each(rows)('request: $name', row => {
  const target = azureTarget(row.model, row.target)
  const native = { json: row.request, text: JSON.stringify(row.request), headers: {} }
  if (row.error !== undefined) {
    it('is refused', () => {
      const refusal = expect.objectContaining({ code: 'unsupported_params', param: row.error })
      expect(() => azureWire.chat(row.request as ChatRequest, target)).toThrow(refusal)
      expect(() => azureWire.forward('chat', native, target)).toThrow(refusal)
    })
    return
  }
  it('is translated', () => {
    const exchange = azureWire.chat(row.request as ChatRequest, target)
    expect(exchange.request.path).toBe(row.path)
    expect(JSON.parse(exchange.request.body)).toEqual(row.body)
    expect(exchange.droppedParams).toEqual(row.dropped ?? [])
    expect(exchange.fakeStream).toBe(row.fakeStream ?? false)
  })
  it(row.via === 'chat' ? 'is never relayed' : 'is relayed', () => {
    const forwarded = azureWire.forward('chat', native, target)
    if (row.via === 'chat') return expect(forwarded).toBeUndefined()
    expect(forwarded!.request.path).toBe(row.path)
    expect(JSON.parse(forwarded!.request.body)).toEqual(row.body)
  })
})

describe('credentials', () => {
  const headers = (overrides: Partial<Target>) =>
    azureWire.chat({ model: 'm', messages: [] }, azureTarget('d', overrides)).request.headers

  it('are an api-key header, else an Entra ID token', () => {
    expect(headers({ bearerToken: new Secret('t') })).toMatchObject({ 'api-key': 'sk-test' })
    expect(headers({ bearerToken: new Secret('t') })).not.toHaveProperty('authorization')
    expect(headers({ apiKey: undefined, bearerToken: new Secret('t') })).toMatchObject({ authorization: 'Bearer t' })
    expect(headers({ apiKey: undefined })).toEqual({ 'content-type': 'application/json' })
  })
})

it('addresses completions and embeddings likewise', () => {
  const native = { json: { model: 'm' }, text: '{"model":"m"}', headers: {} }
  const target = azureTarget('d', { apiVersion: '2024-10-21' })
  expect(azureWire.forward('completions', native, target)!.request.path).toBe(
    '/openai/deployments/d/completions?api-version=2024-10-21',
  )
  expect(azureWire.forward('embeddings', native, target)!.request.path).toBe(
    '/openai/deployments/d/embeddings?api-version=2024-10-21',
  )
})

describe('content filter', () => {
  it('on the prompt is a policy violation', () => {
    const body = JSON.stringify({
      error: {
        message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        type: null,
        param: 'prompt',
        code: 'content_filter',
        status: 400,
        innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: { hate: { filtered: true } } },
      },
    })
    expect(azureWire.failure(400, {}, body)).toMatchObject({
      kind: 'content_policy_violation',
      code: 'content_policy_violation',
      vendorCode: 'content_filter',
      param: 'prompt',
    })
  })
})

describe('a stream that opens with filter results', () => {
  const bytes = readFileSync(new URL('./fixtures/streams/prompt-filter-first.sse', import.meta.url))
  it('is read', () => {
    const decoder = azureWire.chat({ model: 'm', messages: [] }, azureTarget('d')).stream()
    const chunks: ChatChunk[] = []
    new SseParser().push(bytes, event => decoder.push(event, chunks))
    decoder.end(chunks)
    expect(chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('')).toBe('Hi')
    expect(chunks[0]!.id).toBe('x')
    expect(chunks.at(-1)!.usage?.total_tokens).toBe(5)
    expect(chunks.filter(chunk => chunk.usage)).toHaveLength(1)
  })

  it('gives one usage-only event: the one with usage', () => {
    const into = {} as EventSignals
    const only: boolean[] = []
    new SseParser().push(bytes, ({ event, data }) => {
      azureWire.readEvent(event, data, into)
      only.push(into.usageOnly)
    })
    expect(only).toEqual([false, false, false, false, true, false])
  })
})
