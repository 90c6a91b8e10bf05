import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { answeredBy, called, deployment, eventually, explain } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, message, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { done, newKey } from './setup.ts'

/** Dollars: an answer of the test upstream costs some thousandths of a dollar. */
const priced = { input_cost_per_token: 0.0001, output_cost_per_token: 0.0002 }

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({
    config: {
      model_list: [
        deployment('m', upstream, 'm', priced),
        deployment('other', upstream, 'other', priced),
        deployment('free', upstream, 'free', { input_cost_per_token: 0, output_cost_per_token: 0 }),
        deployment('broken', upstream, 'broken@status=500', { ...priced, num_retries: 0, cooldown_time: 0 }),
        deployment('dear', upstream, 'dear', { input_cost_per_token: 1, output_cost_per_token: 1 }),
        deployment('spare', upstream, 'first', { ...priced, order: 1, max_budget: 0.000001, budget_duration: '1d' }),
        deployment('spare', upstream, 'second', { ...priced, order: 2 }),
        deployment('lone', upstream, 'lone', { ...priced, max_budget: 0.000001, budget_duration: '1d' }),
      ],
      litellm_settings: { tag_budget_config: { small: { max_budget: 0.000001 } }, max_end_user_budget: 0.000001 },
      router_settings: { fallbacks: [{ broken: ['dear', 'm'] }], num_retries: 0 },
    },
  })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const ask = (key: string, model = 'm', extra: Json = {}, text = 'hi'): Promise<StreamAnswer> =>
  chat({ url: gateway.url, key }, model, text, { max_tokens: 50, ...extra })
const statuses = (answers: readonly StreamAnswer[]): Record<number, number> => {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
const errorOf = (answer: StreamAnswer): Json => answer.json?.['error'] as Json
const costOf = (answer: StreamAnswer): number => Number(answer.headers['x-litellm-response-cost'])

async function hold(key: string, count: number, stream = false): Promise<() => Promise<void>> {
  const controller = new AbortController()
  const undo = upstream.fault(request => request.text.includes('hold'), stream ? 'stall' : 'hang')
  const held = Array.from({ length: count }, () =>
    chat({ url: gateway.url, key }, 'm', 'hold', { max_tokens: 50, stream }, { signal: controller.signal }).catch(
      () => undefined,
    ),
  )
  await upstream.waitFor(() => upstream.requests.filter(request => request.text.includes('hold')).length === count)
  return async () => {
    controller.abort()
    await Promise.all(held)
    undo()
  }
}

describe('rates', () => {
  it('are exact under concurrency, and tell what, how much and until when', async () => {
    const key = await newKey(gateway, { rpm_limit: 10 })
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(key)))
    expect(statuses(answers)).toEqual({ 200: 10, 429: 50 })
    expect(called(upstream)).toHaveLength(10)
    const refused = answers.find(({ status }) => status === 429)!
    expect(errorOf(refused)).toMatchObject({
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      message: expect.stringMatching(
        /^Rate limit exceeded for this key: 10 requests per 60 s are in use\. Try again in \d+ s\.$/,
      ),
      details: { rate_limit_type: 'requests', scope: 'key', limit: 10, reset_at: expect.stringMatching(/Z$/) },
    })
    const wait = Number(refused.headers['retry-after'])
    expect(wait).toBeGreaterThan(50)
    expect(wait).toBeLessThanOrEqual(60)
    expect(refused.headers).toMatchObject({ rate_limit_type: 'requests', reset_at: expect.stringMatching(/Z$/) })
    expect((await ask(await newKey(gateway))).status, 'another key has its own').toBe(200)
    const anthropic = await message({ url: gateway.url, key }, 'm', 'hi')
    expect([anthropic.status, anthropic.json]).toMatchObject([429, { error: { type: 'rate_limit_error' } }])
  })

  it('are told in headers, of plain answers and of streams, in place of the vendor’s', async () => {
    const key = await newKey(gateway, { rpm_limit: 5, tpm_limit: 10_000, model_rpm_limit: { m: 3 } })
    const plain = await ask(key)
    const used = Number((plain.json!['usage'] as Json)['total_tokens'])
    expect(plain.headers).toMatchObject({
      'x-litellm-key-rpm-limit': '5',
      'x-litellm-key-tpm-limit': '10000',
      'x-ratelimit-limit-requests': '5',
      'x-ratelimit-remaining-requests': '4',
      'x-ratelimit-reset-requests': expect.stringMatching(/^\d+m?\d*s$/),
      'x-ratelimit-remaining-tokens': String(10_000 - used),
      'x-ratelimit-api_key-remaining-requests': '4',
      'x-litellm-key-remaining-requests-m': '2',
    })
    const streamed = await chatStream({ url: gateway.url, key }, 'm', 'hi', { max_tokens: 50 })
    expect(streamed.end).toBe('clean')
    expect(streamed.headers).toMatchObject({ 'x-ratelimit-remaining-requests': '3' })
    const third = await ask(key)
    expect(third.headers['x-ratelimit-remaining-requests']).toBe('2')
    const fourth = await ask(key)
    expect([fourth.status, errorOf(fourth)]).toMatchObject([429, { details: { scope: 'key', model: 'm' } }])
    expect((await ask(key, 'other')).status).toBe(200)
  })

  it('of tokens count what was used, and hold what calls in flight may use', async () => {
    const key = await newKey(gateway, { tpm_limit: 100 })
    const release = await hold(key, 1)
    const busy = await ask(key)
    expect([busy.status, errorOf(busy)]).toMatchObject([
      429,
      { details: { rate_limit_type: 'tokens' }, message: expect.stringContaining('reserved by calls in flight') },
    ])
    expect(busy.headers['retry-after']).toBe('1')
    await release()
    await eventually(async () => ((await ask(key)).status === 200 ? true : undefined))
    for (;;) {
      const answer = await ask(key)
      if (answer.status === 200) continue
      expect(errorOf(answer)).toMatchObject({ details: { rate_limit_type: 'tokens' } })
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(1)
      break
    }
  })

  it('are not used up by calls that failed or were refused', async () => {
    const key = await newKey(gateway, { rpm_limit: 2, max_parallel_requests: 1 })
    const undo = upstream.fault(request => request.text.includes('fail'), 'status=500')
    for (let i = 0; i < 4; i++) expect((await ask(key, 'other', {}, 'fail')).status).toBe(500)
    undo()
    const release = await hold(key, 1)
    for (let i = 0; i < 4; i++) expect((await ask(key, 'other')).status).toBe(429)
    await release()
    const left = await eventually(async () => {
      const answer = await ask(key, 'other')
      return answer.status === 200 ? answer : undefined
    })
    expect(left.headers['x-ratelimit-remaining-requests']).toBe('1')
  })

  it.each([false, true])('of parallel calls are free again when callers leave (streamed: %s)', async stream => {
    const key = await newKey(gateway, { max_parallel_requests: 3 })
    const release = await hold(key, 3, stream)
    const refused = await ask(key)
    expect([refused.status, errorOf(refused)]).toMatchObject([
      429,
      { details: { rate_limit_type: 'max_parallel_requests' } },
    ])
    await release()
    await eventually(async () => ((await ask(key)).status === 200 ? true : undefined))
  })

  it('of sessions bound each session alone', async () => {
    const key = await newKey(gateway, { metadata: { max_iterations: 2 } })
    const inSession = (session_id: string) => ask(key, 'm', { metadata: { session_id } })
    expect(statuses([await inSession('a'), await inSession('a'), await inSession('a')])).toEqual({ 200: 2, 429: 1 })
    expect((await inSession('b')).status).toBe(200)
  })
})

describe('budgets', () => {
  it('refuse when spent, with budget_exceeded, and are over by one call at most', async () => {
    const key = await newKey(gateway, { max_budget: 0.05, budget_duration: '30d' })
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(key)))
    let spent = 0
    let largest = 0
    const count = (answer: StreamAnswer): void => {
      if (answer.status !== 200) return
      spent += costOf(answer)
      largest = Math.max(largest, costOf(answer))
    }
    answers.forEach(count)
    let last: StreamAnswer
    do {
      last = await ask(key)
      count(last)
    } while (last.status === 200)
    expect(spent).toBeGreaterThanOrEqual(0.05)
    expect(spent).toBeLessThan(0.05 + largest)
    expect(errorOf(last)).toMatchObject({
      type: 'budget_exceeded',
      code: 'budget_exceeded',
      message: expect.stringMatching(
        /^Budget has been exceeded! The budget of this key is spent\. Current cost: 0\.05\d*, Max budget: 0\.05\. It resets at /,
      ),
      details: { rate_limit_type: 'budget', scope: 'key', limit: 0.05 },
    })
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(60)
    expect((await ask(key, 'free')).status, 'what costs nothing is still served').toBe(200)
  })

  it('are told in headers', async () => {
    const key = await newKey(gateway, { max_budget: 1 })
    const first = await ask(key)
    const second = await ask(key)
    expect(second.headers['x-litellm-key-max-budget']).toBe('1')
    expect(Number(second.headers['x-litellm-key-spend'])).toBeCloseTo(costOf(first) + costOf(second), 9)
    expect(Number(second.headers['x-routeiq-api-key-remaining-budget'])).toBeCloseTo(
      1 - costOf(first) - costOf(second),
      9,
    )
  })

  it('count what was streamed to a caller who left before the end', async () => {
    const key = await newKey(gateway, { max_budget: 1 })
    const undo = upstream.fault('m', 'chunks=200,cadence=5')
    const controller = new AbortController()
    let events = 0
    const onEvent = () => ++events === 60 && controller.abort()
    await chatStream({ url: gateway.url, key }, 'm', 'hi', { max_tokens: 500 }, { signal: controller.signal, onEvent })
    undo()
    const answer = await eventually(async () => {
      const next = await ask(key, 'free')
      return Number(next.headers['x-litellm-key-spend']) > 0 ? next : undefined
    })
    const spent = Number(answer.headers['x-litellm-key-spend'])
    expect(spent, 'some sixty tokens at two hundredths of a cent').toBeGreaterThan(20 * 0.0002)
    expect(spent).toBeLessThan(200 * 0.0002)
    const info = await eventually(async () => {
      const { info } = (await done(gateway, 'GET', `/key/info?key=${key}`)) as { info: Json }
      return Number(info['spend']) > 0 ? info : undefined
    })
    expect(Number(info['spend']), 'the books say the same').toBeCloseTo(spent, 9)
  })

  it('of several windows all hold', async () => {
    const key = await newKey(gateway, {
      budget_limits: [
        { budget_duration: '1h', max_budget: 0.000001 },
        { budget_duration: '30d', max_budget: 5 },
      ],
    })
    expect((await ask(key)).status).toBe(200)
    const refused = await ask(key)
    expect(errorOf(refused)).toMatchObject({ code: 'budget_exceeded', details: { limit: 0.000001 } })
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(3600)
  })

  it('of models within a key leave its other models', async () => {
    const key = await newKey(gateway, { model_max_budget: { m: { max_budget: 0.000001, budget_duration: '1d' } } })
    expect(statuses([await ask(key), await ask(key), await ask(key, 'other')])).toEqual({ 200: 2, 429: 1 })
  })

  it('of tags and end users come with the request', async () => {
    const key = await newKey(gateway)
    const tagged = () => ask(key, 'm', { metadata: { tags: ['small'] } })
    expect((await tagged()).status).toBe(200)
    expect(errorOf(await tagged())).toMatchObject({
      code: 'budget_exceeded',
      message: expect.stringContaining("tag 'small'"),
    })
    const user = `ann-${Date.now()}`
    expect((await ask(key, 'm', { user })).status).toBe(200)
    expect(errorOf(await ask(key, 'm', { user }))).toMatchObject({ details: { scope: 'end_user' } })
    expect((await ask(key)).status).toBe(200)
  })

  it('do not bind the master key', async () => {
    for (let i = 0; i < 3; i++) {
      expect((await ask(gateway.key, 'm', { user: 'operator', metadata: { tags: ['small'] } })).status).toBe(200)
    }
  })

  it('of deployments and vendors send calls elsewhere, and refuse when there is nowhere', async () => {
    const key = await newKey(gateway)
    expect(answeredBy(await ask(key, 'spare'))).toBe('first')
    const next = await ask(key, 'spare')
    expect(answeredBy(next)).toBe('second')
    const again = await ask(key, 'spare')
    expect((await explain({ ...gateway, url: gateway.url, key }, again)).plans[0]!.candidates[0]).toMatchObject({
      deployment_id: 'first',
      kept: false,
      reason: expect.stringContaining('budget'),
    })
    expect((await ask(key, 'lone')).status).toBe(200)
    const refused = await ask(key, 'lone')
    expect([refused.status, errorOf(refused)]).toMatchObject([
      429,
      { code: 'no_deployment_available', message: expect.stringContaining('1 over budget') },
    ])
    expect(Number(refused.headers['retry-after']), 'until midnight').toBeGreaterThan(1)
  })

  it('are asked again before a dearer fallback', async () => {
    const key = await newKey(gateway, { max_budget: 0.02 })
    const release = await hold(key, 1)
    const answer = await ask(key, 'broken', { max_tokens: 10 })
    expect(answer.headers['x-litellm-attempted-fallbacks']).toBe('1')
    expect(answeredBy(answer)).toBe('m')
    expect(called(upstream)).not.toContain('dear')
    await release()
  })
})

describe('scopes', () => {
  it('a key of a team is charged to the team, with every other key of it', async () => {
    const team = String(
      (await done(gateway, 'POST', '/team/new', { team_alias: 'blue', rpm_limit: 3, max_budget: 5 }))['team_id'],
    )
    const [a, b] = [await newKey(gateway, { team_id: team }), await newKey(gateway, { team_id: team })]
    const answers = [await ask(a), await ask(b), await ask(a)]
    expect(statuses(answers)).toEqual({ 200: 3 })
    expect(answers[2]!.headers['x-ratelimit-team-remaining-requests']).toBe('0')
    const refused = await ask(b)
    expect(errorOf(refused)).toMatchObject({
      details: { scope: 'team' },
      message: expect.stringContaining(`team '${team}'`),
    })
  })
})

describe('over restarts and alerts', () => {
  it('what was spent is remembered, and crossing a threshold is told once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'routeiq-limits-'))
    const events: Json[] = []
    const hook = createServer((request, response) => {
      let body = ''
      request.on('data', chunk => (body += chunk))
      request.on('end', () => {
        events.push(JSON.parse(body) as Json)
        response.end()
      })
    })
    await new Promise<void>(resolve => hook.listen(0, '127.0.0.1', resolve))
    const { port } = hook.address() as AddressInfo
    const config = (key: string): Json => ({
      model_list: [deployment('m', upstream, 'm', priced)],
      general_settings: { master_key: key, alerting: ['webhook'] },
      routeiq: {
        data_directory: folder,
        egress: { allow_cidrs: ['127.0.0.0/8'], webhooks: { allow_cidrs: ['127.0.0.0/8'], ports: [port] } },
      },
    })
    const env = { WEBHOOK_URL: `http://127.0.0.1:${port}/alerts` }
    const start = () => startGateway({ config: config('sk-restart'), env })
    let own = await start()
    try {
      const key = await newKey(own, { max_budget: 0.01, soft_budget: 0.001, key_alias: 'watched' })
      let answer: StreamAnswer
      do answer = await chat({ url: own.url, key }, 'm', 'hi', { max_tokens: 50 })
      while (answer.status === 200)
      expect(errorOf(answer)).toMatchObject({ code: 'budget_exceeded' })
      await eventually(() => (events.some(({ event }) => event === 'budget_crossed') ? true : undefined))
      expect(events.filter(({ event }) => event === 'soft_budget_crossed')).toHaveLength(1)
      expect(events[0]).toMatchObject({
        event_group: 'key',
        key_alias: 'watched',
        max_budget: 0.01,
        soft_budget: 0.001,
      })
      await own.stop()
      own = await start()
      const after = await chat({ url: own.url, key }, 'm', 'hi', { max_tokens: 50 })
      expect([after.status, errorOf(after)]).toMatchObject([429, { code: 'budget_exceeded' }])
    } finally {
      await own.stop()
      await new Promise(resolve => hook.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
