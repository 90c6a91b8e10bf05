import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bearer, configure, get, metric } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { prompts, type Shelf, shelf, trainedArtifact } from './artifacts.ts'
import { ask, decisionOf, modelList, modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let files: Shelf
let artifact: string

beforeAll(async () => {
  files = shelf()
  artifact = files.put('router.routeiq', await trainedArtifact({}))
  upstream = await startUpstream()
  gateway = await startGateway({ config: learned() })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  files.remove()
})

function learned(args: Json = {}, routing: Json = {}, strategy = 'routeiq-auto'): Json {
  return {
    model_list: modelList(upstream),
    router_settings: { routing_strategy: strategy, routing_strategy_args: { model_path: artifact, ...args } },
    routeiq: { routing },
  }
}

describe('a strategy that learned', () => {
  it.each(['routeiq-auto', 'llmrouter-knn', 'llmrouter-ridge', 'llmrouter-kmeans'])(
    '%s sends each kind of prompt where it is answered well for its price',
    async strategy => {
      await configure(gateway, learned({}, {}, strategy))
      for (const group of ['mixed', 'auto']) {
        expect(await ask(gateway, group, prompts.calculate), group).toBe('medium')
        expect(await ask(gateway, group, prompts.prove), group).toBe('large')
        expect(['small', 'medium'], group).toContain(await ask(gateway, group, prompts.chat))
      }
      const answer = await chat(gateway, 'mixed', prompts.prove)
      const decision = await decisionOf(gateway, answer)
      expect(decision).toMatchObject({ strategy, reason: 'learned', chosen: 'large', explored: false, propensity: 1 })
      expect(decision.candidates).toHaveLength(3)
      expect(answer.headers['x-routeiq-router']).toBe(`${strategy}@${decision.artifact}`)
      expect(Number(answer.headers['x-routeiq-quality'])).toBeGreaterThan(0.8)
      expect(Number(answer.headers['x-routeiq-cost'])).toBeGreaterThan(0.001)
      expect(answer.headers['x-routeiq-lambda']).toBe('0.100')
      expect(answer.headers['x-routeiq-reason']).toMatch(/^cluster \d+ \(.+\), 0\.\d\d against 0\.\d\d$/)
    },
  )

  it('llmrouter-largest, -smallest and -hybrid act', async () => {
    await configure(gateway, learned({}, {}, 'llmrouter-largest'))
    expect(await ask(gateway, 'mixed', prompts.chat)).toBe('large')
    await configure(gateway, learned({}, {}, 'llmrouter-smallest'))
    expect(await ask(gateway, 'mixed', prompts.prove)).toBe('small')
    await configure(gateway, learned({ weak_model: 'medium' }, {}, 'llmrouter-hybrid'))
    expect(await ask(gateway, 'mixed', prompts.prove)).toBe('large')
    expect(await ask(gateway, 'mixed', prompts.chat)).toMatch(/medium|large/)
    expect((await decisionOf(gateway, await chat(gateway, 'mixed', prompts.chat))).candidates).toContainEqual(
      expect.objectContaining({ model: 'small', removedBy: 'not_allowed' }),
    )
    await configure(gateway, learned({ weak_model: 'medium', threshold: 0.001 }, {}, 'llmrouter-hybrid'))
    expect(await ask(gateway, 'mixed', prompts.calculate)).toBe('medium')
  })

  it('llmrouter-cost-aware takes the cheapest that is good enough', async () => {
    await configure(gateway, learned({ quality_threshold: 0.7 }, {}, 'llmrouter-cost-aware'))
    expect(await ask(gateway, 'mixed', prompts.chat)).toBe('small')
    expect(await ask(gateway, 'mixed', prompts.calculate)).toBe('medium')
    expect(await ask(gateway, 'mixed', prompts.prove)).toBe('large')
    await configure(
      gateway,
      learned({ quality_threshold: 0.7, max_cost_per_1k_tokens: 0.003 }, {}, 'llmrouter-cost-aware'),
    )
    expect(await ask(gateway, 'mixed', prompts.prove)).toBe('medium')
  })

  it('a custom module decides; one that throws is passed over and counted', async () => {
    const module = files.put(
      'custom.mjs',
      `export default (prompt, models) => {
        if (prompt.text.includes('boom')) throw new Error('no')
        return models.map(model => (model.name === 'medium' ? 1 : 0))
      }`,
    )
    await configure(gateway, learned({ module }, {}, 'llmrouter-custom'))
    expect(await ask(gateway, 'mixed', prompts.prove)).toBe('medium')
    const answer = await chat(gateway, 'mixed', 'boom')
    expect(answer.status).toBe(200)
    expect(answer.headers['x-routeiq-reason']).toMatch(/^drawn at random from 3/)
    const metrics = (await get(gateway, '/metrics')).text
    expect(metric(metrics, 'routeiq_learned_passed_over_total', { strategy: 'llmrouter-custom', cause: 'error' })).toBe(
      1,
    )
  })

  it('leaves embeddings and groups of one model to the classic order', async () => {
    await configure(gateway, learned())
    const single = await chat(gateway, 'small', prompts.prove)
    expect(modelOf(single)).toBe('small')
    expect(single.headers['x-routeiq-router']).toBeUndefined()
    const embeddings = await send(`${gateway.url}/v1/embeddings`, {
      headers: bearer(gateway),
      body: { model: 'mixed', input: 'Prove' },
    })
    expect(embeddings.status, embeddings.text).toBe(200)
    expect(embeddings.headers['x-routeiq-router']).toBeUndefined()
  })

  it('decides Anthropic messages, completions and streams alike', async () => {
    await configure(gateway, learned())
    const message = await send(`${gateway.url}/v1/messages`, {
      headers: bearer(gateway),
      body: {
        model: 'auto',
        max_tokens: 50,
        messages: [{ role: 'user', content: [{ type: 'text', text: prompts.prove }] }],
      },
    })
    expect(message.status, message.text).toBe(200)
    expect(modelOf(message)).toBe('large')
    const stream = await chat(gateway, 'mixed', prompts.calculate, { stream: true })
    expect(modelOf(stream)).toBe('medium')
    expect(stream.headers['x-routeiq-quality']).toBeDefined()
    const completion = await send(`${gateway.url}/v1/completions`, {
      headers: bearer(gateway),
      body: { model: 'auto', prompt: prompts.prove },
    })
    expect(modelOf(completion)).toBe('large')
  })

  it('a failing model is left for the next of the same ranking, without deciding anew', async () => {
    await configure(gateway, learned())
    upstream.fault('large', 'status=500')
    const answer = await chat(gateway, 'mixed', prompts.prove)
    expect(answer.status, answer.text).toBe(200)
    expect(modelOf(answer)).toBe('medium')
    expect(answer.headers['x-litellm-attempted-retries']).toBe('1')
    expect((await decisionOf(gateway, answer)).chosen).toBe('large')
    const metrics = (await get(gateway, '/metrics')).text
    expect(metric(metrics, 'routeiq_learned_passed_over_total', { strategy: 'routeiq-auto' })).toBe(0)
  })
})

describe('names', () => {
  it('auto and its presets, profiles, strategies and routes of one’s own', async () => {
    await configure(
      gateway,
      learned(
        {},
        { routes: { proofs: { pool: ['medium', 'large'], strategy_args: { model_path: artifact, preset: 'cheap' } } } },
      ),
    )
    const prove = (name: string): Promise<string> => ask(gateway, name, prompts.prove)
    expect(await prove('auto:quality')).toBe('large')
    expect(await prove('auto:cheap')).not.toBe('large')
    expect(await prove('premium')).toBe('large')
    expect(await ask(gateway, 'eco', prompts.chat)).toBe('small')
    expect(await prove('router/knn')).toBe('large')
    expect(await prove('router/proofs')).toBe('medium')
    expect(await prove('routeiq-auto')).toBe('large')
    expect(await prove('router-mf-1.0')).toBe('large')
    const names = ((await get(gateway, '/v1/models')).json!['data'] as { id: string }[]).map(({ id }) => id)
    expect(names).toEqual([
      'small',
      'medium',
      'large',
      'mixed',
      'auto',
      'auto:quality',
      'auto:balanced',
      'auto:cheap',
      'router/proofs',
    ])
    for (const unknown of ['auto:fast', 'router/none', 'router-mf-2', 'router-xx-0.1']) {
      expect((await chat(gateway, unknown, 'hi')).status, unknown).toBe(404)
    }
    const free = await chat(gateway, 'free', 'hi')
    expect(free.status).toBe(400)
    expect(free.json).toMatchObject({ error: { code: 'no_model_fits' } })
  })

  it('a model_name of the same name wins, and all are gone when they are switched off', async () => {
    const config = learned()
    const list = [
      ...modelList(upstream),
      { ...modelList(upstream)[0], model_name: 'auto', model_info: { id: 'own-small' } },
    ]
    await configure(gateway, { ...config, model_list: list as Json[] })
    expect((await chat(gateway, 'auto', prompts.prove)).headers['x-litellm-model-id']).toBe('own-small')
    await configure(gateway, learned({}, { virtual_models: false }))
    expect((await chat(gateway, 'auto', 'hi')).status).toBe(404)
  })

  it('without an artifact, hard prompts go to the dear model and small talk to the cheap one', async () => {
    await configure(gateway, {
      model_list: modelList(upstream),
      routeiq: { routing: { pool: ['small', 'medium', 'large'] } },
    })
    const hard = await chat(
      gateway,
      'auto',
      'Prove step by step that the integral of this polynomial is asymptotic; derive the root cause',
    )
    expect(modelOf(hard)).toBe('large')
    expect(await decisionOf(gateway, hard)).toMatchObject({ strategy: 'centroid', reason: 'centroid' })
    expect(await ask(gateway, 'auto', 'hello, what is the capital of France?')).toBe('small')
  })
})

describe('what a caller may demand', () => {
  it('λ, preset, target, cost, models and profile, by header or body', async () => {
    await configure(gateway, learned())
    const prove = (body: Json, headers: Record<string, string> = {}): Promise<string> =>
      ask(gateway, 'mixed', prompts.prove, body, headers)
    expect(await prove({ routeiq: { lambda: 5 } })).toBe('small')
    expect(await prove({}, { 'x-routeiq-lambda': '0' })).toBe('large')
    expect(await prove({ routeiq: { preset: 'cheap' } })).not.toBe('large')
    expect(await prove({}, { 'x-routeiq-max-cost': '0.0008' })).toBe('medium')
    expect(await prove({ routeiq: { allowed_models: ['openai/small', 'medium'] } })).toBe('medium')
    expect(await prove({ metadata: { routing_profile: 'premium' } })).toBe('large')
    expect(upstream.requests.every(({ text }) => !text.includes('routeiq'))).toBe(true)
    const nothing = await chat(gateway, 'mixed', prompts.prove, { routeiq: { max_cost: 1e-9 } })
    expect(nothing.status).toBe(400)
    expect(nothing.json).toMatchObject({
      error: { code: 'no_model_fits', message: expect.stringContaining('3 expected to cost more than allowed') },
    })
    expect((await chat(gateway, 'mixed', 'x', { routeiq: { lambda: 'much' } })).status).toBe(400)
  })

  it('nothing that the operator does not leave to them', async () => {
    await configure(gateway, learned({}, { allow_overrides: ['preset'] }))
    const refused = await chat(gateway, 'mixed', 'x', { routeiq: { lambda: 0 } })
    expect(refused.status).toBe(400)
    expect(refused.json).toMatchObject({ error: { param: 'routeiq.lambda' } })
    expect(await ask(gateway, 'mixed', prompts.prove, { routeiq: { preset: 'quality' } })).toBe('large')
  })

  it('regions hold for every group and every fallback', async () => {
    const list = modelList(upstream).map((own, i) => ({
      ...own,
      litellm_params: { ...(own['litellm_params'] as Json), region_name: i % 3 === 2 ? 'us' : 'EU' },
    }))
    await configure(gateway, {
      ...learned({}, { allowed_regions: ['eu'] }),
      model_list: list,
      router_settings: {
        routing_strategy: 'routeiq-auto',
        routing_strategy_args: { model_path: artifact },
        fallbacks: [{ small: ['large'] }],
      },
    })
    expect(await ask(gateway, 'mixed', prompts.prove)).toBe('medium')
    upstream.fault('up-small', 'status=500')
    const answer = await chat(gateway, 'small', 'x', { num_retries: 0 })
    expect(answer.status).toBe(500)
    expect(upstream.requests.map(({ model }) => model)).not.toContain('up-large')
    expect((await chat(gateway, 'large', 'x')).json).toMatchObject({ error: { code: 'no_model_fits' } })
  })
})
