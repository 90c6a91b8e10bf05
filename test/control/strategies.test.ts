import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, contentOf, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { answeredBy, called, configure, countBy, deployment, explain } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
let serial = 0

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'start')] } })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

/** Statistics are kept by id over reloads: every test has names of its own. */
const named = (name: string): string => `${name}-${serial}`

async function strategy(routing: Json, list: (name: typeof named) => Json[]): Promise<void> {
  serial++
  await configure(gateway, { model_list: list(named), router_settings: routing })
}

/** Short name of who answered, without the test's number. */
const by = (answer: StreamAnswer): string => answeredBy(answer).replace(/-\d+$/, '')

async function sequence(count: number, text = 'hi'): Promise<string[]> {
  const names = []
  for (let call = 0; call < count; call++) {
    const answer = await chat(gateway, 'm', text)
    expect(answer.status, answer.text).toBe(200)
    names.push(by(answer))
  }
  return names
}

describe('routing strategies, seen from the upstream', () => {
  it('simple-shuffle spreads by weight, and evenly without', async () => {
    await strategy({ routing_strategy: 'simple-shuffle' }, name => [
      deployment('m', upstream, name('heavy'), { weight: 9 }),
      deployment('m', upstream, name('light'), { weight: 1 }),
      deployment('m', upstream, name('none'), { weight: 0 }),
    ])
    await Promise.all(Array.from({ length: 300 }, () => chat(gateway, 'm', 'hi')))
    const counts = countBy(called(upstream))
    // Binomial(300, 0.9): 270 ± 5.2; six standard deviations.
    expect(counts[named('heavy')]).toBeGreaterThan(238)
    expect(counts[named('light')]).toBeGreaterThan(3)
    expect(counts[named('none')]).toBeUndefined()

    upstream.reset()
    await strategy({}, name => ['a', 'b', 'c'].map(each => deployment('m', upstream, name(each))))
    await Promise.all(Array.from({ length: 300 }, () => chat(gateway, 'm', 'hi')))
    for (const count of Object.values(countBy(called(upstream)))) expect(count).toBeGreaterThan(51)
  })

  it('simple-shuffle takes rpm for weights where no weight is set', async () => {
    await strategy({}, name => [
      deployment('m', upstream, name('big'), { rpm: 950 }),
      deployment('m', upstream, name('small'), { rpm: 50 }),
    ])
    const answer = await chat(gateway, 'm', 'hi')
    expect(answer.headers['x-routeiq-reason']).toMatch(/^drawn by rpm (950|50) of 1000 from 2$/)
    await Promise.all(Array.from({ length: 200 }, () => chat(gateway, 'm', 'hi')))
    expect(countBy(called(upstream))[named('big')]).toBeGreaterThan(165)
  })

  it('least-busy leaves a busy deployment alone', async () => {
    await strategy({ routing_strategy: 'least-busy' }, name => [
      deployment('m', upstream, name('a')),
      deployment('m', upstream, name('b')),
    ])
    const stop = upstream.fault(request => request.text.includes('hold'), 'hang')
    const controller = new AbortController()
    const held = chat(gateway, 'm', 'hold', {}, { signal: controller.signal }).catch(() => undefined)
    const busy = (await upstream.waitFor(request => request.text.includes('hold'))).model
    const others = await sequence(8)
    expect(new Set(others).size).toBe(1)
    expect(named(others[0]!)).not.toBe(busy)
    controller.abort()
    await held
    stop()
    // Free again: ties are broken at random, so both get calls.
    expect(new Set(await sequence(30)).size).toBe(2)
  })

  it('latency-based-routing finds the fast one, plain and streamed', async () => {
    await strategy({ routing_strategy: 'latency-based-routing' }, name => [
      deployment('m', upstream, name('slow')),
      deployment('m', upstream, name('quick')),
    ])
    upstream.fault(request => request.model.startsWith('slow'), 'delay=150')
    const first = await sequence(2)
    expect(new Set(first).size, 'each is measured once').toBe(2)
    expect(await sequence(8)).toEqual(Array(8).fill('quick'))
    const measured = await chat(gateway, 'm', 'hi')
    expect(measured.headers['x-routeiq-reason']).toMatch(/ms, best of 2$/)

    upstream.reset()
    upstream.fault(request => request.model.startsWith('quick'), 'ttft=150')
    const streamed = []
    for (let call = 0; call < 6; call++) streamed.push(by(await chatStream(gateway, 'm', 'hi')))
    expect(new Set(streamed.slice(0, 2)).size, 'streams are measured by themselves').toBe(2)
    expect(streamed.slice(2)).toEqual(Array(4).fill('slow'))
  })

  it('cost-based-routing takes the cheapest, and never an unknown price first', async () => {
    const price = (input: number, output: number): Json => ({
      input_cost_per_token: input,
      output_cost_per_token: output,
    })
    await strategy({ routing_strategy: 'cost-based-routing' }, name => [
      deployment('m', upstream, name('unknown')),
      deployment('m', upstream, name('dear'), price(1e-5, 2e-5)),
      deployment('m', upstream, name('cheap'), price(1e-6, 2e-6)),
      deployment('m', upstream, name('middle'), price(2e-6, 4e-6)),
    ])
    expect(await sequence(6)).toEqual(Array(6).fill('cheap'))
    upstream.fault(named('cheap'), 'status=429,retry_after=60')
    expect(await sequence(3)).toEqual(Array(3).fill('middle'))
    upstream.fault(named('middle'), 'status=429,retry_after=60')
    upstream.fault(named('dear'), 'status=429,retry_after=60')
    const last = await chat(gateway, 'm', 'hi')
    expect(by(last)).toBe('unknown')
    expect(last.headers['x-litellm-response-cost']).toBeUndefined()
    expect(last.headers['x-routeiq-cost']).toBe('unpriced')
  })

  it.each(['usage-based-routing', 'usage-based-routing-v2'])(
    '%s evens out tokens and keeps to rpm and tpm',
    async id => {
      await strategy({ routing_strategy: id }, name => [
        deployment('m', upstream, name('a')),
        deployment('m', upstream, name('b')),
      ])
      const long = Array.from({ length: 400 }, (_, at) => `word${at}`).join(' ')
      const heavy = (await sequence(1, long))[0]
      // Whoever took the long prompt is left alone until the other has caught up.
      for (const name of await sequence(6)) expect(name).not.toBe(heavy)

      upstream.reset()
      await strategy({ routing_strategy: id }, name => [
        deployment('m', upstream, name('rpm2'), { rpm: 2 }),
        deployment('m', upstream, name('tpm'), { tpm: 300 }),
      ])
      expect(countBy(await sequence(4)).rpm2).toBe(2)
      await sequence(1, long.slice(0, 700))
      // Both at their limits now: nobody is called.
      const statuses = []
      for (let call = 0; call < 40; call++) {
        const answer = await chat(gateway, 'm', long.slice(0, 400))
        statuses.push(answer.status)
        if (answer.status === 200) continue
        expect(answer.status).toBe(429)
        expect(answer.json!['error']).toMatchObject({ code: 'no_deployment_available' })
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
        expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
        const told = await explain(gateway, answer)
        expect(told['error']).toBe('no_deployment_available')
        break
      }
      expect(statuses.at(-1)).toBe(429)
      expect(countBy(called(upstream))[named('rpm2')]).toBe(2)
    },
  )

  it('order: the lowest takes all, the next steps in, and the first comes back', async () => {
    await strategy({}, name => [
      deployment('m', upstream, name('second'), { order: 2 }),
      deployment('m', upstream, name('first'), { order: 1, cooldown_time: 0.3 }),
      deployment('m', upstream, name('last')),
    ])
    expect(await sequence(5)).toEqual(Array(5).fill('first'))
    const stop = upstream.fault(named('first'), 'status=429')
    const failedOver = await chat(gateway, 'm', 'hi')
    expect(by(failedOver)).toBe('second')
    expect(failedOver.headers['x-litellm-attempted-retries']).toBe('1')
    expect(await sequence(2)).toEqual(['second', 'second'])
    stop()
    await expect.poll(async () => by(await chat(gateway, 'm', 'hi')), { timeout: 5000, interval: 50 }).toBe('first')
    expect(await sequence(3)).toEqual(Array(3).fill('first'))
  })

  it('prefix affinity keeps a long conversation on one deployment where cached input is cheaper', async () => {
    const cached = { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, cache_read_input_token_cost: 1e-7 }
    const list = (params: Json) => (name: typeof named) =>
      ['a', 'b', 'c', 'd'].map(each => deployment('m', upstream, name(each), params))
    const system = Array.from({ length: 2000 }, (_, at) => `rule${at}`).join(' ')
    const talk = (user: number, turn: number): Json[] => [
      { role: 'system', content: `${user} ${system}` },
      { role: 'user', content: `question of ${user}` },
      ...Array.from({ length: turn }, (_, at) => ({ role: at % 2 ? 'user' : 'assistant', content: `turn ${at}` })),
      { role: 'user', content: 'go on' },
    ]
    const turns = async (user: number): Promise<string[]> => {
      const names = []
      for (let turn = 0; turn < 5; turn++) names.push(by(await chat(gateway, 'm', talk(user, turn * 2))))
      return names
    }
    await strategy({}, list(cached))
    const homes = []
    for (let user = 0; user < 8; user++) {
      const names = await turns(user)
      expect(new Set(names).size, `conversation ${user}: ${names}`).toBe(1)
      homes.push(names[0])
    }
    expect(new Set(homes).size, 'different prefixes spread').toBeGreaterThan(1)
    const kept = await chat(gateway, 'm', talk(0, 0))
    expect(kept.headers['x-routeiq-reason']).toMatch(/prompt-cache affinity/)
    expect(contentOf(kept)).toBe('echo: go on')

    // No discount, no affinity: 25 draws from four land on more than one (chance of failing 4⁻²⁴).
    await strategy({}, list({ input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 }))
    const free = []
    for (let round = 0; round < 5; round++) free.push(...(await turns(0)))
    expect(new Set(free).size).toBeGreaterThan(1)
  })
})
