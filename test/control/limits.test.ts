import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, message, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { answeredBy, called, configure, deployment, explain, get, metric } from './setup.ts'

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

const metrics = async (): Promise<string> => (await get(gateway, '/metrics')).text

/** Calls that hang at the upstream until they are let go. */
async function hold(model: string, count = 1): Promise<{ release(): Promise<void> }> {
  const controller = new AbortController()
  const undo = upstream.fault(request => request.text.includes('hold'), 'hang')
  const held = Array.from({ length: count }, () =>
    chat(gateway, model, 'hold', {}, { signal: controller.signal }).catch(() => undefined),
  )
  await upstream.waitFor(() => upstream.requests.filter(request => request.text.includes('hold')).length === count)
  return {
    async release() {
      controller.abort()
      await Promise.all(held)
      await upstream.waitFor(() =>
        upstream.requests.every(request => !request.text.includes('hold') || request.abortedAt !== undefined),
      )
      undo()
    },
  }
}

describe('admission', () => {
  const configured = (limits: Json) =>
    configure(gateway, {
      model_list: [deployment('m', upstream, 'm')],
      general_settings: { master_key: gateway.key, ...limits },
    })
  const refused = (answer: StreamAnswer) => {
    expect([answer.status, answer.json!['error']]).toMatchObject([503, { code: 'overloaded', type: 'server_error' }])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  }

  it('refuses beyond the limit at once, in the dialect, and takes calls again after', async () => {
    await configured({ max_in_flight_requests_per_worker: 2 })
    const held = await hold('m', 2)
    refused(await chat(gateway, 'm', 'hi'))
    const anthropic = await message(gateway, 'm', 'hi')
    expect([anthropic.status, anthropic.json]).toMatchObject([
      503,
      { type: 'error', error: { type: 'overloaded_error' } },
    ])
    expect((await get(gateway, '/health/readiness')).json).toMatchObject({ in_flight: 2, status: 'healthy' })
    expect(called(upstream)).toEqual(['m', 'm'])
    await held.release()
    await expect.poll(async () => (await chat(gateway, 'm', 'hi')).status).toBe(200)
  })

  it('queues up to the limit, first come first served, and gives up after the wait', async () => {
    await configured({
      max_in_flight_requests_per_worker: 1,
      max_queued_requests_per_worker: 2,
      admission_queue_timeout_seconds: 20,
    })
    const held = await hold('m')
    const first = chat(gateway, 'm', 'first')
    await expect.poll(async () => metric(await metrics(), 'routeiq_queued_requests')).toBe(1)
    const second = chat(gateway, 'm', 'second')
    await expect.poll(async () => metric(await metrics(), 'routeiq_queued_requests')).toBe(2)
    refused(await chat(gateway, 'm', 'third'))
    await held.release()
    expect((await Promise.all([first, second])).map(answer => answer.status)).toEqual([200, 200])
    expect(upstream.requests.map(request => (request.body!['messages'] as Json[])[0]!['content'])).toEqual([
      'hold',
      'first',
      'second',
    ])

    await configured({
      max_in_flight_requests_per_worker: 1,
      max_queued_requests_per_worker: 2,
      admission_queue_timeout_seconds: 0.1,
    })
    const again = await hold('m')
    refused(await chat(gateway, 'm', 'late'))
    await again.release()
  })

  it('a caller who leaves the queue is not served, and its place is free', async () => {
    await configured({
      max_in_flight_requests_per_worker: 1,
      max_queued_requests_per_worker: 1,
      admission_queue_timeout_seconds: 20,
    })
    const held = await hold('m')
    const controller = new AbortController()
    const leaving = chat(gateway, 'm', 'leaving', {}, { signal: controller.signal }).catch(error => error.name)
    await expect.poll(async () => metric(await metrics(), 'routeiq_queued_requests')).toBe(1)
    controller.abort()
    expect(await leaving).toBe('AbortError')
    await expect
      .poll(async () => metric(await metrics(), 'routeiq_queued_requests'), { message: 'the place in the queue' })
      .toBe(0)
    const staying = chat(gateway, 'm', 'staying')
    await expect.poll(async () => metric(await metrics(), 'routeiq_queued_requests')).toBe(1)
    await held.release()
    expect((await staying).status).toBe(200)
    expect(upstream.requests.some(request => request.text.includes('leaving'))).toBe(false)
    await expect.poll(async () => metric(await metrics(), 'litellm_in_flight_requests')).toBe(0)
  })

  it('a reload raises the limit for those who wait', async () => {
    await configured({
      max_in_flight_requests_per_worker: 1,
      max_queued_requests_per_worker: 5,
      admission_queue_timeout_seconds: 20,
    })
    const held = await hold('m')
    const waiting = chat(gateway, 'm', 'waiting')
    await expect.poll(async () => metric(await metrics(), 'routeiq_queued_requests')).toBe(1)
    await configured({})
    expect((await waiting).status).toBe(200)
    await held.release()
  })
})

describe('limits of deployments', () => {
  it('max_parallel_requests sends further calls elsewhere, and refuses them when there is nowhere', async () => {
    await configure(gateway, {
      model_list: [
        deployment('p', upstream, 'p1', { order: 1, max_parallel_requests: 1 }),
        deployment('p', upstream, 'p2', { order: 2 }),
        deployment('lone', upstream, 'lone', { max_parallel_requests: 2 }),
      ],
    })
    const held = await hold('p')
    expect(answeredBy(await chat(gateway, 'p', 'hi'))).toBe('p2')
    await held.release()
    await expect.poll(async () => answeredBy(await chat(gateway, 'p', 'hi'))).toBe('p1')
    const full = await hold('lone', 2)
    const refused = await chat(gateway, 'lone', 'hi')
    expect([refused.status, refused.json!['error']]).toMatchObject([
      429,
      { code: 'no_deployment_available', message: expect.stringContaining('1 parallel limit') },
    ])
    expect(refused.headers['retry-after']).toBe('1')
    await full.release()
  })

  it('enable_pre_call_checks: prompts that do not fit and what a model does not support', async () => {
    const long = Array.from({ length: 9000 }, (_, at) => `word${at}`).join(' ')
    const image = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
        ],
      },
    ]
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }]
    const list = [
      deployment(
        'c',
        upstream,
        'small',
        { order: 1 },
        { max_input_tokens: 2000, supports_vision: false, supports_function_calling: false },
      ),
      deployment('c', upstream, 'large', { order: 2 }, { max_input_tokens: 100_000 }),
      deployment('tiny', upstream, 'tiny', {}, { max_input_tokens: 2000, supports_vision: false }),
      deployment('long', upstream, 'long'),
    ]
    await configure(gateway, { model_list: list, router_settings: { enable_pre_call_checks: true } })
    const by = async (...call: [string, string | Json[], Json?]) => answeredBy(await chat(gateway, ...call))
    expect(await by('c', 'short')).toBe('small')
    expect(await by('c', long)).toBe('large')
    expect(await by('c', image)).toBe('large')
    expect(await by('c', 'short', { tools })).toBe('large')
    const told = await explain(gateway, await chat(gateway, 'c', long))
    expect(told.plans[0]!.candidates[0]).toMatchObject({
      deployment_id: 'small',
      kept: false,
      reason: 'prompt does not fit its context window',
    })
    upstream.reset()
    const tooLong = await chat(gateway, 'tiny', long)
    expect([tooLong.status, tooLong.json!['error']]).toMatchObject([
      400,
      { code: 'context_length_exceeded', param: 'messages' },
    ])
    const unsupported = await chat(gateway, 'tiny', image)
    expect([unsupported.status, unsupported.json!['error']]).toMatchObject([400, { code: 'unsupported_params' }])
    expect(called(upstream)).toEqual([])

    await configure(gateway, {
      model_list: list,
      router_settings: { enable_pre_call_checks: true, context_window_fallbacks: [{ tiny: ['long'] }] },
    })
    expect(await by('tiny', long)).toBe('long')
    expect(called(upstream)).toEqual(['long'])

    await configure(gateway, { model_list: list })
    expect(await by('c', long), 'no checks unless asked for').toBe('small')
  })

  it('optional_pre_call_checks: enforce_model_rate_limits makes rpm a cap with any strategy', async () => {
    await configure(gateway, {
      model_list: [deployment('r', upstream, 'r1', { rpm: 3 })],
      router_settings: { optional_pre_call_checks: ['enforce_model_rate_limits'] },
    })
    const statuses = []
    for (let call = 0; call < 5; call++) statuses.push((await chat(gateway, 'r', 'hi')).status)
    expect(statuses).toEqual([200, 200, 200, 429, 429])
    expect(called(upstream)).toHaveLength(3)
  })
})

describe('a caller who leaves', () => {
  it('aborts the upstream within 50 ms, plain and streamed', async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    for (const streamed of [false, true]) {
      upstream.reset()
      upstream.fault('m', streamed ? 'chunks=200,cadence=10' : 'hang')
      const controller = new AbortController()
      let leftAt = 0
      const leave = () => {
        leftAt ||= performance.now()
        controller.abort()
      }
      const pending = chat(
        gateway,
        'm',
        'hi',
        { stream: streamed },
        { signal: controller.signal, onEvent: leave },
      ).catch(() => undefined)
      const request = await upstream.waitFor(() => upstream.requests.length === 1)
      if (!streamed) leave()
      await pending
      await upstream.waitFor(entry => entry === request && entry.abortedAt !== undefined)
      // Loopback on a busy machine: the bound of the specification plus scheduling.
      expect(request.abortedAt! - leftAt).toBeLessThan(250)
    }
  })

  it('with cancel_on_disconnect: false the answer is finished and booked', async () => {
    await configure(gateway, {
      model_list: [deployment('paid', upstream, 'paid', { input_cost_per_token: 0.001, output_cost_per_token: 0.001 })],
      general_settings: { master_key: gateway.key, cancel_on_disconnect: false },
    })
    for (const streamed of [true, false]) {
      upstream.reset()
      upstream.fault('paid', streamed ? 'chunks=20,cadence=10' : 'delay=200')
      const spent = metric(await metrics(), 'litellm_spend_metric_total', { model_id: 'paid' })
      const controller = new AbortController()
      const options = { signal: controller.signal, onEvent: () => controller.abort() }
      const pending = chat(gateway, 'paid', 'hi', { stream: streamed }, options).catch(() => undefined)
      await upstream.waitFor(() => upstream.requests.length === 1)
      if (!streamed) controller.abort()
      await pending
      const request = await upstream.waitFor(entry => entry.finishedAt !== undefined)
      expect(request.abortedAt).toBeUndefined()
      await expect
        .poll(async () => metric(await metrics(), 'litellm_spend_metric_total', { model_id: 'paid' }), {
          message: `streamed: ${streamed}`,
        })
        .toBeGreaterThan(spent)
    }
  })

  it('by default nothing is booked for a stream that was left', async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')] })
    upstream.fault('m', 'chunks=100,cadence=10')
    const controller = new AbortController()
    const left = await chatStream(
      gateway,
      'm',
      'hi',
      {},
      { signal: controller.signal, onEvent: () => controller.abort() },
    )
    expect(left.end).not.toBe('clean')
    await expect.poll(async () => (await explain(gateway, left))['status']).toBe(499)
    expect((await explain(gateway, left))['error']).toBe('client_disconnected')
  })
})
