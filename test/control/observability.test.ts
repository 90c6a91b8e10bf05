import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { version } from '../../src/platform/version.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, message, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { answeredBy, bearer, configure, deployment, eventually, explain, get, metric, readiness } from './setup.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({
    config: { model_list: [deployment('m', upstream, 'start')] },
    args: ['--detailed_debug'],
  })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const metrics = async (): Promise<string> => (await get(gateway, '/metrics')).text
const usage = (answer: StreamAnswer): Json => answer.json!['usage'] as Json
const price = {
  input_cost_per_token: 0.000003,
  output_cost_per_token: 0.000015,
  cache_read_input_token_cost: 0.0000003,
}

describe('headers of an answer', () => {
  it('say who answered, why, at what cost, under which configuration', async () => {
    await configure(gateway, {
      model_list: [deployment('h', upstream, 'h1', price), deployment('h', upstream, 'h2', price)],
    })
    const { version: configVersion, hash } = await readiness(gateway)
    const answer = await chat(gateway, 'h', 'one two three')
    const id = answeredBy(answer)
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/json/),
      'x-litellm-call-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'x-litellm-version': version,
      'x-litellm-model-id': expect.stringMatching(/^h[12]$/),
      'x-litellm-model-group': 'h',
      'x-litellm-model-name': `openai/${id}`,
      'x-routeiq-model': `openai/${id}`,
      'x-litellm-model-api-base': `${upstream.url}/v1`,
      'x-litellm-attempted-retries': '0',
      'x-litellm-attempted-fallbacks': '0',
      'x-routeiq-attempts': '1',
      'x-routeiq-strategy': 'simple-shuffle',
      'x-routeiq-reason': 'drawn at random from 2',
      'x-routeiq-config-version': `${configVersion}-${hash}`,
      'llm_provider-x-request-id': expect.stringMatching(/^req_/),
      'x-ratelimit-remaining-requests': '9999',
    })
    const [total, own] = ['x-litellm-response-duration-ms', 'x-litellm-overhead-duration-ms'].map(name =>
      Number(answer.headers[name]),
    )
    expect(own).toBeLessThanOrEqual(total!)
    expect(own).toBeGreaterThan(0)
    // 3 words in, `echo: one two three` out: 3 × $3 + 4 × $15 per million.
    expect(usage(answer)).toMatchObject({ prompt_tokens: 3, completion_tokens: 4 })
    expect(answer.headers['x-litellm-response-cost']).toBe('0.000069')
    expect(answer.headers['x-routeiq-cost']).toBeUndefined()
  })

  it('cost: cached tokens at their price, custom prices, free, unknown, and none on errors', async () => {
    await configure(gateway, {
      model_list: [
        deployment('cached', upstream, 'cached', price),
        deployment('request', upstream, 'request', {
          input_cost_per_token: 0,
          output_cost_per_token: 0,
          input_cost_per_request: 0.25,
        }),
        deployment('free', upstream, 'free', { input_cost_per_token: 0, output_cost_per_token: 0 }),
        deployment('unpriced', upstream, 'never-heard-of-it'),
        deployment('known', upstream, 'gpt-4o'),
        deployment('based', upstream, 'my-own-name', {}, { base_model: 'openai/gpt-4o' }),
        deployment('vectors', upstream, 'vectors', { input_cost_per_token: 0.5 }),
        deployment('broken', upstream, 'broken', price),
      ],
      router_settings: { num_retries: 0 },
    })
    upstream.fault('cached', 'cached=2')
    const cost = async (model: string) =>
      (await chat(gateway, model, 'one two three')).headers['x-litellm-response-cost']
    // (3 − 2) × 3 + 2 × 0.3 + 4 × 15 = 63.6 µ$.
    expect(await cost('cached')).toBe('0.0000636')
    expect(await cost('request')).toBe('0.25')
    expect(await cost('free')).toBe('0')
    expect(await cost('known')).toBe('0.0000475')
    expect(await cost('based')).toBe('0.0000475')
    const unknown = await chat(gateway, 'unpriced', 'hi')
    expect([unknown.headers['x-litellm-response-cost'], unknown.headers['x-routeiq-cost']]).toEqual([
      undefined,
      'unpriced',
    ])
    const vectors = await send(`${gateway.url}/v1/embeddings`, {
      headers: bearer(gateway),
      body: { model: 'vectors', input: 'a b' },
    })
    expect(vectors.headers['x-litellm-response-cost']).toBe(String(0.5 * (usage(vectors)['prompt_tokens'] as number)))
    upstream.fault('broken', 'status=500')
    const failed = await chat(gateway, 'broken', 'hi')
    expect(failed.status).toBe(500)
    expect(failed.headers['x-litellm-response-cost']).toBeUndefined()
    expect(failed.headers).toMatchObject({
      'x-litellm-model-id': 'broken',
      'x-routeiq-attempts': '1',
      'x-litellm-call-id': expect.any(String),
    })
  })

  it('include_cost_in_streaming_usage puts the cost into the last chunk, where usage is asked for', async () => {
    const model_list = [
      deployment('s', upstream, 's', price),
      deployment('claude', upstream, 'c', { ...price, model: 'anthropic/c', api_base: upstream.url }),
    ]
    const asked = { stream_options: { include_usage: true } }
    const costs = (answer: StreamAnswer) =>
      answer.events
        .map(event => (event.json?.['usage'] as Json | undefined)?.['cost'])
        .filter(cost => cost !== undefined)
    await configure(gateway, { model_list, litellm_settings: { include_cost_in_streaming_usage: true } })
    expect(costs(await chatStream(gateway, 's', 'one two three', asked))).toEqual([0.000069])
    expect(costs(await chatStream(gateway, 'claude', 'one two three', asked))).toEqual([0.000069])
    expect(costs(await chatStream(gateway, 's', 'one two three'))).toEqual([])
    await configure(gateway, { model_list })
    expect(costs(await chatStream(gateway, 's', 'one two three', asked))).toEqual([])
  })

  it('drop_params leaves out what a model does not know, and says what', async () => {
    const claude = (group: string, params: Json) =>
      deployment(group, upstream, group, { model: `anthropic/${group}`, api_base: upstream.url, ...params })
    const model_list = [
      claude('strict', {}),
      claude('lenient', { drop_params: true }),
      deployment('extra', upstream, 'extra', { additional_drop_params: ['temperature'] }),
    ]
    await configure(gateway, { model_list })
    const extra = { frequency_penalty: 0.5, logit_bias: { 1: 2 } }
    const refused = await chat(gateway, 'strict', 'hi', extra)
    expect([refused.status, refused.json!['error']]).toMatchObject([
      400,
      { code: 'unsupported_params', message: expect.stringContaining('frequency_penalty') },
    ])
    expect(upstream.requests).toEqual([])
    const dropped = await chat(gateway, 'lenient', 'hi', extra)
    expect(dropped.status).toBe(200)
    expect(String(dropped.headers['x-routeiq-dropped-params']).split(',').sort()).toEqual([
      'frequency_penalty',
      'logit_bias',
    ])
    expect(upstream.requests[0]!.body).not.toHaveProperty('frequency_penalty')
    const always = await chat(gateway, 'extra', 'hi', { temperature: 0.5, top_p: 0.5 })
    expect([always.status, upstream.requests[1]!.body]).toMatchObject([200, { top_p: 0.5 }])
    expect(upstream.requests[1]!.body).not.toHaveProperty('temperature')
    await configure(gateway, { model_list, litellm_settings: { drop_params: true } })
    expect((await chat(gateway, 'strict', 'hi', extra)).status).toBe(200)
  })
})

describe('explain', () => {
  it('shows plans, hops, usage, cost and times of a call with retry and fallback, to its own key only', async () => {
    await configure(gateway, {
      model_list: [
        deployment('first', upstream, 'e1', { ...price, order: 1 }),
        deployment('first', upstream, 'e2', { ...price, order: 2 }),
        deployment('second', upstream, 'e3', price),
      ],
      router_settings: { fallbacks: [{ first: ['second'] }], num_retries: 1 },
    })
    upstream.fault('e1', 'status=503')
    upstream.fault('e2', 'status=500')
    const answer = await chat(gateway, 'first', 'one two three')
    expect([answer.status, answeredBy(answer)]).toEqual([200, 'e3'])
    expect(answer.headers).toMatchObject({
      'x-litellm-attempted-retries': '1',
      'x-litellm-attempted-fallbacks': '1',
      'x-routeiq-attempts': '3',
      'x-litellm-model-group': 'second',
    })
    const told = await explain(gateway, answer)
    expect(told).toMatchObject({
      request_id: answer.headers['x-litellm-call-id'],
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      surface: 'openai',
      operation: 'chat',
      requested_model: 'first',
      stream: false,
      status: 200,
      error: null,
      config_version: (await readiness(gateway)).version,
      usage: { input: 3, output: 4 },
      cost: { total: 69_000, priced: true },
    })
    expect(told.plans.map(plan => [plan.model_group, plan.strategy])).toEqual([
      ['first', 'simple-shuffle'],
      ['first', 'simple-shuffle'],
      ['second', 'simple-shuffle'],
    ])
    expect(told.plans[0]!.candidates).toMatchObject([
      { deployment_id: 'e1', kept: true, reason: 'order 1, only candidate' },
      { deployment_id: 'e2', kept: false, reason: expect.stringContaining('lower order') },
    ])
    expect(told.plans[1]!.candidates[0]).toMatchObject({
      deployment_id: 'e1',
      kept: false,
      reason: 'already failed in this call',
    })
    expect(told.hops).toMatchObject([
      { model_group: 'first', deployment_id: 'e1', status: 503, outcome: 'service_unavailable' },
      { model_group: 'first', deployment_id: 'e2', status: 500, outcome: 'internal_server' },
      { model_group: 'second', deployment_id: 'e3', status: 200, outcome: 'answered', message: null },
    ])
    const times = told['timing_ms'] as Record<string, number>
    expect(times['total']).toBeGreaterThanOrEqual(times['upstream']!)
    expect(times['own']).toBeCloseTo(times['total']! - times['upstream']!, 1)

    const path = `/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`
    expect((await get(gateway, '/v1/routeiq/explain/unknown')).status).toBe(404)
    // Another key: the same id is as unknown to it as any.
    const list = { model_list: [deployment('m', upstream, 'm')] }
    gateway.writeConfig({ ...list, general_settings: { master_key: 'sk-other-owner' } })
    await send(`${gateway.url}/config/reload`, { method: 'POST', headers: bearer(gateway) })
    const foreign = await send(`${gateway.url}${path}`, { headers: { authorization: 'Bearer sk-other-owner' } })
    expect([foreign.status, foreign.json!['error']]).toMatchObject([404, { code: 'not_found' }])
    gateway.writeConfig({ ...list, general_settings: { master_key: gateway.key } })
    await send(`${gateway.url}/config/reload`, { method: 'POST', headers: { authorization: 'Bearer sk-other-owner' } })
    expect((await get(gateway, path)).status).toBe(200)
  })

  it('streams: time to first token, usage and cost are known after the end', async () => {
    await configure(gateway, { model_list: [deployment('s', upstream, 'es', price)] })
    upstream.fault('es', 'ttft=60')
    const answer = await chatStream(gateway, 's', 'one two three')
    expect(
      answer.events.some(event => event.json?.['usage'] != null),
      'not asked for',
    ).toBe(false)
    const told = await eventually(async () => {
      const found = await get(gateway, `/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`)
      return found.status === 200 ? found.json : undefined
    })
    expect(told).toMatchObject({ stream: true, status: 200, usage: { input: 3, output: 4 }, cost: { total: 69_000 } })
    expect((told['timing_ms'] as Record<string, number>)['ttft']).toBeGreaterThan(55)
  })

  it('keeps the newest explain_entries calls', async () => {
    await configure(gateway, { model_list: [deployment('m', upstream, 'm')], routeiq: { explain_entries: 3 } })
    const answers = []
    for (let call = 0; call < 5; call++) answers.push(await chat(gateway, 'm', `call ${call}`))
    const found = await Promise.all(
      answers.map(answer => get(gateway, `/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`)),
    )
    expect(found.map(answer => answer.status)).toEqual([404, 404, 200, 200, 200])
  })
})

describe('metrics', () => {
  it('count calls, tokens, spend, retries, failures, cooldowns and fallbacks exactly', async () => {
    await configure(gateway, {
      model_list: [
        deployment('mx', upstream, 'mx1', { ...price, order: 1 }),
        deployment('mx', upstream, 'mx2', { ...price, order: 2 }),
        deployment('my', upstream, 'my1', price),
        deployment('mz', upstream, 'mz1'),
      ],
      router_settings: { fallbacks: [{ mx: ['my'] }], cooldown_time: 60, num_retries: 2 },
    })
    for (let call = 0; call < 3; call++) expect((await chat(gateway, 'mx', 'one two three')).status).toBe(200)
    await chatStream(gateway, 'mx', 'one two three')
    upstream.fault('mx1', 'status=429')
    expect(answeredBy(await chat(gateway, 'mx', 'one two three'))).toBe('mx2')
    upstream.fault('mx2', 'status=429')
    expect(answeredBy(await chat(gateway, 'mx', 'one two three'))).toBe('my1')
    await message(gateway, 'mz', 'one two three')
    await chat(gateway, 'nobody-at-all', 'hi')
    const text = await eventually(async () => {
      const now = await metrics()
      return metric(now, 'litellm_in_flight_requests') === 0 ? now : undefined
    })
    const of = (name: string, labels: Record<string, string>) => metric(text, name, labels)
    const calls = 'litellm_proxy_total_requests_metric_total'
    expect(of(calls, { requested_model: 'mx', route: '/v1/chat/completions', status_code: '200' })).toBe(6)
    expect(of(calls, { requested_model: 'mz', route: '/v1/messages', status_code: '200' })).toBe(1)
    expect(
      of('litellm_proxy_failed_requests_metric_total', {
        requested_model: 'unknown',
        exception_class: 'model_not_found',
      }),
    ).toBe(1)
    expect(text).not.toContain('nobody-at-all')
    expect(of('litellm_deployment_success_responses_total', { model_id: 'mx1' })).toBe(4)
    expect(of('litellm_deployment_success_responses_total', { model_id: 'mx2' })).toBe(1)
    expect(of('litellm_deployment_failure_responses_total', { model_id: 'mx1', exception_class: 'rate_limit' })).toBe(1)
    expect(of('litellm_deployment_failure_responses_total', { model_id: 'mx2', exception_class: 'rate_limit' })).toBe(1)
    expect(of('litellm_deployment_total_requests_total', { model_id: 'mx1' })).toBe(5)
    expect(of('litellm_input_tokens_metric_total', { model_id: 'mx1' })).toBe(12)
    expect(of('litellm_output_tokens_metric_total', { model_id: 'mx1' })).toBe(16)
    expect(of('litellm_total_tokens_metric_total', { model_id: 'mx1' })).toBe(28)
    expect(of('litellm_spend_metric_total', { model_id: 'mx1' })).toBeCloseTo(4 * 0.000069, 12)
    expect(of('litellm_spend_metric_total', { model_id: 'my1' })).toBeCloseTo(0.000069, 12)
    expect(of('routeiq_unpriced_calls_total', { model_id: 'mz1' })).toBe(1)
    expect(of('litellm_deployment_cooled_down_total', { model_id: 'mx1' })).toBe(1)
    expect(of('litellm_deployment_state', { model_id: 'mx1' })).toBe(2)
    expect(of('litellm_deployment_state', { model_id: 'my1' })).toBe(0)
    expect(of('litellm_deployment_successful_fallbacks_total', { fallback_model: 'my' })).toBe(1)
    expect(of('routeiq_retries_total', { requested_model: 'mx', exception_class: 'rate_limit' })).toBe(1)
    expect(of('litellm_llm_api_time_to_first_token_metric_count', { model_id: 'mx1' })).toBe(1)
    expect(of('litellm_llm_api_latency_metric_count', { model_id: 'mx1' })).toBe(4)
    expect(of('litellm_request_total_latency_metric_count', { requested_model: 'mx' })).toBe(6)
    for (const line of text.split('\n')) {
      if (line !== '' && !line.startsWith('#'))
        expect(line).toMatch(/^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? (\d|\+Inf|NaN)/)
    }
  })
})

describe('logs', () => {
  it('hold one line per call with its id, and neither keys nor prompts', async () => {
    await configure(gateway, {
      model_list: [
        deployment('l', upstream, 'l', {
          api_key: 'plain-credential-of-no-known-form',
          extra_headers: { 'x-secret': 'hidden-header-value' },
        }),
      ],
      router_settings: { num_retries: 0 },
    })
    const secretPrompt = 'the-prompt-nobody-may-log'
    const answer = await chat(gateway, 'l', secretPrompt)
    expect(contentOf(answer)).toContain(secretPrompt)
    upstream.fault('l', 'status=401')
    const failed = await chat(gateway, 'l', secretPrompt)
    expect(failed.status).toBe(401)
    await chat({ url: gateway.url, key: 'sk-wrong-key-value' }, 'l', secretPrompt)
    const line = await gateway.waitForLog(
      new RegExp(`"request_id":"${answer.headers['x-litellm-call-id']}".*"msg":"call"`),
    )
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      operation: 'chat',
      model: 'l',
      deployment: 'l',
      provider: 'openai',
      status: 200,
      stream: false,
      attempts: 1,
      fallbacks: 0,
      input_tokens: 1,
      output_tokens: 2,
    })
    await gateway.waitForLog(new RegExp(`"request_id":"${failed.headers['x-litellm-call-id']}".*"msg":"call"`))
    await gateway.waitForLog(/"msg":"attempt failed"/)
    const logs = gateway.logs()
    for (const secret of [
      gateway.key,
      'plain-credential',
      'hidden-header-value',
      'sk-upstream-secret',
      'sk-wrong-key-value',
      secretPrompt,
    ]) {
      expect(logs).not.toContain(secret)
      expect(failed.text).not.toContain(secret)
    }
  })
})
