import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually, get, metric } from '../control/setup.ts'
import { api, done } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { prompts } from './artifacts.ts'
import {
  artifactOf,
  askIn,
  likesLarge,
  likesSmall,
  loopConfig,
  putIntoForce,
  stateOfRouter,
  upload,
} from './loop-world.ts'

let upstream: Upstream
let gateway: Gateway

/** One prompt is not the mix of its training: inputs are not what is watched here. */
const drift = { drift: { input_psi: 50, exploration: 4 } }

beforeAll(async () => {
  upstream = await startUpstream()
  const config = loopConfig(upstream, drift)
  const router_settings = { ...(config['router_settings'] as Json), disable_cooldowns: true, num_retries: 0 }
  gateway = await startGateway({ config: { ...config, router_settings } })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const router = (action = ''): string => `/v1/routeiq/router/routers/default${action}`

async function ask(count: number): Promise<void> {
  for (let at = 0; at < count; at += 20) {
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => askIn(gateway, `d-${at + index}`, { text: prompts.calculate })),
    )
  }
}

const watched = (calls: number): Promise<Json> =>
  eventually(async () => {
    const found = await done(gateway, 'GET', router('/drift'))
    return Number(found['decisions'] ?? 0) >= calls ? found : undefined
  }, 20_000)

it('a model that begins to fail freezes promotions and says so; one that is well does not', async () => {
  const active = await putIntoForce(gateway, await artifactOf(likesLarge, { day: 1 }))
  await eventually(async () =>
    (await done(gateway, 'GET', router('/drift')))['artifact'] === undefined ? undefined : true,
  )
  await ask(320)
  expect((await watched(320))['alarms']).toEqual([])
  expect(await stateOfRouter(gateway)).toMatchObject({ frozen: null, exploration: 1 })

  const repair = upstream.fault('large', 'status=500')
  await ask(80)
  const state = await eventually(async () => {
    const found = await stateOfRouter(gateway)
    return found['frozen'] === null ? undefined : found
  }, 20_000)
  expect(state).toMatchObject({
    active,
    exploration: 4,
    frozen: { reason: expect.stringContaining('errors of large') },
  })
  const { text } = await get(gateway, '/metrics')
  expect(metric(text, 'routeiq_router_drift_total', { router: 'default', signal: 'errors' })).toBe(1)
  // Of this process's copy of the state, which follows the store's by a message.
  await eventually(async () => {
    const now = (await get(gateway, '/metrics')).text
    return metric(now, 'routeiq_router_promotions_frozen', { router: 'default' }) === 1 || undefined
  })
  expect(await gateway.waitForLog(/"msg":"drift"/)).toContain('errors')

  // Nothing is promoted now, by the pipeline or by a rollout, until somebody has looked.
  repair()
  const candidate = String((await upload(gateway, await artifactOf(likesSmall, { day: 2 }))).json?.['id'])
  const refused = await api(gateway, 'POST', router('/rollout'), { artifact: candidate })
  expect(refused.status, refused.text).toBe(409)
  expect(refused.text).toContain('frozen')
  expect(await done(gateway, 'POST', router('/acknowledge'), { reason: 'the vendor had a bad day' })).toMatchObject({
    frozen: null,
    exploration: 1,
  })
  expect(await done(gateway, 'POST', router('/rollout'), { artifact: candidate })).toMatchObject({ stage: 'shadow' })
})
