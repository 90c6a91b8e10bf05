import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bearer, configure, explain, get } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { prompts, type Shelf, shelf, trainedArtifact } from './artifacts.ts'
import { decisionOf, modelList, modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let files: Shelf
let artifact: string

beforeAll(async () => {
  files = shelf()
  artifact = files.put('router.routeiq', await trainedArtifact({}))
  upstream = await startUpstream()
  gateway = await startGateway({ config: cascade() })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  files.remove()
})

function cascade(args: Json = {}, strategy = 'llmrouter-cost-cascade'): Json {
  return {
    model_list: modelList(upstream),
    router_settings: {
      routing_strategy: strategy,
      routing_strategy_args: { model_path: artifact, ...args },
      num_retries: 0,
    },
  }
}

const called = (): string[] => upstream.requests.map(({ model }) => model)

describe('a cascade', () => {
  it('asks the cheapest model, and no other where the answer passes', async () => {
    await configure(gateway, cascade())
    const answer = await chat(gateway, 'mixed', prompts.prove)
    expect(modelOf(answer)).toBe('small')
    expect(called()).toEqual(['small'])
    expect(await decisionOf(gateway, answer)).toMatchObject({ reason: 'cascade', chosen: 'small' })
  })

  it('asks the next where it does not, and bills both', async () => {
    await configure(gateway, cascade())
    // Two models cut their answer off: finish_reason length.
    const single = await chat(gateway, 'large', prompts.prove, { max_tokens: 2 })
    upstream.reset()
    const answer = await chat(gateway, 'mixed', prompts.prove, { max_tokens: 2 })
    expect(answer.status, answer.text).toBe(200)
    expect(called()).toEqual(['small', 'medium', 'large'])
    expect(modelOf(answer)).toBe('large')
    const { hops } = await explain(gateway, answer)
    expect(hops.map(({ outcome }) => outcome)).toEqual(['check_failed', 'check_failed', 'answered'])
    expect(answer.headers['x-litellm-attempted-retries']).toBe('0')
    const cost = Number(answer.headers['x-litellm-response-cost'])
    expect(cost).toBeGreaterThan(Number(single.headers['x-litellm-response-cost']))
    // The callers sees the tokens of its answer; the books have all.
    expect(answer.json!['usage']).toEqual(single.json!['usage'])
  })

  it('checks JSON against its schema', async () => {
    await configure(gateway, cascade())
    const format = (required: string[]): Json => ({
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'a', schema: { type: 'object', properties: { n: { type: 'integer' } }, required } },
      },
    })
    await chat(gateway, 'mixed', prompts.chat, format(['n']))
    expect(called()).toEqual(['small'])
    upstream.reset()
    // The upstream knows nothing of members that the schema demands and does not describe.
    await chat(gateway, 'mixed', prompts.chat, format(['n', 'more']))
    expect(called()).toEqual(['small', 'medium', 'large'])
  })

  it('gives back the best answer it has where stronger models fail', async () => {
    await configure(gateway, cascade())
    upstream.fault('medium', 'status=500')
    upstream.fault('large', 'status=500')
    const answer = await chat(gateway, 'mixed', prompts.prove, { max_tokens: 2 })
    expect(answer.status).toBe(200)
    expect(modelOf(answer)).toBe('small')
  })

  it('keeps to its rungs, its time and its checks; automix has two models', async () => {
    await configure(gateway, cascade({ max_rungs: 2 }))
    await chat(gateway, 'mixed', prompts.prove, { max_tokens: 2 })
    expect(called()).toEqual(['small', 'medium'])
    upstream.reset()
    await configure(gateway, cascade({ max_added_latency_ms: 0 }))
    await chat(gateway, 'mixed', prompts.prove, { max_tokens: 2 })
    expect(called()).toEqual(['small'])
    upstream.reset()
    await configure(gateway, cascade({ checks: ['not_refusal'] }))
    await chat(gateway, 'mixed', prompts.prove, { max_tokens: 2 })
    expect(called()).toEqual(['small'])
    upstream.reset()
    await configure(gateway, cascade({}, 'llmrouter-automix'))
    await chat(gateway, 'mixed', prompts.prove, { max_tokens: 2 })
    expect(called()).toEqual(['small', 'large'])
  })

  it('streams are not held back to be checked: the prediction decides', async () => {
    await configure(gateway, cascade())
    const answer = await chat(gateway, 'mixed', prompts.prove, { stream: true })
    expect(modelOf(answer)).toBe('large')
    expect(called()).toEqual(['large'])
  })

  it('the spend log holds what all rungs cost', async () => {
    await configure(gateway, cascade())
    const made = await send(`${gateway.url}/key/generate`, { headers: bearer(gateway), body: {} })
    const caller = { url: gateway.url, key: String(made.json!['key']) }
    const answer = await chat(caller, 'mixed', prompts.prove, { max_tokens: 2 })
    const cost = Number(answer.headers['x-litellm-response-cost'])
    const deadline = performance.now() + 15_000
    for (;;) {
      const info = await get(gateway, `/key/info?key=${caller.key}`)
      const spend = Number((info.json!['info'] as Json)['spend'])
      if (Math.abs(spend - cost) < 1e-9) break
      if (performance.now() > deadline) expect(spend).toBeCloseTo(cost, 9)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  })
})
