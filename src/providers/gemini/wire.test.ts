import { describe, expect, it } from 'vitest'
import { Secret } from '../../platform/security/secret.ts'
import type { EmbeddingRequest } from '../../translate/openai/types.ts'
import type { EventSignals, Target } from '../wire.ts'
import { targetFor, vendor } from './golden.fixtures.ts'
import { geminiWire } from './wire.ts'

const chat = (target: Partial<Target>, extra: object = {}) =>
  geminiWire.chat({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...extra }, targetFor(target))

const embed = (request: Partial<EmbeddingRequest>, target: Partial<Target> = { model: 'gemini-embedding-001' }) => {
  if (geminiWire.embeddings === undefined) throw new Error('no embeddings')
  return geminiWire.embeddings({ model: 'm', input: 'hi', ...request }, targetFor(target))
}

describe('the request line and headers', () => {
  it.each([
    ['/v1beta', 'gemini-2.5-pro', '/v1beta/models/gemini-2.5-pro:generateContent'],
    ['/v1', 'gemini-2.5-pro', '/v1/models/gemini-2.5-pro:generateContent'],
    ['/v1alpha', 'gemini-2.5-pro', '/v1alpha/models/gemini-2.5-pro:generateContent'],
    ['', 'gemini-2.5-pro', '/v1beta/models/gemini-2.5-pro:generateContent'],
    ['/gw/google', 'gemini-2.5-pro', '/gw/google/v1beta/models/gemini-2.5-pro:generateContent'],
    ['/v1beta', 'models/gemini-2.5-pro', '/v1beta/models/gemini-2.5-pro:generateContent'],
    ['/v1beta', 'tunedModels/mine', '/v1beta/tunedModels/mine:generateContent'],
    ['/v1beta', '../a?key=b#c', '/v1beta/models/..%2Fa%3Fkey%3Db%23c:generateContent'],
  ])('%s + %s', (basePath, model, path) => {
    expect(chat({ basePath, model }).request.path).toBe(path)
  })

  it('puts the key in a header and nowhere else', () => {
    const { request } = chat({ apiKey: new Secret('AIzaSecretSecret') })
    expect(request.headers['x-goog-api-key']).toBe('AIzaSecretSecret')
    expect(request.path + request.body).not.toContain('AIzaSecret')
    expect(chat({ bearerToken: new Secret('ya29') }).request.headers).toEqual({
      'content-type': 'application/json',
      authorization: 'Bearer ya29',
    })
    const bearer = chat({ vendor: { ...vendor, auth: 'bearer' }, extraHeaders: { 'X-Team': 'a' } }).request.headers
    expect(bearer).toEqual({ 'content-type': 'application/json', authorization: 'Bearer test-key', 'x-team': 'a' })
  })

  it('does not stream where the model cannot', () => {
    const exchange = chat({ capabilities: { nativeStreaming: false } }, { stream: true })
    expect(exchange.fakeStream).toBe(true)
    expect(exchange.request.path).toMatch(/:generateContent$/)
  })
})

describe('presets of the deployment', () => {
  const config = (target: Partial<Target>, extra: object) =>
    JSON.parse(chat(target, extra).request.body).generationConfig

  it('yield to the caller under any name for the same thing', () => {
    const defaults = { max_completion_tokens: 999, top_k: 9, reasoning_effort: 'high', temperature: 0.5 }
    const caller = { max_tokens: 5, topK: 3, thinking: { type: 'disabled' }, temperature: 0 }
    expect(config({ defaults }, caller)).toEqual({
      maxOutputTokens: 5,
      topK: 3,
      temperature: 0,
      thinkingConfig: { thinkingBudget: 0, includeThoughts: false },
    })
    expect(config({ defaults }, {})).toEqual({
      maxOutputTokens: 999,
      topK: 9,
      temperature: 0.5,
      thinkingConfig: { thinkingBudget: 4096, includeThoughts: true },
    })
  })
})

describe('failure', () => {
  const body = (error: object) => JSON.stringify({ error })

  it.each([
    [
      400,
      { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' },
      'authentication',
      401,
    ],
    [
      400,
      {
        code: 400,
        message: 'x',
        status: 'INVALID_ARGUMENT',
        details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
      },
      'authentication',
      401,
    ],
    [
      400,
      { code: 400, message: 'User location is not supported for the API use.', status: 'FAILED_PRECONDITION' },
      'permission_denied',
      403,
    ],
    [
      400,
      {
        code: 400,
        message: 'The input token count (9) exceeds the maximum number of tokens allowed (8).',
        status: 'INVALID_ARGUMENT',
      },
      'context_window_exceeded',
      400,
    ],
    [400, { code: 400, message: 'Bad schema', status: 'INVALID_ARGUMENT' }, 'bad_request', 400],
    [404, { code: 404, message: 'models/x is not found', status: 'NOT_FOUND' }, 'not_found', 404],
    [429, { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED' }, 'rate_limit', 429],
    [500, { code: 500, message: 'Internal', status: 'INTERNAL' }, 'internal_server', 500],
    [503, { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' }, 'service_unavailable', 503],
    [504, { code: 504, message: 'Deadline', status: 'DEADLINE_EXCEEDED' }, 'timeout', 504],
  ])('%i %j', (status, error, kind, shown) => {
    const failure = geminiWire.failure(status, {}, body(error))
    expect(failure).toMatchObject({ kind, status: shown, vendorCode: error.status })
    expect(failure.message).toContain(error.message)
  })

  it('reads RetryInfo, also from a list, before Retry-After', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.07s' }]
    const text = JSON.stringify([{ error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED', details } }])
    expect(geminiWire.failure(429, { 'retry-after': '1' }, text)).toMatchObject({
      kind: 'rate_limit',
      retryAfter: 34.07,
      status: 429,
    })
    expect(geminiWire.failure(503, { 'retry-after': '2' }, 'busy')).toMatchObject({
      retryAfter: 2,
      message: 'Gemini: busy',
    })
  })

  it('keeps keys out of messages', () => {
    const message =
      "Permission denied: Consumer 'api_key:AIzaSyD-1234567890' has been suspended. Key AIzaSyD-1234567890."
    for (const text of [body({ code: 403, message, status: 'PERMISSION_DENIED' }), message]) {
      const failure = geminiWire.failure(403, {}, text)
      expect(failure.message).toContain('has been suspended')
      expect(JSON.stringify(failure) + failure.message).not.toContain('AIza')
    }
  })
})

describe('embeddings', () => {
  it('asks for one vector per text', () => {
    const { request } = embed({ input: ['a', 'b'], dimensions: 3, input_type: 'search_query' })
    expect(request.path).toBe('/v1beta/models/gemini-embedding-001:batchEmbedContents')
    const one = { model: 'models/gemini-embedding-001', taskType: 'RETRIEVAL_QUERY', outputDimensionality: 3 }
    expect(JSON.parse(request.body)).toEqual({
      requests: ['a', 'b'].map(text => ({ ...one, content: { parts: [{ text }] } })),
    })
  })

  it('answers floats or base64, with tokens stated or estimated', () => {
    const body = { embeddings: [{ values: [1, -0.5] }, { values: [0.25, 2] }] }
    expect(embed({ input: ['abcde', 'ü'] }).decode(body)).toEqual({
      object: 'list',
      model: 'gemini-embedding-001',
      data: [
        { object: 'embedding', index: 0, embedding: [1, -0.5] },
        { object: 'embedding', index: 1, embedding: [0.25, 2] },
      ],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    })
    const encoded = embed({ encoding_format: 'base64' }).decode({ ...body, usageMetadata: { promptTokenCount: 7 } })
    const bytes = Buffer.from(String(encoded.data[0]?.embedding), 'base64')
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([1, -0.5])
    expect(encoded.usage.prompt_tokens).toBe(7)
  })

  it('refuses token ids, emptiness and answers without vectors', () => {
    expect(() => embed({ input: [1, 2] })).toThrow(/not token ids/)
    expect(() => embed({ input: [[1], [2]] })).toThrow(/not token ids/)
    expect(() => embed({ input: [] })).toThrow(expect.objectContaining({ code: 'missing_field' }))
    expect(() => embed({}).decode({})).toThrow(expect.objectContaining({ kind: 'bad_gateway' }))
    expect(() => embed({}).decode({ error: { code: 429, message: 'x' } })).toThrow(
      expect.objectContaining({ kind: 'rate_limit' }),
    )
  })
})

describe('signals of a relayed answer', () => {
  const answer = {
    candidates: [{ content: { parts: [{ text: 'a' }] }, finishReason: 'SAFETY' }],
    usageMetadata: { promptTokenCount: 10, cachedContentTokenCount: 4, candidatesTokenCount: 2, thoughtsTokenCount: 3 },
  }

  it('are read from a body', () => {
    const { usage, failure, contentFiltered } = geminiWire.readBody('chat', JSON.stringify(answer))
    expect(usage).toMatchObject({ input: 10, cacheRead: 4, output: 5, reasoning: 3 })
    expect(failure).toBeUndefined()
    expect(contentFiltered).toBe(true)
    expect(geminiWire.readBody('chat', '[{"error":{"code":503}}]').failure?.kind).toBe('service_unavailable')
    expect(geminiWire.readBody('chat', 'no').failure?.kind).toBe('bad_gateway')
  })

  it('are read from events, each overwriting the last', () => {
    const into: EventSignals = {
      usage: undefined,
      failure: undefined,
      contentFiltered: false,
      content: false,
      terminal: false,
      usageOnly: false,
    }
    geminiWire.readEvent('', JSON.stringify(answer), into)
    expect(into).toMatchObject({ content: true, terminal: true, contentFiltered: true })
    geminiWire.readEvent('', JSON.stringify({ candidates: [{ content: { parts: [{ text: 'b' }] } }] }), into)
    expect(into).toMatchObject({ content: true, terminal: false, contentFiltered: false, usage: undefined })
    geminiWire.readEvent('', JSON.stringify({ usageMetadata: {} }), into)
    expect(into).toMatchObject({ content: false, terminal: false })
    geminiWire.readEvent('', '{"error":{"status":"RESOURCE_EXHAUSTED"}}', into)
    expect(into.failure?.kind).toBe('rate_limit')
  })
})
