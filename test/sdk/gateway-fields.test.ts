import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bodyOf } from '../upstream/server.ts'
import { startWorld, type World, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

/** LiteLLM's per-call settings. Vendors refuse fields they do not know, and some hold what is not theirs to read. */
const extras = {
  metadata: { generation_name: 'private-note', tags: ['team-red'] },
  litellm_metadata: { spend_logs_metadata: 'private-note' },
  tags: ['team-red'],
  fallbacks: ['openai-chat'],
  context_window_fallback_dict: { a: 'b' },
  num_retries: 1,
  timeout: 30,
  stream_timeout: 20,
  request_timeout: 30,
  cache: { 'no-cache': true },
  caching: false,
  guardrails: ['none'],
  disable_fallbacks: true,
  drop_params: true,
  litellm_session_id: 'session-1',
  litellm_trace_id: 'trace-1',
  'no-log': true,
} as const

const names = Object.keys(extras)
const traces = /private-note|team-red|session-1|trace-1/

function expectClean(): void {
  const requests = world.all()
  expect(requests.length).toBeGreaterThan(0)
  for (const request of requests) {
    expect(request.rejected).toBeUndefined()
    expect(Object.keys(bodyOf(request)).filter(name => names.includes(name))).toEqual([])
    expect(request.text + JSON.stringify(request.rawHeaders) + request.url).not.toMatch(traces)
    expect(JSON.stringify(request.rawHeaders)).not.toMatch(/x-litellm|x-routeiq|stainless/i)
  }
}

const headers = { 'x-litellm-tags': 'team-red', 'x-litellm-timeout': '30', 'x-litellm-num-retries': '1' }

describe.each(wires)('what is addressed to the gateway never reaches $wire', wire => {
  const messages = [{ role: 'user' as const, content: 'hello there' }]

  it('chat, streamed or not', async () => {
    for (const stream of [false, true]) {
      const request = { model: wire.chat, messages, ...extras, stream }
      const answer = world.openai.chat.completions.create(request as never, { headers })
      const result = (await answer) as unknown as AsyncIterable<unknown>
      if (stream) for await (const _chunk of result);
    }
    expect(world.all()).toHaveLength(2)
    expectClean()
  })

  it('messages, streamed or not', async () => {
    for (const stream of [false, true]) {
      const request = { model: wire.chat, max_tokens: 64, messages, ...extras, stream }
      const answer = world.anthropic.messages.create(request as never, { headers })
      const result = (await answer) as unknown as AsyncIterable<unknown>
      if (stream) for await (const _event of result);
    }
    expect(world.all()).toHaveLength(2)
    expectClean()
  })

  it('count_tokens and legacy completions', async () => {
    await world.anthropic.messages.countTokens({ model: wire.chat, messages, ...extras } as never, { headers })
    await world.openai.completions.create({ model: wire.chat, prompt: 'hello', ...extras } as never, { headers })
    expectClean()
  })
})

describe('what is addressed to the gateway never reaches an embeddings endpoint', () => {
  it.each(['openai-embedding', 'azure-openai-embedding', 'gemini-embedding'])('%s', async model => {
    await world.openai.embeddings.create({ model, input: 'text', ...extras } as never, { headers })
    expectClean()
  })
})

describe('the settings themselves act', () => {
  it('a fallback of the call takes over, on another wire', async () => {
    world.upstream.fault('gpt-4o', 'status=500')
    const { data, response } = await world.openai.chat.completions
      .create({
        model: 'openai-chat',
        messages: [{ role: 'user', content: 'hello there' }],
        ...{ fallbacks: ['gemini-chat'] },
      })
      .withResponse()
    expect(data.choices[0]!.message.content).toBe('echo: hello there')
    expect(response.headers.get('x-litellm-model-id')).toBe('id-of-gemini-chat')
    expect(response.headers.get('x-litellm-attempted-fallbacks')).toBe('1')
    expect(world.all().map(({ wire, status }) => [wire, status])).toEqual([
      ['openai', 500],
      ['gemini', 200],
    ])
  })

  it('num_retries tries again', async () => {
    world.upstream.fault('claude-sonnet-4-5', 'status=500,fail=1')
    const { data, response } = await world.anthropic.messages
      .create({
        model: 'anthropic-chat',
        max_tokens: 64,
        messages: [{ role: 'user', content: 'hello there' }],
        ...{ num_retries: 1 },
      })
      .withResponse()
    expect(data.content).toMatchObject([{ text: 'echo: hello there' }])
    expect(response.headers.get('x-litellm-attempted-retries')).toBe('1')
    expect(world.all().map(({ status }) => status)).toEqual([500, 200])
  })

  it('timeout bounds the call', async () => {
    world.upstream.fault('gemini-2.5-flash', 'hang')
    const asked = world.openai.chat.completions.create({
      model: 'gemini-chat',
      messages: [{ role: 'user', content: 'hello there' }],
      ...{ timeout: 0.1 },
    })
    await expect(asked).rejects.toMatchObject({ status: 408, code: 'upstream_timeout' })
  })
})
