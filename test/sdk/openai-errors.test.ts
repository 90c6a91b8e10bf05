import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startWorld, type World, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'hello there' }]

/** The error a call ends with; the test fails when it succeeds. */
async function errorOf(promise: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await promise
  } catch (error) {
    expect(error).toBeInstanceOf(OpenAI.APIError)
    return error as InstanceType<typeof OpenAI.APIError>
  }
  throw new Error('the call succeeded')
}

const failures = [
  { fault: 'status=400', error: OpenAI.BadRequestError, status: 400, type: 'invalid_request_error' },
  { fault: 'status=401', error: OpenAI.AuthenticationError, status: 401, type: 'authentication_error' },
  { fault: 'status=403', error: OpenAI.PermissionDeniedError, status: 403, type: 'permission_error' },
  { fault: 'status=404', error: OpenAI.NotFoundError, status: 404, type: 'invalid_request_error' },
  { fault: 'status=429,retry_after=7', error: OpenAI.RateLimitError, status: 429, type: 'rate_limit_error' },
  { fault: 'status=500', error: OpenAI.InternalServerError, status: 500, type: 'server_error' },
  { fault: 'status=503', error: OpenAI.InternalServerError, status: 503, type: 'server_error' },
  { fault: 'html,status=502', error: OpenAI.InternalServerError, status: 502, type: 'server_error' },
  { fault: 'malformed=0', error: OpenAI.InternalServerError, status: 502, type: 'server_error' },
  { fault: 'reset', error: OpenAI.InternalServerError, status: 502, type: 'api_connection_error' },
] as const

describe.each(wires)('openai SDK → $wire: errors', wire => {
  const create = (stream: boolean) =>
    world.openai.chat.completions.create({ model: wire.chat, messages, stream }) as PromiseLike<unknown>

  it.each(failures)('$fault is $status, streamed or not', async ({ fault, error, status, type }) => {
    world.upstream.fault(wire.vendorModel, fault)
    for (const stream of [false, true]) {
      const caught = await errorOf(create(stream))
      expect(caught).toBeInstanceOf(error)
      expect({ status: caught.status, type: caught.type }).toEqual({ status, type })
      expect(caught.message.length).toBeGreaterThan(10)
      expect(caught.message).not.toContain(world.gateway.key)
      expect(caught.message).not.toMatch(/key-(openai|azure|anthropic|gemini)/)
      expect(caught.headers?.get('x-litellm-call-id')).toMatch(/^[\w-]{10,}$/)
      // Google writes the wait into the body, and that is what its clients heed.
      if (status === 429) expect(caught.headers?.get('retry-after')).toBe(wire.wire === 'gemini' ? '2' : '7')
    }
  })

  it('an unknown model of the vendor is NotFoundError', async () => {
    const asked = world.openai.chat.completions.create({ model: `${wire.wire}-missing`, messages })
    expect(await errorOf(asked)).toBeInstanceOf(OpenAI.NotFoundError)
  })

  it('a prompt too long says so in its code', async () => {
    world.upstream.fault(wire.vendorModel, 'context')
    const caught = await errorOf(create(false))
    expect(caught).toBeInstanceOf(OpenAI.BadRequestError)
    expect(caught.code).toBe('context_length_exceeded')
  })

  it('a stopped answer ends with content_filter', async () => {
    world.upstream.fault(wire.vendorModel, 'filter=completion')
    const answer = await world.openai.chat.completions.create({ model: wire.chat, messages })
    expect(answer.choices[0]!.finish_reason).toBe('content_filter')
  })

  it('an error in mid-stream reaches the reader after the text so far', async () => {
    world.upstream.fault(wire.vendorModel, 'error_content=2')
    const stream = await world.openai.chat.completions.create({ model: wire.chat, messages, stream: true })
    let text = ''
    const caught = await errorOf(
      (async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
      })(),
    )
    expect(text).toBe('echo: hello')
    expect(caught.message.length).toBeGreaterThan(10)
  })

  it('an upstream that breaks off in mid-stream is an error, not an end', async () => {
    world.upstream.fault(wire.vendorModel, 'cut_content=2')
    const stream = await world.openai.chat.completions.create({ model: wire.chat, messages, stream: true })
    const drained = (async () => {
      for await (const _chunk of stream);
    })()
    expect(await errorOf(drained)).toBeInstanceOf(OpenAI.APIError)
  })

  it('abort in mid-stream ends the upstream call too', async () => {
    world.upstream.fault(wire.vendorModel, 'chunks=400,cadence=5')
    const stream = await world.openai.chat.completions.create({ model: wire.chat, messages, stream: true })
    let chunks = 0
    for await (const _chunk of stream) if (++chunks === 3) stream.controller.abort()
    expect(chunks).toBeLessThan(40)
    const request = await world.upstream.waitFor(entry => entry.abortedAt !== undefined)
    expect(request).toMatchObject({ wire: wire.wire, finishedAt: undefined })
  })

  it('abort before the answer ends the upstream call too', async () => {
    world.upstream.fault(wire.vendorModel, 'hang')
    const controller = new AbortController()
    const asked = world.openai.chat.completions.create({ model: wire.chat, messages }, { signal: controller.signal })
    void world.upstream.waitFor(entry => entry.model === wire.vendorModel).then(() => controller.abort())
    expect(await errorOf(asked)).toBeInstanceOf(OpenAI.APIUserAbortError)
    await world.upstream.waitFor(entry => entry.abortedAt !== undefined)
  })

  it('the SDK’s own timeout and retries work through the gateway', async () => {
    world.upstream.fault(wire.vendorModel, 'status=429,retry_after=0,fail=1')
    const retried = await world.openai.chat.completions.create({ model: wire.chat, messages }, { maxRetries: 2 })
    expect(retried.choices[0]!.message.content).toBe('echo: hello there')
    expect(world.all().map(({ status }) => status)).toEqual([429, 200])
    world.upstream.reset()
    world.upstream.fault(wire.vendorModel, 'hang')
    const hung = world.openai.chat.completions.create({ model: wire.chat, messages }, { timeout: 100 })
    expect(await errorOf(hung)).toBeInstanceOf(OpenAI.APIConnectionTimeoutError)
  })
})

describe('openai SDK: prompts refused by a safety filter', () => {
  const refused = (name: string) => {
    world.upstream.fault(() => true, 'filter=prompt')
    return world.openai.chat.completions.create({ model: `${name}-chat`, messages })
  }

  it.each([
    ['openai', 'content_policy_violation'],
    ['azure-openai', 'content_filter'],
  ])('%s: BadRequestError with the vendor’s code', async (name, code) => {
    const caught = await errorOf(refused(name))
    expect(caught).toBeInstanceOf(OpenAI.BadRequestError)
    expect(caught.code).toBe(code)
  })

  it.each(['anthropic', 'gemini'])('%s answers with an empty turn and its reason', async name => {
    const [choice] = (await refused(name)).choices
    expect(choice).toMatchObject({ finish_reason: 'content_filter' })
    expect(choice!.message.content ?? '').toBe('')
  })
})

describe('openai SDK: errors of the gateway itself', () => {
  it('a wrong key is AuthenticationError', async () => {
    const stranger = world.openai.withOptions({ apiKey: 'sk-wrong' })
    const caught = await errorOf(stranger.chat.completions.create({ model: 'openai-chat', messages }))
    expect(caught).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(caught.message).not.toContain('sk-wrong')
    expect(await errorOf(stranger.models.list())).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(world.all()).toHaveLength(0)
  })

  it('an unknown group is NotFoundError, a missing field BadRequestError with its name', async () => {
    const unknown = await errorOf(world.openai.chat.completions.create({ model: 'nobody', messages }))
    expect(unknown).toBeInstanceOf(OpenAI.NotFoundError)
    expect(unknown).toMatchObject({ code: 'model_not_found', param: 'model' })
    const bare = { model: 'openai-chat' } as OpenAI.ChatCompletionCreateParamsNonStreaming
    const missing = await errorOf(world.openai.chat.completions.create(bare))
    expect(missing).toBeInstanceOf(OpenAI.BadRequestError)
    expect(missing).toMatchObject({ code: 'missing_field', param: 'messages' })
    const route = await errorOf(world.openai.post('/no/such/route', { body: {} }))
    expect(route).toBeInstanceOf(OpenAI.NotFoundError)
    expect(world.all()).toHaveLength(0)
  })

  it('no gateway at all is APIConnectionError', async () => {
    const nowhere = new OpenAI({ baseURL: 'http://127.0.0.1:9/v1', apiKey: 'k', maxRetries: 0 })
    expect(await errorOf(nowhere.models.list())).toBeInstanceOf(OpenAI.APIConnectionError)
  })
})
