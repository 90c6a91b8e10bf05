import { afterAll, beforeAll, expect, it } from 'vitest'
import { configure, eventually, get, metric } from '../control/setup.ts'
import { done } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { artifactOf, askIn, callId, likesLarge, loopConfig, putIntoForce } from './loop-world.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: loopConfig(upstream, { decisions_per_second: 2 }) })
  await putIntoForce(gateway, await artifactOf(likesLarge))
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const recorded = async (outcome: string): Promise<number> =>
  metric((await get(gateway, '/metrics')).text, 'routeiq_router_decisions_recorded_total', { outcome })

/** @returns ids of the calls, once all of them are written down or thinned out */
async function ask(count: number): Promise<string[]> {
  const before = (await recorded('written')) + (await recorded('thinned'))
  const answers = await Promise.all(Array.from({ length: count }, (_, at) => askIn(gateway, `s-${before}-${at}`)))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  await eventually(async () =>
    (await recorded('written')) + (await recorded('thinned')) >= before + count ? true : undefined,
  )
  return answers.map(callId)
}

it('writes so many decisions in a second, answers and explains every call, and heeds a new setting at once', async () => {
  const started = performance.now()
  const ids = await ask(80)
  const seconds = (performance.now() - started) / 1000
  const written = await recorded('written')
  // A bucket of a second's worth, and what flowed in meanwhile.
  expect(written).toBeGreaterThanOrEqual(2)
  expect(written).toBeLessThanOrEqual(2 + 2 * seconds + 1)
  expect(await recorded('thinned')).toBe(80 - written)
  for (const id of ids.slice(0, 20)) expect((await get(gateway, `/v1/routeiq/explain/${id}`)).status).toBe(200)
  // Feedback to a call that left no record is kept, and teaches nothing.
  const taught = await Promise.all(
    ids.slice(0, 30).map(request_id => done(gateway, 'POST', '/v1/routeiq/feedback', { request_id, score: 1 })),
  )
  expect(taught.every(({ status }) => status === 'recorded')).toBe(true)
  expect(taught.filter(({ learned }) => learned === false).length).toBeGreaterThanOrEqual(30 - written)

  await configure(gateway, loopConfig(upstream, { decisions_per_second: 10_000 }))
  await ask(40)
  expect(await recorded('written')).toBe(written + 40)
})
