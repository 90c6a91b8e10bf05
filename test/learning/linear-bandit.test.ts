import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, eventually } from '../control/setup.ts'
import { done } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { artifactOf, askIn, callId, loopConfig, putIntoForce } from './loop-world.ts'
import { decisionOf, modelOf } from './routing-world.ts'

const calculate = 'Calculate the discount of these numbers and then the ratio'
const prove = 'Prove rigorously the theorem for every lattice of the space'

let upstream: Upstream
let gateway: Gateway
let data: string

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'routeiq-linucb-'))
  upstream = await startUpstream()
  gateway = await startGateway({ config: linucb(0), env: { ROUTEIQ_DATA_DIR: data } })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  rmSync(data, { recursive: true, force: true })
})

function linucb(alpha: number, feedback: Json = { linear_bandit: true, per_minute: 1000 }): Json {
  const config = loopConfig(upstream, { feedback }, {}, { alpha, exploration_regret: 0.3 })
  return {
    ...config,
    general_settings: { master_key: 'sk-linucb-master' },
    router_settings: { ...(config['router_settings'] as Json), routing_strategy: 'llmrouter-linucb' },
  }
}

/** `small` is a little better everywhere, as far as the artifact knows. */
const nearlyAlike = (day: number) =>
  artifactOf(
    [
      [0.7, 0.65, 0.1],
      [0.7, 0.65, 0.1],
      [0.7, 0.65, 0.1],
    ],
    { day },
  )

async function voice(score: number): Promise<string> {
  const answer = await askIn(gateway, 'voice', { text: calculate })
  await done(gateway, 'POST', '/v1/routeiq/feedback', { request_id: callId(answer), score })
  return modelOf(answer)
}

const answering = async (text: string): Promise<string> => modelOf(await askIn(gateway, 'asks', { text }))

describe('llmrouter-linucb', () => {
  it('learns from feedback for that kind of prompt, and still knows it after a restart', async () => {
    await putIntoForce(gateway, await nearlyAlike(1))
    expect(await answering(calculate)).toBe('small')
    expect(await answering(prove)).toBe('small')
    for (let i = 0; i < 19; i++) expect(await voice(-1)).toBe('small')
    // Every process hears of it within two seconds.
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(await answering(calculate), 'nineteen voices are not heard').toBe('small')
    for (let i = 0; i < 10; i++) await voice(-1)
    await eventually(async () => ((await answering(calculate)) === 'medium' ? true : undefined))
    expect(await answering(prove), 'another kind of prompt').toBe('small')
    await gateway.stop()
    gateway = await startGateway({ config: linucb(0), env: { ROUTEIQ_DATA_DIR: data } })
    await eventually(async () => ((await answering(calculate)) === 'medium' ? true : undefined))
    expect(await answering(prove)).toBe('small')
  })

  it('tries who is least known where alpha says so, and says so, without chance', async () => {
    await configure(gateway, linucb(0.4))
    await putIntoForce(gateway, await nearlyAlike(2))
    expect(await answering(calculate)).toBe('small')
    for (let i = 0; i < 8; i++) await voice(1)
    const tried = await eventually(async () => {
      const answer = await askIn(gateway, 'asks', { text: calculate })
      return modelOf(answer) === 'medium' ? answer : undefined
    })
    expect(await decisionOf(gateway, tried)).toMatchObject({
      strategy: 'llmrouter-linucb',
      reason: 'explored',
      explored: true,
      propensity: 1,
      because: expect.stringContaining('least is known'),
    })
  })

  it('is not taught where nobody asked for it, and the operator hears of that', async () => {
    const told = await configure(gateway, linucb(0, { linear_bandit: false, per_minute: 1000 }))
    await putIntoForce(gateway, await nearlyAlike(3))
    expect(JSON.stringify(told['warnings'])).toContain('feedback.linear_bandit is false')
    for (let i = 0; i < 25; i++) await voice(-1)
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(await answering(calculate)).toBe('small')
  })
})
