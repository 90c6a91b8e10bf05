import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { signArtifact } from '../../src/learning/artifact/artifact.ts'
import { train } from '../../src/learning/training/train.ts'
import { configure, eventually } from '../control/setup.ts'
import { api, done } from '../governance/setup.ts'
import type { Gateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { stateOfRouter, upload } from './loop-world.ts'
import { routeiq } from './skills.ts'
import { asDataset, asRoutingData, storyData } from './story-data.ts'
import {
  type Answered,
  chargeOf,
  mean,
  type Replicas,
  startReplicas,
  startTalking,
  storyConfig,
  Users,
} from './story-world.ts'

// The whole loop, once, over HTTP: four vendors, users who judge, and nothing but the public API. It really trains, so it
// takes a minute of two idle processors, and several of busy ones. With ROUTING_DATA=<folder of *.jsonl.gz> prompts and results are real ones.
vi.setConfig({ testTimeout: 500_000, hookTimeout: 120_000 })

const data = storyData()
const router = (action = ''): string => `/v1/routeiq/router/routers/default${action}`

let folder: string
let upstream: Upstream
let replicas: Replicas
let gateway: Gateway
let users: Users
let active: string
let dayZero: readonly Answered[]
let routed: readonly Answered[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-story-'))
  upstream = await startUpstream()
  startTalking(upstream, data)
  replicas = await startReplicas(storyConfig(data, upstream))
  gateway = replicas.gateways[0]!
  users = new Users(data, replicas.gateways)
  await users.join()
})
afterAll(async () => {
  await replicas?.stop()
  await upstream?.close()
  rmSync(folder, { recursive: true, force: true })
})

const qualityOf = (answers: readonly Answered[]): number => mean(answers.map(({ quality }) => quality))
const costOf = (answers: readonly Answered[]): number => mean(answers.map(({ cost }) => cost))

/** Calls while something else goes on. */
async function meanwhile<T>(work: Promise<T>): Promise<T> {
  let over = false
  const traffic = (async () => {
    for (let at = 0; !over; at++) {
      await users.ask(data.known[at % data.known.length]!)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })()
  try {
    return await work
  } finally {
    over = true
    await traffic
  }
}

/** Calls until the router is as wanted. */
async function callsUntil(wanted: (state: Json) => boolean, most: number): Promise<Json> {
  for (let from = 0; from < most; from += 60) {
    const start = from % data.known.length
    await users.askAll(data.known.slice(start, start + 60))
    const state = await stateOfRouter(gateway)
    if (wanted(state)) return state
  }
  // The last calls may not have been looked at yet.
  return eventually(async () => {
    const state = await stateOfRouter(gateway)
    return wanted(state) ? state : undefined
  })
}

const lastTransition = async (): Promise<Json> => {
  const { data: rows } = await done(gateway, 'GET', router('/transitions?limit=1'))
  return (rows as Json[])[0]!
}

/** Trained beside the gateway on what users ask. @param worth what its maker took for quality */
async function artifactMade(worth: (quality: number) => number, at = Date.now()): Promise<Uint8Array> {
  const how = { name: 'story', methods: ['average'], folds: 2, components: 16, threads: 0, now: () => at } as const
  return (await train(asDataset(data, worth), how)).artifact
}

describe('the loop, from day 0', () => {
  it('draws evenly while nothing is known, and keeps what users thought', async () => {
    const asked = Array.from({ length: 9 }, () => data.known).flat()
    dayZero = await users.askAll(asked)
    for (const { id } of data.models) {
      const share = dayZero.filter(({ model }) => model === id).length / dayZero.length
      expect(share, id).toBeGreaterThan(0.2)
      expect(share, id).toBeLessThan(0.3)
    }
    const random = mean(data.known.map(({ quality }) => mean(quality)))
    expect(Math.abs(qualityOf(dayZero) - random)).toBeLessThan(0.05)
  })

  it('builds a dataset from its own calls, trains, passes its gate and rolls out: shadow, canary, active', async () => {
    const begun = await done(gateway, 'POST', '/v1/routeiq/router/runs', { deploy: 'rollout', min_rows: 200 })
    const ended = eventually(async () => {
      const found = await done(gateway, 'GET', `/v1/routeiq/router/runs/${String(begun['id'])}`)
      return found['status'] === 'running' ? undefined : found
    }, 440_000)
    const run = await meanwhile(ended)
    expect(run, JSON.stringify(run)).toMatchObject({ status: 'succeeded' })
    const steps = run['steps'] as Json[]
    expect(steps.map(({ step }) => step)).toEqual(['collect', 'train', 'evaluate', 'gate', 'deploy'])
    expect((steps[0]!['result'] as Json)['own_calls'] ?? steps[0]!['result']).toBeDefined()
    active = String(run['artifact'])

    const state = await callsUntil(({ stage }) => stage === 'active', 1800)
    expect(state).toMatchObject({ stage: 'active', active, rollout: null })
    const { data: rows } = await done(gateway, 'GET', router('/transitions?limit=10'))
    const path = (rows as Json[]).map(({ from, to }) => [from, to]).reverse()
    expect(path).toEqual([
      ['none', 'shadow'],
      ['shadow', 'canary_30'],
      ['canary_30', 'canary_100'],
      ['canary_100', 'active'],
    ])
  })

  it('answers prompts it never saw better and cheaper, as the offline figure promised', async () => {
    routed = await users.askAll(data.heldOut)
    const bytes = await fetch(`${gateway.url}/v1/routeiq/router/artifacts/${active}/content`, {
      headers: { authorization: `Bearer ${gateway.key}` },
    })
    const artifact = join(folder, 'active.routeiq')
    writeFileSync(artifact, Buffer.from(await bytes.arrayBuffer()))
    const { lines, meta } = asRoutingData(data, data.heldOut, chargeOf)
    writeFileSync(join(folder, 'held-out.jsonl'), lines)
    writeFileSync(join(folder, 'held-out.meta.json'), meta)
    const test = join(folder, 'held-out.jsonl')
    const evaluated = await routeiq(['router', 'eval', '--artifact', artifact, '--test', test, '--json', '--force'])
    expect(evaluated.code, evaluated.err).toBe(0)
    const { methods, baselines } = JSON.parse(evaluated.out)
    const offline = methods[0].presets.balanced as { quality: number; cost_per_1k: number }
    const random = baselines.random as { quality: number; cost_per_1k: number }

    const [quality, cost] = [qualityOf(routed), 1000 * costOf(routed)]
    /** Dollars saved on each answer that is right, against calls drawn evenly. */
    const saved = (of: number, per1k: number): number => 1 - per1k / of / (random.cost_per_1k / random.quality)
    const figures = { source: data.source, online: { quality, cost }, offline, random }
    console.log(JSON.stringify(figures))
    expect(Math.abs(quality - offline.quality), JSON.stringify(figures)).toBeLessThan(0.03)
    expect(Math.abs(saved(quality, cost) - saved(offline.quality, offline.cost_per_1k))).toBeLessThan(0.03)
    expect(quality).toBeGreaterThan(qualityOf(dayZero) + 0.05)
    expect(cost / quality).toBeLessThan((0.8 * 1000 * costOf(dayZero)) / qualityOf(dayZero))
  })

  it('notices when a model is not what it was, and promotes nothing until somebody has looked', async () => {
    // What is normal: the next calls after it went into force.
    await users.askAll([...data.known, ...data.heldOut, ...data.known])
    expect((await done(gateway, 'GET', router('/drift')))['alarms']).toEqual([])
    const counts = data.models.map(({ id }) => [id, routed.filter(({ model }) => model === id).length] as const)
    const [worst] = counts.reduce((most, one) => (one[1] > most[1] ? one : most))
    users.spoilt.add(worst)
    // The vendor stumbles a few times, then says next to nothing, and what it says is wrong.
    upstream.fault(worst, 'filter=completion')
    upstream.fault(worst, 'fail=3')
    const state = await callsUntil(({ frozen }) => frozen !== null, 3000)
    expect((state['frozen'] as Json)['reason']).toContain(worst)
    const stumbled = upstream.requests.filter(({ model, status }) => model === worst && status === 500)
    expect(stumbled).toHaveLength(3)
    const refused = await api(gateway, 'POST', router('/rollout'), { artifact: active, force: true })
    expect(refused.status, refused.text).toBe(409)
    users.spoilt.clear()
    upstream.reset()
    startTalking(upstream, data)
    expect(await done(gateway, 'POST', router('/acknowledge'))).toMatchObject({ frozen: null, active })
  })

  it('takes a bad artifact back while it is a canary', async () => {
    const bad = await upload(gateway, await artifactMade(quality => 1 - quality))
    expect(bad.status, bad.text).toBe(201)
    await done(gateway, 'POST', router('/rollout'), {
      artifact: bad.json?.['id'],
      shares: [0.3, 1],
      guards: { min_calls: 100_000 },
    })
    const state = await callsUntil(({ stage }) => stage === 'active', 3000)
    expect(state).toMatchObject({ active, rollout: null })
    expect(await lastTransition()).toMatchObject({
      actor: 'system:rollout',
      from: 'canary_30',
      to: 'active',
      reason: expect.stringMatching(/guard (feedback|cost): worse than allowed/),
    })
  })
})

it('replicas follow within two seconds', async context => {
  const [one, two] = replicas.gateways
  if (one === undefined || two === undefined) return context.skip()
  const deciding = async (): Promise<string> =>
    String((await users.ask(data.known[0]!, two)).answer.headers['x-routeiq-router'])
  const spread = async (wanted: string): Promise<number> => {
    const from = performance.now()
    await eventually(async () => ((await deciding()) === wanted ? true : undefined))
    return performance.now() - from
  }
  await done(one, 'POST', router('/deactivate'))
  // The bound is that of the poll; a message is usually faster. Slack for a busy machine.
  expect(await spread('routeiq-auto')).toBeLessThan(4000)
  await done(one, 'POST', router('/activate'), { artifact: active, force: true })
  expect(await spread(`routeiq-auto@${active.slice(0, 12)}`)).toBeLessThan(4000)
})

describe('artifacts that are refused', () => {
  it('corrupt, stale, and unsigned once a key is configured: each with its reason, and calls go on', async () => {
    const good = await artifactMade(quality => quality)
    const corrupt = Uint8Array.from(good)
    corrupt[corrupt.length >> 1]! ^= 1
    const damaged = await upload(gateway, corrupt)
    expect(damaged.status, damaged.text).toBe(400)
    expect(damaged.text).toMatch(/corrupt/)

    const old = await upload(gateway, await artifactMade(quality => quality, Date.parse('2020-01-01')))
    expect(old.status, old.text).toBe(201)
    const stale = await api(gateway, 'POST', router('/activate'), { artifact: old.json?.['id'] })
    expect(stale.status, stale.text).toBe(400)
    expect(stale.text).toContain('trained before the one in force')

    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const config = storyConfig(data, upstream, { artifact_public_keys: [pem] })
    await configure(gateway, { ...config, general_settings: replicas.general })
    const unsigned = await upload(gateway, good)
    expect(unsigned.status, unsigned.text).toBe(400)
    expect(unsigned.text).toMatch(/sign/)
    const signed = await upload(gateway, signArtifact(good, privateKey))
    expect(signed.status, signed.text).toBe(201)
    await users.askAll(data.known.slice(0, 60))
    expect(await stateOfRouter(gateway)).toMatchObject({ active })
  })
})

it('no call failed, from the first to the last', () => {
  expect(users.failures).toEqual([])
  expect(users.calls).toBeGreaterThan(4000)
})
