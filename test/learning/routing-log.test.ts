import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bearer, configure, eventually, explain, get } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { prompts, type Shelf, shelf, trainedArtifact } from './artifacts.ts'
import { ask, decisionOf, modelList } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let files: Shelf
let artifact: string
const data = mkdtempSync(join(tmpdir(), 'routeiq-decisions-'))

beforeAll(async () => {
  files = shelf()
  artifact = files.put('router.routeiq', await trainedArtifact({}))
  upstream = await startUpstream()
  gateway = await startGateway({ config: learned({}), args: ['--detailed_debug'] })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  files.remove()
  rmSync(data, { recursive: true, force: true })
})

function learned(args: Json): Json {
  return {
    model_list: modelList(upstream),
    router_settings: { routing_strategy: 'routeiq-auto', routing_strategy_args: { model_path: artifact, ...args } },
    routeiq: { data_directory: data, routing: { decision_log: true } },
  }
}

const log = (): Json[] =>
  readFileSync(join(data, 'decisions.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Json)

const logged = (id: unknown): Promise<Json> =>
  eventually(() => {
    try {
      return log().find(event => JSON.stringify(event['input']).includes(String(id)))
    } catch {
      return undefined
    }
  })

describe('the decision log', () => {
  it('holds one event of routeiq.router_decision.v1 per decided call, with what came of it', async () => {
    upstream.fault('large', 'status=500')
    const answer = await chat(gateway, 'mixed', prompts.prove)
    expect(answer.status).toBe(200)
    const event = await logged(answer.headers['x-litellm-call-id'])
    const decision = await decisionOf(gateway, answer)
    expect(event).toMatchObject({
      contract_name: 'routeiq.router_decision',
      contract_version: 'v1',
      input: { requested_model: 'mixed', query_length: prompts.prove.length, api_type: 'chat' },
      strategy_name: 'routeiq-auto',
      strategy_version: decision.artifact,
      selected_deployment: 'mixed-large',
      selection_reason: 'learned',
      outcome: {
        status: 'success',
        http_status: 200,
        answered_by: 'medium',
        deployment_id: 'mixed-medium',
        checks: { notTruncated: true, notRefusal: true, notEmpty: true },
      },
      custom_attributes: { chosen: 'large', explored: false, propensity: 1, lambda: 0.1 },
    })
    expect((event['candidate_deployments'] as Json[]).map(own => own['model_name'])).toEqual([
      'small',
      'medium',
      'large',
    ])
    const features = Buffer.from(String((event['custom_attributes'] as Json)['features']), 'base64')
    expect(features.length % 4).toBe(0)
    expect(features.length).toBeGreaterThan(16)
    upstream.reset()
  })

  it('no word of prompt, system text, tools or answer is in any log, file, header, metric or explanation', async () => {
    const secret = 'zebrafinch'
    const answers = [
      await chat(gateway, 'mixed', [
        { role: 'system', content: `system ${secret}1` },
        { role: 'user', content: `user ${secret}2 ${prompts.prove}` },
      ]),
      await chat(gateway, 'auto', `hello ${secret}3`, { stream: true }),
      await chat(gateway, 'auto:cheap', [{ role: 'user', content: [{ type: 'text', text: `part ${secret}4` }] }], {
        tools: [{ type: 'function', function: { name: 'tool', description: `tool ${secret}5`, parameters: {} } }],
      }),
      await send(`${gateway.url}/v1/messages`, {
        headers: bearer(gateway),
        body: {
          model: 'auto',
          max_tokens: 9,
          system: `sys ${secret}6`,
          messages: [{ role: 'user', content: `m ${secret}7` }],
        },
      }),
    ]
    for (const answer of answers) {
      expect(answer.status, answer.text).toBe(200)
      await logged(answer.headers['x-litellm-call-id'])
      expect(JSON.stringify(answer.headers)).not.toContain(secret)
      expect(JSON.stringify(await explain(gateway, answer))).not.toContain(secret)
    }
    expect((await get(gateway, '/metrics')).text).not.toContain(secret)
    expect(gateway.logs()).not.toContain(secret)
    const everything = readdirSync(data, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    expect(everything.length).toBeGreaterThan(2)
    for (const { parentPath, name } of everything) {
      expect(readFileSync(join(parentPath, name)).includes(secret), name).toBe(false)
    }
  })
})

describe('targets', () => {
  it('are met over many calls, after the first few', async () => {
    const cycle = [prompts.chat, prompts.calculate, prompts.prove]
    const costs = async (args: Json, calls = 60): Promise<{ cost: number; strong: number }> => {
      await configure(gateway, learned({ sticky_sessions: false, ...args }))
      // The first calls are what the target is solved over.
      for (let call = 0; call < 24; call++) await ask(gateway, 'mixed', cycle[call % 3] as string)
      let cost = 0
      let strong = 0
      for (let call = 0; call < calls; call++) {
        const answer = await chat(gateway, 'mixed', cycle[call % 3] as string)
        cost += Number(answer.headers['x-routeiq-cost'])
        if (answer.headers['x-litellm-model-id'] === 'mixed-large') strong++
      }
      return { cost: (cost / calls) * 1000, strong: strong / calls }
    }
    const free = await costs({ lambda: 0 })
    const capped = await costs({ max_cost_per_1k: 0.3 })
    expect(free.cost).toBeGreaterThan(0.4)
    expect(capped.cost).toBeLessThanOrEqual(0.3)
    expect((await costs({ max_strong_share: 0 })).strong).toBe(0)
    const kept = await costs({ min_quality_of: { model: 'large', share: 0.97 } })
    expect(kept.strong).toBeGreaterThan(0.2)
    expect(kept.cost).toBeLessThan(1.5)
  })

  it('a share of strong calls by a RouteLLM name', async () => {
    await configure(gateway, learned({ sticky_sessions: false }))
    const cycle = [prompts.chat, prompts.calculate, prompts.prove]
    const strongOf = async (name: string): Promise<number> => {
      let strong = 0
      for (let call = 0; call < 54; call++) {
        const model = await ask(gateway, name, cycle[call % 3] as string)
        expect(model).not.toBe('medium')
        if (call >= 24 && model === 'large') strong++
      }
      return strong / 30
    }
    expect(await strongOf('router-knn-0')).toBe(0)
    expect(await strongOf('router-knn-0.4')).toBeCloseTo(1 / 3, 1)
    expect(await strongOf('router-knn-1')).toBeGreaterThan(0.6)
  })
})
