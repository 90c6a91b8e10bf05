import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { answeredBy, called, configure, countBy, deployment, explain, get, metric } from './setup.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'start')] } })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const retries = (answer: StreamAnswer): number => Number(answer.headers['x-litellm-attempted-retries'])
const attempts = (answer: StreamAnswer): number => Number(answer.headers['x-routeiq-attempts'])

describe('retries', () => {
  it('follow the request, the header, the deployment and the policies, in this order', async () => {
    const lone = (name: string, params: Json = {}) => deployment(name, upstream, name, params)
    await configure(gateway, {
      model_list: [
        lone('plain'),
        lone('own', { num_retries: 1 }),
        lone('grouped'),
        ...['q1', 'q2', 'q3'].map(id => deployment('wide', upstream, id)),
      ],
      router_settings: {
        num_retries: 0,
        retry_policy: { RateLimitErrorRetries: 1, BadRequestErrorRetries: 2, AuthenticationErrorRetries: 2 },
        model_group_retry_policy: { grouped: { InternalServerErrorRetries: 1, BadRequestErrorRetries: 0 } },
      },
    })
    const count = async (group: string, status: number, extra: Json = {}, headers: Record<string, string> = {}) => {
      upstream.reset()
      upstream.fault(() => true, { status })
      const answer = await chat(gateway, group, 'hi', extra, { headers })
      expect(attempts(answer)).toBe(upstream.requests.length)
      expect(retries(answer)).toBe(upstream.requests.length - 1)
      return upstream.requests.length
    }
    expect(await count('plain', 500)).toBe(1)
    expect(await count('plain', 500, { num_retries: 2 })).toBe(3)
    expect(await count('plain', 500, { num_retries: 2 }, { 'x-litellm-num-retries': '1' })).toBe(2)
    expect(await count('own', 500)).toBe(2)
    expect(await count('own', 500, { num_retries: 0 })).toBe(1)
    expect(await count('grouped', 500)).toBe(2)
    expect(await count('plain', 400)).toBe(3)
    expect(await count('grouped', 400)).toBe(1)
    // A refused credential is the deployment's fault: only another one is tried.
    expect(await count('plain', 401)).toBe(1)
    expect(await count('wide', 401)).toBe(3)
    expect(await count('plain', 422)).toBe(1)
  })

  it('num_retries never reaches the vendor, and nonsense is refused', async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    await chat(gateway, 'm', 'hi', { num_retries: 1, timeout: 30, fallbacks: [], disable_fallbacks: true })
    expect(Object.keys(upstream.requests[0]!.body!)).toEqual(['model', 'messages'])
    for (const extra of [
      { num_retries: 'many' },
      { num_retries: -1 },
      { timeout: 'soon' },
      { fallbacks: 'm' },
      { stream_timeout: [] },
    ]) {
      const answer = await chat(gateway, 'm', 'hi', extra)
      expect([answer.status, answer.json!['error']]).toMatchObject([
        400,
        { code: 'invalid_request', param: Object.keys(extra)[0] },
      ])
    }
  })

  it('go to another deployment at once, and wait as Retry-After says when there is none', async () => {
    await configure(gateway, {
      model_list: [
        deployment('two', upstream, 'two-a', { order: 1 }),
        deployment('two', upstream, 'two-b', { order: 2 }),
        deployment('one', upstream, 'one'),
      ],
    })
    upstream.fault('two-a', 'status=429,retry_after=30')
    const moved = await chat(gateway, 'two', 'hi')
    expect([moved.status, answeredBy(moved), retries(moved)]).toEqual([200, 'two-b', 1])
    expect((await explain(gateway, moved)).hops.map(hop => [hop.deployment_id, hop.outcome, hop.waited_ms])).toEqual([
      ['two-a', 'rate_limit', 0],
      ['two-b', 'answered', 0],
    ])

    upstream.fault('one', 'status=503,retry_after=1,fail=1')
    const waited = await chat(gateway, 'one', 'hi')
    expect([waited.status, retries(waited)]).toEqual([200, 1])
    const [first, second] = upstream.requests.filter(request => request.model === 'one')
    expect(second!.receivedAt - first!.receivedAt).toBeGreaterThanOrEqual(990)
    expect((await explain(gateway, waited)).hops[1]!.waited_ms).toBe(1000)
  })

  it('end when the caller leaves during the wait', async () => {
    await configure(gateway, { model_list: [deployment('gone', upstream, 'gone')] })
    upstream.fault('gone', 'status=503,retry_after=1')
    const controller = new AbortController()
    const pending = chat(gateway, 'gone', 'hi', {}, { signal: controller.signal }).catch(error => error.name)
    await upstream.waitFor(request => request.status === 503)
    controller.abort()
    expect(await pending).toBe('AbortError')
    await expect
      .poll(async () => metric((await get(gateway, '/metrics')).text, 'litellm_in_flight_requests'), { timeout: 900 })
      .toBe(0)
    expect(called(upstream)).toEqual(['gone'])
  })
})

describe('cooldown', () => {
  it('acts before the next call, names the wait when all cool, and one probe brings a deployment back', async () => {
    await configure(gateway, {
      model_list: ['c1', 'c2'].map(id => deployment('cool', upstream, id)),
      router_settings: { cooldown_time: 0.5, num_retries: 0 },
    })
    const bad = new Set(['c1', 'c2'])
    upstream.fault(request => bad.has(request.model), 'status=429')
    const first = await chat(gateway, 'cool', 'hi')
    expect(first.status).toBe(429)
    const second = await chat(gateway, 'cool', 'hi')
    expect(second.status).toBe(429)
    expect(new Set(called(upstream)), 'the very next call goes elsewhere').toEqual(bad)
    const third = await chat(gateway, 'cool', 'hi')
    expect(upstream.requests.length, 'nobody is called while all cool').toBe(2)
    expect([third.status, third.json!['error']]).toMatchObject([
      429,
      { code: 'no_deployment_available', message: expect.stringContaining('2 cooling down') },
    ])
    expect(third.headers['retry-after']).toBe('1')
    expect((await explain(gateway, third)).hops).toEqual([])
    const states = (await get(gateway, '/_health/models')).json!['models'] as { status: string }[]
    expect(states.map(({ status }) => status)).toEqual(['open', 'open'])
    expect(metric((await get(gateway, '/metrics')).text, 'litellm_deployment_state', { model_id: 'c1' })).toBe(2)

    bad.clear()
    // While the pause of 0.5 s lasts nobody gets through; then one call does.
    const back = await expect
      .poll(async () => (await chat(gateway, 'cool', 'hi')).status, { timeout: 5000, interval: 20 })
      .toBe(200)
      .then(() => chat(gateway, 'cool', 'hi'))
    expect(back.status).toBe(200)
    await expect
      .poll(async () => {
        await chat(gateway, 'cool', 'hi')
        const now = (await get(gateway, '/_health/models')).json!['models'] as { status: string }[]
        return now.map(({ status }) => status)
      })
      .toEqual(['closed', 'closed'])
  })

  it('lets exactly one probe through, and pauses twice as long when it fails', async () => {
    await configure(gateway, {
      model_list: [
        deployment('probe', upstream, 'p1', { order: 1 }),
        deployment('probe', upstream, 'p2', { order: 2 }),
      ],
      router_settings: { cooldown_time: 0.3 },
    })
    upstream.fault('p1', 'status=429')
    expect(answeredBy(await chat(gateway, 'probe', 'hi'))).toBe('p2')
    await expect
      .poll(
        async () => {
          await Promise.all(Array.from({ length: 10 }, () => chat(gateway, 'probe', 'hi')))
          return countBy(called(upstream)).p1
        },
        { timeout: 5000, interval: 20 },
      )
      .toBe(2)
    const [opened, probed] = upstream.requests.filter(request => request.model === 'p1')
    expect(probed!.receivedAt - opened!.receivedAt).toBeGreaterThan(295)
    upstream.fault('p1', 'status=200')
    await expect
      .poll(async () => answeredBy(await chat(gateway, 'probe', 'hi')), { timeout: 5000, interval: 20 })
      .toBe('p1')
    const last = upstream.requests.filter(request => request.model === 'p1').at(-1)!
    expect(last.receivedAt - probed!.receivedAt, 'doubled').toBeGreaterThan(595)
  })

  it('allowed_fails tolerates that many failures a minute; a policy per kind beats it', async () => {
    await configure(gateway, {
      model_list: [
        deployment('af', upstream, 'af1', { order: 1 }),
        deployment('af', upstream, 'af2', { order: 2 }),
        deployment(
          'pk',
          upstream,
          'pk1',
          { order: 1 },
          { allowed_fails_policy: { InternalServerErrorAllowedFails: 1 } },
        ),
        deployment('pk', upstream, 'pk2', { order: 2 }),
        deployment('never', upstream, 'nv1', { order: 1, cooldown_time: 0 }),
        deployment('never', upstream, 'nv2', { order: 2 }),
      ],
      router_settings: { allowed_fails: 2, cooldown_time: 60 },
    })
    upstream.fault(request => /1$/.test(request.model), 'status=500')
    for (let call = 0; call < 6; call++) {
      for (const group of ['af', 'pk', 'never']) expect((await chat(gateway, group, 'hi')).status).toBe(200)
    }
    expect(countBy(called(upstream))).toMatchObject({ af1: 3, pk1: 2, nv1: 6 })
  })

  it("is not caused by callers' own mistakes or own short timeouts", async () => {
    await configure(gateway, {
      model_list: [
        deployment('own', upstream, 'own1', { order: 1 }),
        deployment('own', upstream, 'own2', { order: 2 }),
      ],
      router_settings: { cooldown_time: 60, num_retries: 0 },
    })
    upstream.fault(request => request.text.includes('bad'), 'status=400')
    for (let call = 0; call < 8; call++) expect((await chat(gateway, 'own', 'bad')).status).toBe(400)
    upstream.fault(request => request.text.includes('slow'), 'hang')
    const late = await chat(gateway, 'own', 'slow', { timeout: 0.05 })
    expect([late.status, late.json!['error']]).toMatchObject([408, { type: 'timeout_error' }])
    expect(answeredBy(await chat(gateway, 'own', 'fine'))).toBe('own1')
  })

  it('disable_cooldowns turns it off', async () => {
    await configure(gateway, {
      model_list: [
        deployment('off', upstream, 'off1', { order: 1 }),
        deployment('off', upstream, 'off2', { order: 2 }),
      ],
      router_settings: { disable_cooldowns: true },
    })
    upstream.fault('off1', 'status=429')
    for (let call = 0; call < 4; call++) expect(answeredBy(await chat(gateway, 'off', 'hi'))).toBe('off2')
    expect(countBy(called(upstream)).off1).toBe(4)
  })
})

describe('timeouts', () => {
  it('of request, header and deployment; streams by first content and by idle time', async () => {
    await configure(gateway, {
      model_list: [
        deployment('t', upstream, 't'),
        deployment('td', upstream, 'td', { timeout: 0.1 }),
        deployment('ttft', upstream, 'ttft', { ttft_timeout: 0.1 }),
        deployment('idle', upstream, 'idle', { stream_idle_timeout: 0.1 }),
        deployment('spare', upstream, 'spare'),
      ],
      router_settings: { num_retries: 0, timeout: 20, fallbacks: [{ ttft: ['spare'] }] },
    })
    upstream.fault('t', 'hang')
    upstream.fault('td', 'hang')
    const timedOut = async (answer: Promise<StreamAnswer>, seconds: string) => {
      const { status, json } = await answer
      expect([status, json!['error']]).toMatchObject([
        408,
        { type: 'timeout_error', message: expect.stringContaining(`${seconds} s`) },
      ])
    }
    await timedOut(chat(gateway, 't', 'hi', { timeout: 0.1 }), '0.1')
    await timedOut(chat(gateway, 't', 'hi', { timeout: 9 }, { headers: { 'x-litellm-timeout': '0.12' } }), '0.12')
    await timedOut(chat(gateway, 'td', 'hi'), '0.1')
    await timedOut(chatStream(gateway, 't', 'hi', { stream_timeout: 0.1 }), '0.1')
    await timedOut(chatStream(gateway, 't', 'hi', {}, { headers: { 'x-litellm-stream-timeout': '0.11' } }), '0.11')
    await upstream.waitFor(
      () => upstream.requests.length === 5 && upstream.requests.every(request => request.abortedAt !== undefined),
    )

    upstream.fault('ttft', 'stall')
    const fell = await chatStream(gateway, 'ttft', 'hi')
    expect([fell.status, answeredBy(fell), contentOf(fell)]).toEqual([200, 'spare', 'echo: hi'])

    upstream.fault('idle', 'chunks=2,cadence=400')
    const broken = await chatStream(gateway, 'idle', 'one two three')
    expect([broken.status, broken.end]).toEqual([200, 'clean'])
    expect(broken.events.at(-2)!.json!['error']).toMatchObject({ type: 'timeout_error' })
    expect(broken.events.at(-1)!.data).toBe('[DONE]')
  })
})
