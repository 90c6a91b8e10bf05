import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { configure, eventually, get, metric } from '../control/setup.ts'
import { api, done, newKey } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import {
  artifactOf,
  askIn,
  callId,
  likesLarge,
  likesSmall,
  loopConfig,
  putIntoForce,
  stateOfRouter,
  upload,
} from './loop-world.ts'
import { modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
let data: string
let large: Uint8Array
let small: Uint8Array

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'routeiq-loop-'))
  large = await artifactOf(likesLarge, { day: 1 })
  small = await artifactOf(likesSmall, { day: 2 })
  upstream = await startUpstream()
  gateway = await startGateway({ config: loopConfig(upstream), env: { ROUTEIQ_DATA_DIR: data } })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  rmSync(data, { recursive: true, force: true })
})

const router = (action = ''): string => `/v1/routeiq/router/routers/default${action}`
const answering = async (session: string): Promise<string> => modelOf(await askIn(gateway, session))
const decisionsOf = async (query: string): Promise<Json[]> =>
  (await done(gateway, 'GET', `/v1/routeiq/router/decisions?${query}`))['data'] as Json[]

describe('an artifact of the registry', () => {
  it('decides once it is activated, on and on, and the one before it after a rollback', async () => {
    const first = await putIntoForce(gateway, large)
    await eventually(async () => ((await answering('s')) === 'large' ? true : undefined))
    const second = await putIntoForce(gateway, small)
    expect(second).not.toBe(first)
    // Announced before the answer: this process has it already.
    expect(await answering('s')).toBe('small')
    expect(await stateOfRouter(gateway)).toMatchObject({ stage: 'active', active: second, previous: first })
    await done(gateway, 'POST', router('/rollback'), { reason: 'I liked the other one' })
    expect(await answering('s')).toBe('large')
    await done(gateway, 'POST', router('/rollback'))
    expect(await answering('s')).toBe('small')

    const { data: transitions } = await done(gateway, 'GET', router('/transitions'))
    expect((transitions as Json[]).slice(0, 2).map(({ reason, actor }) => [reason, actor])).toEqual([
      ['rolled back by hand', expect.any(String)],
      ['I liked the other one', expect.any(String)],
    ])
    const audit = await done(gateway, 'GET', '/audit?object_id=default&page_size=1')
    expect((audit['audit_logs'] as Json[])[0]).toMatchObject({ object_id: 'default' })
    const lineage = await done(gateway, 'GET', `/v1/routeiq/router/artifacts/${second.slice(0, 12)}`)
    expect(lineage).toMatchObject({ id: second, dataset_hash: 'a'.repeat(64), signed: false })
    const content = await get(gateway, `/v1/routeiq/router/artifacts/${second}/content`)
    expect(content.status).toBe(200)
  })

  it('is refused when it is damaged, no artifact, or older than what is in force', async () => {
    const damaged = Buffer.from(large)
    damaged.writeUInt8(damaged.readUInt8(3000) ^ 1, 3000)
    for (const bytes of [damaged, large.subarray(0, 4000), Buffer.from('\x80\x04pickle'), Buffer.from('hello')]) {
      const answer = await upload(gateway, bytes)
      expect(answer.status, answer.text).toBe(400)
      expect(answer.text).toContain('artifact is refused')
    }
    expect((await upload(gateway, new Uint8Array())).status).toBe(400)
    const active = await putIntoForce(gateway, await artifactOf(likesSmall, { day: 5 }))
    const old = String((await upload(gateway, large)).json?.['id'])
    const stale = await api(gateway, 'POST', router('/activate'), { artifact: old })
    expect(stale.status).toBe(400)
    expect(stale.text).toMatch(/trained before the one in force; use rollback/)
    expect(await stateOfRouter(gateway)).toMatchObject({ active })
    await done(gateway, 'POST', router('/activate'), { artifact: old, force: true })
    expect(await answering('s')).toBe('large')
    expect((await api(gateway, 'POST', router('/activate'), { artifact: 'f'.repeat(64) })).status).toBe(404)
    const used = await api(gateway, 'DELETE', `/v1/routeiq/router/artifacts/${old}`)
    expect(used.status, used.text).toBe(409)
    expect((await api(gateway, 'DELETE', `/v1/routeiq/router/artifacts/${active}`)).status).toBe(200)
  })

  it('must be signed where a key is configured, and what was in force unsigned is no longer used', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const stranger = generateKeyPairSync('ed25519').privateKey
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
    await configure(gateway, loopConfig(upstream, {}, { artifact_public_keys: [raw] }))
    const bytes = await artifactOf(likesLarge, { day: 7 })
    for (const key of [undefined, stranger]) {
      const answer = await upload(gateway, await artifactOf(likesLarge, { day: 7, ...(key && { key }) }))
      expect(answer.status, answer.text).toBe(400)
      expect(answer.text).toMatch(/sign/)
    }
    const id = await putIntoForce(gateway, await artifactOf(likesLarge, { day: 7, key: privateKey }))
    expect(await done(gateway, 'GET', `/v1/routeiq/router/artifacts/${id}`)).toMatchObject({ signed: true })
    expect(await answering('s')).toBe('large')
    await configure(gateway, loopConfig(upstream))
    expect((await upload(gateway, bytes)).status).toBe(201)
  })
})

describe('feedback', () => {
  it('is for one’s own calls, counts once, and can be corrected', async () => {
    await done(gateway, 'POST', router('/activate'), {
      artifact: String((await upload(gateway, await artifactOf(likesLarge, { day: 8 }))).json?.['id']),
    })
    const [mine, other] = [await newKey(gateway), await newKey(gateway)]
    const id = callId(await askIn(gateway, 'fb', { key: mine }))
    const give = (body: Json, key = mine, path = '/v1/routeiq/feedback') =>
      api(gateway, 'POST', path, { request_id: id, ...body }, key)

    expect((await give({ score: 1 }, other)).status).toBe(404)
    const first = await give({ score: 1, kind: 'thumbs', comment: 'a secret wish' })
    expect(first.json).toEqual({ status: 'recorded', reward: 1, weight: 1, learned: true })
    for (const _ of [1, 2, 3])
      expect((await give({ score: 1, kind: 'thumbs' })).json).toMatchObject({ status: 'unchanged' })
    expect((await decisionsOf(`request_id=${id}`))[0]).toMatchObject({ reward: 1, chosen: 'large' })
    expect((await give({ score: -1, kind: 'thumbs' })).json).toMatchObject({ status: 'corrected', reward: 0 })
    expect((await decisionsOf(`request_id=${id}`))[0]).toMatchObject({ reward: 0 })
    // Another kind is another voice; an administrator another one.
    expect((await give({ litellm_call_id: id, name: 'judge', value: 0.5 })).json).toMatchObject({
      reward: 0.5,
      weight: 0.7,
    })
    expect((await give({ score: 0 }, gateway.key)).json).toMatchObject({ status: 'recorded', reward: 0.5 })
    expect(
      (await give({ score: 0.5, user_id: 'somebody' }, mine, '/api/v1/routeiq/routing/feedback')).json,
    ).toMatchObject({
      status: 'recorded',
      reward: 0.75,
    })
    for (const body of [{ score: 2 }, { kind: 'thumbs' }, { score: -0.5, scale: '0..1' }, { score: 1, kind: 'a b' }]) {
      expect((await give(body)).status, JSON.stringify(body)).toBe(400)
    }
    expect((await give({ request_id: 'never-heard-of', score: 1 })).status).toBe(404)
  })

  it('is taken for calls that no learned route decided, as a label', async () => {
    const key = await newKey(gateway)
    const plain = await api(
      gateway,
      'POST',
      '/v1/chat/completions',
      { model: 'small', messages: [{ role: 'user', content: 'hi' }] },
      key,
    )
    const answer = await api(gateway, 'POST', '/v1/feedback', { request_id: callId(plain), score: 1 }, key)
    expect(answer.json).toMatchObject({ status: 'recorded', learned: false })
  })

  it('moves decisions after twenty voices and not before, as far as it may', async () => {
    await configure(gateway, loopConfig(upstream))
    const id = await putIntoForce(
      gateway,
      await artifactOf(
        [
          [0.75, 0.65, 0.1],
          [0.75, 0.65, 0.1],
          [0.75, 0.65, 0.1],
        ],
        { day: 9 },
      ),
    )
    const text = 'Calculate the discount of these numbers and then the ratio'
    const ask = async (session: string) => askIn(gateway, session, { text })
    expect(modelOf(await ask('first'))).toBe('small')
    const bad = async (): Promise<void> => {
      const answer = await ask('voice')
      await done(gateway, 'POST', '/v1/routeiq/feedback', { request_id: callId(answer), score: -1 })
    }
    for (let voice = 0; voice < 19; voice++) await bad()
    expect(modelOf(await ask('still'))).toBe('small')
    // Every process hears of it within two seconds.
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(modelOf(await ask('still'))).toBe('small')
    for (let voice = 0; voice < 6; voice++) await bad()
    await eventually(async () => (modelOf(await ask('then')) === 'medium' ? true : undefined))
    expect((await stateOfRouter(gateway))['active']).toBe(id)
  })

  it('is bounded per key', async () => {
    const [loud, quiet] = [await newKey(gateway), await newKey(gateway)]
    const give = (key: string) => api(gateway, 'POST', '/v1/routeiq/feedback', {}, key)
    // Refused before it is looked at: 400 costs nothing.
    expect((await give(loud)).status).toBe(400)
    const id = callId(await askIn(gateway, 'loud', { key: loud }))
    let refused: number | undefined
    for (let voice = 0; voice < 600 && refused === undefined; voice++) {
      const { status } = await api(
        gateway,
        'POST',
        '/v1/routeiq/feedback',
        { request_id: id, score: 1, kind: `k${voice}` },
        loud,
      )
      if (status === 429) refused = voice
    }
    expect(refused).toBeGreaterThanOrEqual(119)
    const own = callId(await askIn(gateway, 'quiet', { key: quiet }))
    expect((await api(gateway, 'POST', '/v1/routeiq/feedback', { request_id: own, score: 1 }, quiet)).status).toBe(200)
  })
})

describe('words of callers', () => {
  /** Everything on disk, WAL included, and everything that was logged. */
  const everywhere = (): string => {
    let text = gateway.logs()
    const walk = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) walk(path)
        else text += readFileSync(path, 'latin1')
      }
    }
    walk(data)
    return text
  }

  it('are nowhere unless capture is on for the key, and then redacted, in their own table, and can be deleted', async () => {
    const silent = await newKey(gateway)
    const open = await newKey(gateway, { metadata: { routeiq_capture: { sample: 1 } } })
    const first = await askIn(gateway, 'words', { key: silent, text: 'xylophone-marmalade-quicksand in my prompt' })
    await done(
      gateway,
      'POST',
      '/v1/routeiq/feedback',
      { request_id: callId(first), score: 1, comment: 'tangerine-umbrella-note' },
      silent,
    )
    const second = await askIn(gateway, 'words', {
      key: open,
      text: 'Calculate zeppelin-butterscotch-lantern for jane.roe@example.com, card 4111 1111 1111 1111',
    })
    await eventually(async () => ((await decisionsOf(`request_id=${callId(second)}`)).length === 1 ? true : undefined))
    await eventually(() => (everywhere().includes('zeppelin-butterscotch-lantern') ? true : undefined))
    const found = everywhere()
    expect(found).not.toContain('xylophone-marmalade')
    expect(found).not.toContain('tangerine-umbrella')
    expect(found).not.toContain('jane.roe@example.com')
    expect(found).not.toContain('4111 1111')
    expect(gateway.logs()).not.toContain('zeppelin')
    const exported = await get(gateway, '/v1/routeiq/router/decisions/export?with_text=true')
    const records = exported.text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Json)
    expect(records).toHaveLength(1)
    expect(records[0]).toMatchObject({
      format: 'routeiq.routing_record.v1',
      prompt: { text: expect.stringContaining('zeppelin') },
      status: 'success',
    })
    expect(String((records[0]!['prompt'] as Json)['text'])).toContain('[redacted]')
    expect((await api(gateway, 'DELETE', '/v1/routeiq/router/captures')).json).toEqual({ deleted: 1 })
    const left = await get(gateway, '/v1/routeiq/router/decisions/export?with_text=true')
    expect(left.text).toBe('')
  })
})

describe('the numbers', () => {
  it('are told by RouteIQ’s paths and by metrics', async () => {
    await askIn(gateway, 'numbers')
    const stats = await eventually(async () => {
      const found = await done(gateway, 'GET', '/api/v1/routeiq/routing/stats')
      return Number(found['total_decisions']) > 0 ? found : undefined
    })
    expect(stats).toMatchObject({
      cluster_wide: true,
      strategy_distribution: { 'routeiq-auto': stats['total_decisions'] },
    })
    expect((await done(gateway, 'GET', '/router/info'))['registry']).toMatchObject({ default: { stage: 'active' } })
    expect(await done(gateway, 'GET', '/llmrouter/strategies/compare')).toMatchObject({
      active_strategy: 'routeiq-auto',
    })
    expect(await done(gateway, 'GET', '/api/v1/routeiq/routing/config')).toMatchObject({
      ab_testing: { enabled: false },
    })
    const { text } = await get(gateway, '/metrics')
    expect(metric(text, 'routeiq_router_decisions_recorded_total', { outcome: 'written' })).toBeGreaterThan(0)
    expect(metric(text, 'routeiq_router_decisions_recorded_total', { outcome: 'dropped' })).toBe(0)
  })

  it('say what another policy would have earned only where they can', async () => {
    const answer = await api(gateway, 'POST', router('/evaluate'), { lambda: 0.5 })
    expect(answer.status, answer.text).toBe(422)
    expect((await api(gateway, 'POST', router('/evaluate'), {})).status).toBe(400)
  })
})
