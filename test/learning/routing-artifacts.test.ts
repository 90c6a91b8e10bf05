import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, eventually, get, metric, reload } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { prompts, type Shelf, shelf, signed, trainedArtifact } from './artifacts.ts'
import { ask, modelList } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let files: Shelf
let good: Uint8Array
/** Trained on a world in which the small model can prove best. */
let other: Uint8Array
const keys = generateKeyPairSync('ed25519')
const publicKey = keys.publicKey.export({ type: 'spki', format: 'pem' }).toString()

beforeAll(async () => {
  files = shelf()
  good = await trainedArtifact({})
  other = await trainedArtifact({
    skills: [
      [0.9, 0.9, 0.9],
      [0.9, 0.9, 0.9],
      [0.95, 0.1, 0.1],
    ],
    name: 'other-world',
  })
  upstream = await startUpstream({ keep: 100 })
  gateway = await startGateway({ config: { model_list: modelList(upstream) } })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  files.remove()
})

const learned = (path: string, args: Json = {}, routing: Json = {}): Json => ({
  model_list: modelList(upstream),
  router_settings: { routing_strategy: 'routeiq-auto', routing_strategy_args: { model_path: path, ...args } },
  routeiq: { routing },
})

const prove = (): Promise<string> => ask(gateway, 'mixed', prompts.prove)

interface Status {
  artifacts: { path: string; artifact: string | null; name: string | null; problem: string | null; signed: boolean }[]
}

async function status(path: string): Promise<Status['artifacts'][number]> {
  const answer = await get(gateway, '/v1/routeiq/routing')
  expect(answer.status, answer.text).toBe(200)
  const found = (answer.json as unknown as Status).artifacts.find(own => own.path === path)
  if (found === undefined) throw new Error(`${path} is not in ${answer.text}`)
  return found
}

describe('an artifact on disk', () => {
  it('is swapped while calls run, without one failing', async () => {
    const path = files.put('hot.routeiq', good)
    await configure(gateway, learned(path))
    expect(await prove()).toBe('large')
    let running = true
    const answers: number[] = []
    const load = Array.from({ length: 8 }, async () => {
      while (running) answers.push((await chat(gateway, 'mixed', prompts.prove)).status)
    })
    for (const [bytes, name] of [
      [other, 'other-world'],
      [good, 'three-skills'],
      [other, 'other-world'],
    ] as const) {
      files.put('hot.routeiq', bytes)
      await eventually(async () => ((await status(path)).name === name ? true : undefined))
    }
    await eventually(async () => ((await prove()) === 'small' ? true : undefined))
    running = false
    await Promise.all(load)
    expect(answers.length).toBeGreaterThan(20)
    expect(answers.every(code => code === 200)).toBe(true)
  })

  it('that is corrupt, cut, empty or gone leaves the one before in use, and says why', async () => {
    const path = files.put('bad.routeiq', good)
    await configure(gateway, learned(path))
    const before = (await status(path)).artifact
    const flipped = Uint8Array.from(good)
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1
    for (const bytes of [flipped, good.subarray(0, good.length >> 1), new Uint8Array()]) {
      files.put('bad.routeiq', bytes)
      const now = await eventually(async () => {
        const found = await status(path)
        return found.problem === null ? undefined : found
      })
      expect(now.artifact).toBe(before)
      expect(await prove()).toBe('large')
      files.put('bad.routeiq', good)
      await eventually(async () => ((await status(path)).problem === null ? true : undefined))
    }
    const metrics = (await get(gateway, '/metrics')).text
    expect(metric(metrics, 'routeiq_artifact_loads_total', { result: 'refused' })).toBeGreaterThanOrEqual(3)
    expect(gateway.logs()).toContain('artifact refused')
  })

  it('named by a reload that cannot be used refuses the reload', async () => {
    const path = files.put('first.routeiq', good)
    await configure(gateway, learned(path))
    for (const [name, bytes, says] of [
      ['corrupt.routeiq', good.subarray(0, 1000), /model_path/],
      ['router.pkl', 'x', /routeiq router train/],
      ['weights.pt', 'x', /pickle or a tensor file/],
    ] as const) {
      gateway.writeConfig(learned(files.put(name, bytes)))
      const answer = await reload(gateway)
      expect(answer.status, name).toBe(400)
      expect(answer.text).toMatch(says)
    }
    gateway.writeConfig(learned('/nowhere/router.routeiq'))
    expect((await reload(gateway)).text).toMatch(/cannot be used/)
    expect(await prove()).toBe('large')
  })

  it('must be signed once a key is configured', async () => {
    const path = files.put('signed.routeiq', good)
    gateway.writeConfig(learned(path, {}, { artifact_public_keys: [publicKey] }))
    expect((await reload(gateway)).text).toMatch(/sign/)
    files.put('signed.routeiq', signed(good, keys.privateKey))
    await configure(gateway, learned(path, {}, { artifact_public_keys: [publicKey] }))
    expect(await prove()).toBe('large')
    expect(await status(path)).toMatchObject({ signed: true })
    files.put('signed.routeiq', signed(other, generateKeyPairSync('ed25519').privateKey))
    await eventually(async () => (await status(path)).problem ?? undefined)
    expect(await prove()).toBe('large')
  })

  it('keeps to its file where hot_reload is off', async () => {
    const path = files.put('cold.routeiq', good)
    await configure(gateway, learned(path, { hot_reload: false }))
    files.put('cold.routeiq', other)
    // Another file is swapped meanwhile: watching works, this one is not watched.
    await new Promise(resolve => setTimeout(resolve, 400))
    expect(await prove()).toBe('large')
    await configure(gateway, learned(path, { hot_reload: false, tie: 0.004 }))
    expect(await prove()).toBe('small')
  })
})

it('a gateway comes up without its artifact, says so, and takes it when it is there', async () => {
  const path = files.put('late.routeiq', new Uint8Array([1, 2, 3]))
  const late = await startGateway({ config: learned(path) })
  try {
    await late.waitForLog(/cannot be used/)
    expect((await chat(late, 'mixed', prompts.chat)).status).toBe(200)
    files.put('late.routeiq', good)
    await eventually(async () => {
      const answer = await chat(late, 'mixed', prompts.prove)
      return String(answer.headers['x-routeiq-router']).includes('@') ? true : undefined
    })
  } finally {
    await late.stop()
  }
})

it.each([
  [{ embedding_model: 'all-MiniLM-L6-v2' }, /brings its own features/],
  [{ config_path: 'knn.yaml' }, /training settings/],
  [{ model_s3_bucket: 'b' }, /set model_path/],
  [{ use_inference_only: false }, /routeiq router train/],
  [{ k_neighbours: 5 }, /unknown key/],
  [{ max_cost_per_1k: 1, max_strong_share: 0.5 }, /exclude each other/],
])('refuses the argument %j with advice', async (args, says) => {
  gateway.writeConfig(learned(files.put('args.routeiq', good), args as Json))
  const answer = await reload(gateway)
  expect(answer.status).toBe(400)
  expect(answer.text).toMatch(says)
})
