import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../control/setup.ts'
import { done } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
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

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

const key = 'sk-same-on-all-replicas'
const router = (action = ''): string => `/v1/routeiq/router/routers/default${action}`
const answering = async (gateway: Gateway, session: string): Promise<string> => modelOf(await askIn(gateway, session))

/** Milliseconds until a probe gives something. */
async function time(probe: () => Promise<true | undefined>): Promise<number> {
  const from = performance.now()
  await eventually(probe)
  return performance.now() - from
}

// Starts PostgreSQL, Redis and three gateways, and waits for a dead one's lock: half a minute on a busy machine.
describe.skipIf(!services.postgres || !services.redis)('two replicas over PostgreSQL and Redis', () => {
  let postgres: Service
  let redis: Service
  let replicas: Gateway[] = []

  beforeAll(async () => {
    ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
    const config = {
      ...loopConfig(upstream),
      general_settings: { master_key: key, database_url: postgres.url },
    }
    const env = { REDIS_URL: redis.url }
    // One after the other: the first one makes the tables.
    replicas = [await startGateway({ config, env })]
    replicas.push(await startGateway({ config, env }))
  })
  afterAll(async () => {
    await Promise.all(replicas.map(replica => replica.stop().catch(() => undefined)))
    await Promise.all([postgres?.stop(), redis?.stop()])
  })

  it('agree on the artifact within two seconds, on arms at once, and on feedback wherever it comes in', async () => {
    const [one, two] = replicas as [Gateway, Gateway]
    await putIntoForce(one, await artifactOf(likesLarge, { day: 1 }))
    const spread = await time(async () => ((await answering(two, 's')) === 'large' ? true : undefined))
    // The bound is the poll's; a message is usually faster. Slack for a busy machine.
    expect(spread).toBeLessThan(4000)
    const candidate = String((await upload(two, await artifactOf(likesSmall, { day: 2 }))).json?.['id'])
    const body = { artifact: candidate, automatic: false, shares: [0.4, 1] }
    await done(two, 'POST', router('/rollout'), body)
    await eventually(async () => ((await stateOfRouter(one))['stage'] === 'canary_40' ? true : undefined))
    await new Promise(resolve => setTimeout(resolve, 1500))
    const arms: Record<string, number> = {}
    for (let session = 0; session < 40; session++) {
      const [a, b] = await Promise.all([answering(one, `arm-${session}`), answering(two, `arm-${session}`)])
      expect(a, `session ${session}`).toBe(b)
      arms[a] = (arms[a] ?? 0) + 1
    }
    expect(Object.keys(arms).sort()).toEqual(['large', 'small'])
    // The call was made at one replica, its feedback goes to the other.
    const call = callId(await askIn(one, 'elsewhere'))
    const given = await done(two, 'POST', '/v1/routeiq/feedback', { request_id: call, score: 1 })
    expect(given).toMatchObject({ status: 'recorded', learned: true })
    const again = await done(one, 'POST', '/v1/routeiq/feedback', { request_id: call, score: 1 })
    expect(again).toMatchObject({ status: 'unchanged' })
    await done(one, 'POST', router('/rollback'))
    const back = await time(async () => ((await answering(two, 'arm-0')) === 'large' ? true : undefined))
    expect(back).toBeLessThan(4000)
  })

  it('go on with a rollout when the one that looks after it is killed', async () => {
    const [one, two] = replicas as [Gateway, Gateway]
    await putIntoForce(one, await artifactOf(likesLarge, { day: 3 }))
    const candidate = String((await upload(one, await artifactOf(likesSmall, { day: 4 }))).json?.['id'])
    await done(one, 'POST', router('/rollout'), {
      artifact: candidate,
      shares: [0, 0.5, 1],
      guards: { min_calls: 15, min_seconds: 0, max_slow_increase: 1 },
    })
    // Whichever has the lock: the first one does, it was there first.
    one.signal('SIGKILL')
    let session = 0
    await eventually(async () => {
      await Promise.all(Array.from({ length: 10 }, () => askIn(two, `killed-${session++}`)))
      return (await stateOfRouter(two))['stage'] === 'active' ? true : undefined
    }, 40_000)
    expect(await stateOfRouter(two)).toMatchObject({ active: candidate })
    const { data } = await done(two, 'GET', router('/transitions?limit=10'))
    const moves = (data as Json[]).map(({ to }) => to)
    expect(moves.filter(to => to === 'canary_100')).toHaveLength(1)
  })
})

describe('a gateway that is killed', () => {
  it('comes back with the same artifact, the same step of its rollout, and the same arms', async () => {
    const data = mkdtempSync(join(tmpdir(), 'routeiq-loop-'))
    const env = { ROUTEIQ_DATA_DIR: data }
    const config = { ...loopConfig(upstream), general_settings: { master_key: key } }
    let gateway = await startGateway({ config, env })
    try {
      await putIntoForce(gateway, await artifactOf(likesLarge, { day: 1 }))
      const candidate = String((await upload(gateway, await artifactOf(likesSmall, { day: 2 }))).json?.['id'])
      const body = { artifact: candidate, automatic: false, shares: [0.4, 1] }
      const before = await done(gateway, 'POST', router('/rollout'), body)
      const arms: string[] = []
      for (let session = 0; session < 20; session++) arms.push(await answering(gateway, `s-${session}`))
      gateway.signal('SIGKILL')
      await gateway.stop().catch(() => undefined)
      gateway = await startGateway({ config, env })
      const after = await stateOfRouter(gateway)
      expect(after['rollout']).toEqual(before['rollout'])
      expect(after['active']).toBe(before['active'])
      for (const [session, arm] of arms.entries()) expect(await answering(gateway, `s-${session}`)).toBe(arm)
    } finally {
      await gateway.stop()
      rmSync(data, { recursive: true, force: true })
    }
  })
})
