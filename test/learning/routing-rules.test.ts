import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { configure, get, reload } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { ask, decisionOf, modelList, modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: modelList(upstream) } })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const groups = (): Json[] => modelList(upstream).slice(0, 3)
const withRouter = (params: Json): Json => ({
  model_list: [...groups(), { model_name: 'smart', litellm_params: params }],
})

describe('LiteLLM’s routers', () => {
  it('complexity_router sends tiers to their models', async () => {
    await configure(
      gateway,
      withRouter({
        model: 'auto_router/complexity_router',
        complexity_router_config: {
          tiers: { SIMPLE: 'small', MEDIUM: ['medium'], REASONING: 'large' },
          keyword_tier_rules: [{ keywords: ['board meeting'], tier: 'REASONING' }],
        },
        complexity_router_default_model: 'medium',
      }),
    )
    expect(await ask(gateway, 'smart', 'hello')).toBe('small')
    expect(await ask(gateway, 'smart', 'Prove it step by step, derive the bound')).toBe('large')
    expect(await ask(gateway, 'smart', 'hello, for the board meeting')).toBe('large')
    const complex =
      'Design a distributed database architecture with replication and encryption; write the code, a class and an async api'
    const answer = await chat(gateway, 'smart', complex)
    expect(modelOf(answer)).toBe('medium')
    expect(await decisionOf(gateway, answer)).toMatchObject({ strategy: 'complexity', reason: 'complexity' })
    upstream.fault('up-small', 'status=500')
    expect(await ask(gateway, 'smart', 'hello')).toBe('medium')
  })

  it('semantic routes go to the model group of their name, the rest to the default', async () => {
    const routes = [
      { name: 'large', utterances: ['fix the bug in my typescript function'], score_threshold: 0.5 },
      { name: 'medium', utterances: ['I want my money back for this order'] },
    ]
    await configure(
      gateway,
      withRouter({
        model: 'auto_router/topics',
        auto_router_config: JSON.stringify({ routes }),
        auto_router_default_model: 'small',
        auto_router_embedding_model: 'openai/text-embedding-3-small',
      }),
    )
    expect(await ask(gateway, 'smart', 'there is a bug in a typescript function of mine')).toBe('large')
    expect(await ask(gateway, 'smart', 'give me my money back, the order was wrong')).toBe('medium')
    const other = await chat(gateway, 'smart', 'sing a song')
    expect(modelOf(other)).toBe('small')
    expect(other.headers['x-routeiq-reason']).toMatch(/^no route matches: the default model/)
    const names = ((await get(gateway, '/v1/models')).json!['data'] as { id: string }[]).map(({ id }) => id)
    expect(names).toContain('smart')
  })

  it('adaptive_router tries models that may be the best, by how likely that is', async () => {
    await configure(gateway, {
      model_list: [
        ...groups().map((own, i) => ({
          ...own,
          model_info: {
            ...(own['model_info'] as Json),
            adaptive_router_preferences: { quality_tier: i === 0 ? 1 : 3 },
          },
          litellm_params: {
            ...(own['litellm_params'] as Json),
            input_cost_per_token: 1e-7,
            output_cost_per_token: 4e-7,
          },
        })),
        {
          model_name: 'smart',
          litellm_params: {
            model: 'auto_router/adaptive_router',
            adaptive_router_config: { available_models: ['small', 'medium', 'large'] },
          },
        },
      ],
    })
    const seen = new Set<string>()
    for (let call = 0; call < 60 && seen.size < 2; call++) {
      const answer = await chat(gateway, 'smart', 'Think carefully, step by step, and prove it')
      seen.add(modelOf(answer))
      const { propensity } = await decisionOf(gateway, answer)
      expect(propensity).toBeGreaterThan(0)
      expect(propensity).toBeLessThanOrEqual(1)
    }
    expect([...seen].sort()).toEqual(['large', 'medium'])
  })

  it('a router without models is a mistake that is told', async () => {
    gateway.writeConfig(
      withRouter({ model: 'auto_router/complexity_router', complexity_router_config: { tiers: { SIMPLE: 'nope' } } }),
    )
    const answer = await reload(gateway)
    expect(answer.status).toBe(400)
    expect(answer.text).toContain('names no model group')
  })
})

describe('rules and intents', () => {
  const routing: Json = {
    pool: ['small', 'medium', 'large'],
    rules: [
      { name: 'gold', tags: ['gold'], models: ['large'] },
      { name: 'invoices', pattern: 'invoice \\d+', models: ['medium'] },
      { name: 'coding agents', user_agents: ['claude-cli'], models: ['large', 'medium'] },
    ],
    intents: [{ name: 'refunds', models: ['medium'], examples: ['I want my money back for this order'] }],
  }

  it('come before anything that is predicted', async () => {
    await configure(gateway, { model_list: groups(), routeiq: { routing } })
    expect(await ask(gateway, 'auto', 'hello')).toBe('small')
    expect(await ask(gateway, 'auto', 'hello', { metadata: { tags: ['gold'] } })).toBe('large')
    expect(await ask(gateway, 'auto', 'hello, see Invoice 12')).toBe('medium')
    expect(await ask(gateway, 'auto', 'hello', {}, { 'user-agent': 'claude-cli/1.0' })).toBe('large')
    const refund = await chat(gateway, 'auto', 'please give my money back for that order')
    expect(modelOf(refund)).toBe('medium')
    expect(await decisionOf(gateway, refund)).toMatchObject({
      reason: 'intent',
      because: expect.stringMatching(/^intent refunds, likeness 0\.\d\d/),
    })
  })

  it('a rule’s models are the only ones tried; an intent’s are only the first', async () => {
    await configure(gateway, { model_list: groups(), routeiq: { routing } })
    upstream.fault('up-large', 'status=500')
    upstream.fault('up-medium', 'status=500')
    const ruled = await chat(gateway, 'auto', 'hello', { metadata: { tags: ['gold'] } })
    expect(ruled.status).toBe(500)
    expect(upstream.requests.some(({ model }) => model === 'up-small')).toBe(false)
    expect(await ask(gateway, 'auto', 'please give my money back for that order')).toBe('small')
  })

  it('name model groups that exist, and patterns that are some', async () => {
    for (const [bad, says] of [
      [{ rules: [{ name: 'x', tags: ['t'], models: ['none'] }] }, /which model_list does not have/],
      [{ rules: [{ name: 'x', pattern: '(', models: ['small'] }] }, /rule .{1,2}x.{1,2}: Invalid/],
      [{ rules: [{ name: 'x', models: ['small'] }] }, /needs tags, pattern or user_agents/],
      [{ pool: ['none'] }, /no model group is called .{1,2}none/],
    ] as const) {
      gateway.writeConfig({ model_list: groups(), routeiq: { routing: bad as unknown as Json } })
      expect((await reload(gateway)).text).toMatch(says)
    }
  })
})

it.each([
  ['llmrouter-graph', /is as good/],
  ['llmrouter-r1', /several model calls/],
  ['llmrouter-least-busy', /use .{1,2}least-busy/],
])('routing_strategy %s is refused with advice', async (strategy, says) => {
  gateway.writeConfig({ model_list: groups(), router_settings: { routing_strategy: strategy } })
  const answer = await reload(gateway)
  expect(answer.status).toBe(400)
  expect(answer.text).toMatch(says)
})
