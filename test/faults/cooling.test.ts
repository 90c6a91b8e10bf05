import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, message } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'

/** Faults whose answer depends on what was learned before, or on how long the head was held. */
describe('what a gateway remembers and how long it waits', () => {
  let gateway: Gateway
  let upstream: Upstream
  beforeAll(async () => {
    upstream = await startUpstream()
    const entry = (name: string, fault: string, params: Json = {}): Json => ({
      model_name: name,
      litellm_params: {
        model: `openai/${name}@${fault}`,
        api_base: `${upstream.url}/v1`,
        api_key: 'sk-upstream',
        num_retries: 3,
        ...params,
      },
    })
    gateway = await startGateway({
      config: {
        model_list: [
          entry('limited', 'status=429', { order: 1 }),
          entry('limited', 'status=429', { order: 2 }),
          entry('limited-with-fallback', 'status=429', { order: 1 }),
          entry('limited-with-fallback', 'status=429', { order: 2 }),
          entry('healthy', 'chunks=3'),
          entry('late-error', 'ttft=1500,error_content=0,error_kind=rate_limit', { num_retries: 0 }),
          entry('late', 'ttft=1500', { num_retries: 0 }),
        ],
        router_settings: {
          cooldown_time: 60,
          fallbacks: [{ 'limited-with-fallback': ['healthy'] }, { 'late-error': ['healthy'] }],
        },
        routeiq: { stream_commit_timeout: 0.3 },
      },
    })
  })
  afterAll(async () => {
    await gateway?.stop()
    await upstream?.close()
  })
  beforeEach(() => upstream.reset())

  it('all cooling: 429 with the wait, in both dialects, and no upstream is asked', async () => {
    const first = await chat(gateway, 'limited', 'hi')
    expect([first.status, first.headers['x-routeiq-attempts']]).toEqual([429, '2'])
    expect(upstream.requests.length).toBe(2)
    const second = await chatStream(gateway, 'limited', 'hi')
    expect(second.status).toBe(429)
    expect(second.json).toMatchObject({ error: { code: 'no_deployment_available', type: 'rate_limit_error' } })
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(50)
    expect(Number(second.headers['retry-after'])).toBeLessThanOrEqual(60)
    const third = await message(gateway, 'limited', 'hi')
    expect([third.status, third.json?.['type']]).toEqual([429, 'error'])
    expect(third.json).toMatchObject({ error: { type: 'rate_limit_error' } })
    expect(upstream.requests.length).toBe(2)
  })

  it('all cooling: the fallback answers at once', async () => {
    expect((await chat(gateway, 'limited-with-fallback', 'hi')).status).toBe(200)
    upstream.reset()
    const answer = await chat(gateway, 'limited-with-fallback', 'hi')
    expect([answer.status, answer.headers['x-routeiq-attempts'], answer.headers['x-litellm-model-group']]).toEqual([
      200,
      '1',
      'healthy',
    ])
    expect(upstream.requests.map(({ model }) => model)).toEqual(['healthy'])
  })

  it('the head of a stream is held for the first content, but not for ever', async () => {
    const late = await chatStream(gateway, 'late', 'hi')
    const firstContent = late.events.find(event => event.data.includes('echo'))
    expect([late.status, contentOf(late)]).toEqual([200, 'echo: hi'])
    expect(late.headAt).toBeGreaterThan(250)
    expect(firstContent!.at - late.headAt).toBeGreaterThan(500)
  })

  it('an error after the wait comes as an event: the head is out, a fallback would be a lie', async () => {
    const answer = await chatStream(gateway, 'late-error', 'hi')
    expect([answer.status, answer.end, answer.headers['x-litellm-model-group']]).toEqual([200, 'clean', 'late-error'])
    expect(answer.events.at(-2)?.json).toMatchObject({ error: { type: 'rate_limit_error' } })
    expect(answer.events.at(-1)?.data).toBe('[DONE]')
    expect(upstream.requests.length).toBe(1)
  })
})
