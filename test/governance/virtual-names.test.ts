import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, explain } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, type StreamAnswer, send } from '../harness/http.ts'
import { prompts, type Shelf, shelf, trainedArtifact } from '../learning/artifacts.ts'
import { modelList, modelOf } from '../learning/routing-world.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { done, newKey } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
let files: Shelf
let config: Json
let env: Record<string, string>

beforeAll(async () => {
  files = shelf()
  const artifact = files.put('router.routeiq', await trainedArtifact({}))
  upstream = await startUpstream()
  const args = { model_path: artifact }
  config = {
    model_list: modelList(upstream),
    general_settings: { master_key: 'sk-virtual-master' },
    router_settings: { num_retries: 1, disable_cooldowns: true },
    routeiq: {
      access_policies: [{ name: 'fence', effect: 'deny', users: ['fenced'], unless: { models: ['small'] } }],
      routing: {
        pool: ['small', 'medium', 'large'],
        strategy: 'routeiq-auto',
        strategy_args: args,
        routes: { cascade: { strategy: 'llmrouter-cost-cascade' } },
      },
    },
  }
  env = { ROUTEIQ_DATA_DIR: mkdtempSync(join(tmpdir(), 'routeiq-virtual-')) }
  gateway = await startGateway({ config, env })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  files.remove()
  rmSync(String(env['ROUTEIQ_DATA_DIR']), { recursive: true, force: true })
})

const with_ = (key: string) => ({ url: gateway.url, key })
const called = (): string[] => upstream.requests.map(({ model }) => model.replace('up-', ''))

/** Prompts of this kind go to `medium` when nothing speaks against it. */
const calculate = prompts.calculate

async function asked(key: string, model = 'auto', body: Json = {}): Promise<string> {
  const answer = await chat(with_(key), model, calculate, body)
  return answer.status === 200 ? modelOf(answer) : `${answer.status} ${errorOf(answer)['code']}`
}

const errorOf = (answer: StreamAnswer): Json => ((answer.json as Json)?.['error'] ?? {}) as Json

async function streamed(key: string, model = 'auto'): Promise<StreamAnswer> {
  return chatStream(with_(key), model, calculate)
}

describe('limits of one model, asked by a virtual name', () => {
  it.each(['auto', 'auto:balanced', 'router/cascade'])('hold for what serves %s', async name => {
    const key = await newKey(gateway, { model_rpm_limit: { small: 1, medium: 1 } })
    const free = await newKey(gateway)
    const usual = await asked(free, name)
    expect(['small', 'medium']).toContain(usual)
    expect(await asked(key, name)).toBe(usual)
    const next = await asked(key, name)
    expect(next, 'the next best').not.toBe(usual)
    expect(next).not.toMatch(/^429/)
    expect(await asked(key, usual), 'counted where it was served').toBe('429 rate_limit_exceeded')
    expect(await asked(free, name), 'somebody else').toBe(usual)
  })

  it('the caller gets its own refusal when all are used up, and the explain record says what was passed over', async () => {
    const key = await newKey(gateway, { model_rpm_limit: { small: 1, medium: 1, large: 1 } })
    const answers = [await chat(with_(key), 'auto', calculate), await chat(with_(key), 'auto', calculate)]
    const { plans } = await explain({ ...gateway, key }, answers[1]!)
    expect(JSON.stringify(plans)).toContain('a limit of the caller for this model is used up')
    await chat(with_(key), 'auto', calculate)
    expect(new Set(called())).toEqual(new Set(['small', 'medium', 'large']))
    const refused = await chat(with_(key), 'auto', calculate)
    expect(refused.status).toBe(429)
    expect(errorOf(refused)).toMatchObject({
      code: 'rate_limit_exceeded',
      details: { scope: 'key', limit: 1, model: expect.stringMatching(/^(small|medium|large)$/) },
    })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers['rate_limit_type']).toBe('requests')
    expect(called()).toHaveLength(3)
  })

  it('rules on a vendor’s name hold for that model alone, not for whatever shares its pool', async () => {
    const key = await newKey(gateway, { model_rpm_limit: { 'openai/up-large': 1 } })
    for (let i = 0; i < 3; i++) expect(await asked(key)).toBe('medium')
    expect(await asked(key, 'large')).toBe('large')
    expect(await asked(key, 'large')).toBe('429 rate_limit_exceeded')
    expect(await asked(key)).toBe('medium')
  })

  it('a budget of one model is charged with what that model cost, streamed or not', async () => {
    const key = await newKey(gateway, { model_max_budget: { medium: { max_budget: 1e-6, budget_duration: '1d' } } })
    const first = await streamed(key)
    expect(modelOf(first)).toBe('medium')
    await eventually(async () => ((await asked(key, 'medium')) === '429 budget_exceeded' ? true : undefined))
    expect(modelOf(await streamed(key))).not.toBe('medium')
    expect(await asked(key)).not.toBe('medium')
  })

  it('streams give back what they held: one at a time, as many as come', async () => {
    const key = await newKey(gateway, { limits: [{ metric: 'parallel', limit: 1, model: 'medium' }] })
    for (let i = 0; i < 4; i++) {
      expect(modelOf(await streamed(key))).toBe('medium')
      expect(await asked(key)).toBe('medium')
    }
    const undo = upstream.fault('up-medium', 'delay=300')
    const slow = chat(with_(key), 'auto', calculate)
    await upstream.waitFor(() => called().filter(model => model === 'medium').length === 9)
    expect(await asked(key), 'while one is in flight').not.toBe('medium')
    expect(modelOf(await slow)).toBe('medium')
    undo()
    expect(await asked(key)).toBe('medium')
  })

  it('an attempt that failed gives back what it took, and the retry elsewhere takes its own', async () => {
    const key = await newKey(gateway, { model_rpm_limit: { small: 2, medium: 1, large: 2 } })
    const undo = upstream.fault('up-medium', 'status=500')
    expect(await asked(key)).not.toMatch(/medium|^\d/)
    undo()
    expect(await asked(key), 'the limit of medium was not touched').toBe('medium')
    expect(await asked(key)).not.toBe('medium')
  })

  it('a cascade takes each model’s limit once, and the caller’s own once', async () => {
    const key = await newKey(gateway, { model_rpm_limit: { small: 2, medium: 2, large: 2 } })
    const answer = await chat(with_(key), 'router/cascade', prompts.prove, { max_tokens: 2 })
    expect(called()).toEqual(['small', 'medium', 'large'])
    expect(modelOf(answer)).toBe('large')
    for (const model of ['small', 'medium', 'large']) {
      expect(await asked(key, model), model).toBe(model)
      expect(await asked(key, model), model).toBe('429 rate_limit_exceeded')
    }
    const other = await newKey(gateway, { rpm_limit: 2, model_rpm_limit: { small: 10 } })
    expect((await chat(with_(other), 'router/cascade', calculate, { max_tokens: 2 })).status).toBe(200)
    expect(await asked(other, 'large')).toBe('large')
    expect(await asked(other)).toBe('429 rate_limit_exceeded')
  })

  it('a cascade whose next model is closed to the caller answers with what it has', async () => {
    const key = await newKey(gateway, { model_rpm_limit: { medium: 0, large: 0 } })
    const answer = await chat(with_(key), 'router/cascade', calculate, { max_tokens: 2 })
    expect(answer.status, answer.text).toBe(200)
    expect(called()).toEqual(['small'])
  })

  it('the budget is found again after a restart', async () => {
    const key = await newKey(gateway, { model_max_budget: { medium: 1e-6 } })
    expect(await asked(key)).toBe('medium')
    await gateway.stop()
    gateway = await startGateway({ config, env })
    expect(await asked(key)).not.toBe('medium')
    expect(await asked(key, 'medium')).toBe('429 budget_exceeded')
  })
})

describe('access to models behind a virtual name', () => {
  it('takes the grant of the name, and of each model', async () => {
    const nameless = await newKey(gateway, { models: ['small'] })
    expect(await asked(nameless)).toBe('403 model_access_denied')
    const named = await newKey(gateway, { models: ['auto', 'small'] })
    for (let i = 0; i < 3; i++) expect(await asked(named)).toBe('small')
    expect(await asked(await newKey(gateway, { models: ['auto'] }))).toBe('400 no_model_fits')
  })

  it('is refused by a policy that leaves only some of them open', async () => {
    await done(gateway, 'POST', '/user/new', { user_id: 'fenced', auto_create_key: false })
    const fenced = await newKey(gateway, { user_id: 'fenced' })
    expect(await asked(fenced, 'small')).toBe('small')
    expect(await asked(fenced, 'large')).toBe('403 policy_denied')
    expect(await asked(fenced)).toBe('403 policy_denied')
  })

  it('also where nothing is decided by the prompt', async () => {
    const named = await newKey(gateway, { models: ['auto', 'small'] })
    for (let i = 0; i < 12; i++) {
      const counted = await send(`${gateway.url}/v1/messages/count_tokens`, {
        headers: { authorization: `Bearer ${named}` },
        body: { model: 'auto', messages: [{ role: 'user', content: calculate }] },
      })
      expect(counted.status, counted.text).toBe(200)
      expect(modelOf(counted)).toBe('small')
    }
  })
})
