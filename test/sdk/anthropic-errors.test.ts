import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { at, startWorld, type World, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'hello there' }]

/** The error a call ends with; the test fails when it succeeds. */
async function errorOf(promise: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  try {
    await promise
  } catch (error) {
    expect(error).toBeInstanceOf(Anthropic.APIError)
    return error as InstanceType<typeof Anthropic.APIError>
  }
  throw new Error('the call succeeded')
}

const failures = [
  { fault: 'status=400', error: Anthropic.BadRequestError, status: 400, type: 'invalid_request_error' },
  { fault: 'context', error: Anthropic.BadRequestError, status: 400, type: 'invalid_request_error' },
  { fault: 'status=401', error: Anthropic.AuthenticationError, status: 401, type: 'authentication_error' },
  { fault: 'status=403', error: Anthropic.PermissionDeniedError, status: 403, type: 'permission_error' },
  { fault: 'status=404', error: Anthropic.NotFoundError, status: 404, type: 'not_found_error' },
  { fault: 'status=429,retry_after=7', error: Anthropic.RateLimitError, status: 429, type: 'rate_limit_error' },
  { fault: 'status=500', error: Anthropic.InternalServerError, status: 500, type: 'api_error' },
  { fault: 'status=503', error: Anthropic.InternalServerError, status: 503, type: 'overloaded_error' },
  { fault: 'status=529', error: Anthropic.InternalServerError, status: 529, type: 'overloaded_error' },
  { fault: 'reset', error: Anthropic.InternalServerError, status: 502, type: 'api_error' },
] as const

describe.each(wires)('anthropic SDK → $wire: errors', wire => {
  const request = { model: wire.chat, max_tokens: 64, messages }

  it.each(failures)('$fault is $status $type, streamed or not', async ({ fault, error, status, type }) => {
    world.upstream.fault(wire.vendorModel, fault)
    for (const stream of [false, true]) {
      const caught = await errorOf(world.anthropic.messages.create({ ...request, stream }) as PromiseLike<unknown>)
      expect(caught).toBeInstanceOf(error)
      expect(caught.status).toBe(status)
      expect(caught.error).toMatchObject({ type: 'error', error: { type }, request_id: expect.any(String) })
      expect(String(at(caught.error, 'error', 'message')).length).toBeGreaterThan(10)
      expect(caught.message).not.toContain(world.gateway.key)
      expect(caught.message).not.toMatch(/key-(openai|azure|anthropic|gemini)/)
      expect(caught.headers?.get('x-litellm-call-id')).toBe(at(caught.error, 'request_id'))
    }
  })

  it('an unknown model of the vendor is NotFoundError', async () => {
    const asked = world.anthropic.messages.create({ ...request, model: `${wire.wire}-missing` })
    expect(await errorOf(asked)).toBeInstanceOf(Anthropic.NotFoundError)
  })

  it('a stopped answer ends with refusal', async () => {
    world.upstream.fault(wire.vendorModel, 'filter=completion')
    const message = await world.anthropic.messages.create(request)
    expect(message.stop_reason).toBe('refusal')
  })

  it.each(['error_content=2', 'cut_content=2'])(
    'a failure in mid-stream (%s) reaches the reader after the text so far',
    async fault => {
      world.upstream.fault(wire.vendorModel, fault)
      let text = ''
      const stream = world.anthropic.messages.stream(request).on('text', delta => {
        text += delta
      })
      const caught = await errorOf(stream.finalMessage())
      expect(text).toBe('echo: hello')
      expect(at(caught.error, 'error', 'type')).toMatch(/^(overloaded|api)_error$/)
    },
  )

  it('abort in mid-stream ends the upstream call too', async () => {
    world.upstream.fault(wire.vendorModel, 'chunks=400,cadence=5')
    let deltas = 0
    const stream = world.anthropic.messages.stream(request).on('text', () => {
      if (++deltas === 3) stream.abort()
    })
    expect(await errorOf(stream.finalMessage())).toBeInstanceOf(Anthropic.APIUserAbortError)
    expect(deltas).toBeLessThan(40)
    const seen = await world.upstream.waitFor(entry => entry.abortedAt !== undefined)
    expect(seen).toMatchObject({ wire: wire.wire, finishedAt: undefined })
  })

  it('the SDK’s own retries and timeout work through the gateway', async () => {
    world.upstream.fault(wire.vendorModel, 'status=529,retry_after=0,fail=1')
    const message = await world.anthropic.messages.create(request, { maxRetries: 2 })
    expect(message.content).toMatchObject([{ type: 'text', text: 'echo: hello there' }])
    expect(world.all().map(({ status }) => status)).toEqual([529, 200])
    world.upstream.reset()
    world.upstream.fault(wire.vendorModel, 'hang')
    const hung = world.anthropic.messages.create(request, { timeout: 100 })
    expect(await errorOf(hung)).toBeInstanceOf(Anthropic.APIConnectionTimeoutError)
  })
})

describe('anthropic SDK: errors of the gateway itself', () => {
  const request = { model: 'openai-chat', max_tokens: 64, messages }

  it('a wrong key is AuthenticationError, also as a bearer token', async () => {
    const strangers = [
      world.anthropic.withOptions({ apiKey: 'sk-wrong' }),
      world.anthropic.withOptions({ apiKey: null, authToken: 'sk-wrong' }),
    ]
    for (const stranger of strangers) {
      const caught = await errorOf(stranger.messages.create(request))
      expect(caught).toBeInstanceOf(Anthropic.AuthenticationError)
      expect(at(caught.error, 'error', 'type')).toBe('authentication_error')
    }
    const friend = world.anthropic.withOptions({ apiKey: null, authToken: world.gateway.key })
    expect((await friend.messages.create(request)).type).toBe('message')
    expect(world.all()).toHaveLength(1)
  })

  it('an unknown group is NotFoundError, a missing or wrong field BadRequestError', async () => {
    const unknown = await errorOf(world.anthropic.messages.create({ ...request, model: 'nobody' }))
    expect(unknown).toBeInstanceOf(Anthropic.NotFoundError)
    expect(at(unknown.error, 'error', 'type')).toBe('not_found_error')
    const bare = { model: 'openai-chat', messages } as unknown as Anthropic.MessageCreateParamsNonStreaming
    const missing = await errorOf(world.anthropic.messages.create(bare))
    expect(missing).toBeInstanceOf(Anthropic.BadRequestError)
    expect(at(missing.error, 'error', 'message')).toBe('max_tokens: Field required')
    const route = await errorOf(world.anthropic.post('/v1/messages/nowhere', { body: {} }))
    expect(route).toBeInstanceOf(Anthropic.NotFoundError)
    expect(at(route.error, 'type')).toBe('error')
    expect(world.all()).toHaveLength(0)
  })

  it('no gateway at all is APIConnectionError', async () => {
    const nowhere = new Anthropic({ baseURL: 'http://127.0.0.1:9', apiKey: 'k', maxRetries: 0 })
    expect(await errorOf(nowhere.models.list())).toBeInstanceOf(Anthropic.APIConnectionError)
  })
})
