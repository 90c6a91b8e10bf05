import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { configure, eventually } from '../control/setup.ts'
import { api, done } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import {
  artifactOf,
  askIn,
  likesLarge,
  likesSmall,
  loopConfig,
  putIntoForce,
  stage,
  stateOfRouter,
  upload,
} from './loop-world.ts'
import { modelOf } from './routing-world.ts'

let upstream: Upstream
let gateway: Gateway
/** Each test's artifacts are newer than those of the one before. */
let day = 10

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: loopConfig(upstream) })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const router = (action = ''): string => `/v1/routeiq/router/routers/default${action}`

/** `large` decides; a candidate that likes `small` is uploaded. @returns ids */
async function champion(): Promise<{ active: string; candidate: string }> {
  const active = await putIntoForce(gateway, await artifactOf(likesLarge, { day: day++ }))
  const { json } = await upload(gateway, await artifactOf(likesSmall, { day: day++ }))
  return { active, candidate: String(json?.['id']) }
}

const rollOut = (candidate: string, fields: Json): Promise<Json> =>
  done(gateway, 'POST', router('/rollout'), { artifact: candidate, ...fields })

/** Asks in many sessions, a few at once. @returns who answered, by session */
async function sessions(count: number, name = 'session'): Promise<Map<string, string>> {
  const answers = new Map<string, string>()
  for (let at = 0; at < count; at += 10) {
    await Promise.all(
      Array.from({ length: Math.min(10, count - at) }, async (_, index) => {
        const session = `${name}-${at + index}`
        const answer = await askIn(gateway, session)
        answers.set(session, answer.status === 200 ? modelOf(answer) : String(answer.status))
      }),
    )
  }
  return answers
}

const share = (answers: ReadonlyMap<string, string>, model: string): number =>
  [...answers.values()].filter(name => name === model).length / answers.size

const decisions = async (query: string): Promise<Json[]> =>
  (await done(gateway, 'GET', `/v1/routeiq/router/decisions?limit=500&${query}`))['data'] as Json[]

describe('a rollout', () => {
  it('watches first, then decides for a share of sessions, always the same ones, and goes back at a word', async () => {
    const { active, candidate } = await champion()
    const state = await rollOut(candidate, { automatic: false, shares: [0, 0.3, 1] })
    expect(state).toMatchObject({ stage: 'shadow', active, rollout: { artifact: candidate, share: 0 } })
    const { id } = state['rollout'] as Json
    expect(share(await sessions(20), 'large')).toBe(1)
    const shadows = await eventually(async () => {
      const found = await decisions(`experiment=${String(id)}`)
      return found.length >= 20 ? found : undefined
    })
    for (const { details, arm } of shadows) {
      expect(arm).toBe('control')
      expect((details as Json)['shadow']).toMatchObject({ artifact: candidate.slice(0, 12), chosen: 'small' })
    }
    expect(await done(gateway, 'POST', router('/advance'))).toMatchObject({ stage: 'canary_30' })
    const first = await sessions(100)
    expect(share(first, 'small')).toBeGreaterThan(0.12)
    expect(share(first, 'small')).toBeLessThan(0.5)
    // The same sessions get the same arm, however often they come.
    expect([...(await sessions(100))]).toEqual(expect.arrayContaining([...first]))
    // Decisions are written a quarter of a second later.
    await eventually(async () => {
      const canary = await decisions(`experiment=${String(id)}`)
      return canary.some(({ arm, reason }) => arm === 'candidate' && reason === 'canary') ? true : undefined
    })
    const busy = await api(gateway, 'POST', router('/rollout'), { artifact: candidate })
    expect(busy.status, busy.text).toBe(409)
    expect(await done(gateway, 'POST', router('/rollback'))).toMatchObject({ stage: 'active', active, rollout: null })
    expect(share(await sessions(20), 'large')).toBe(1)
  })

  it('advances by itself to the end while no guard objects', async () => {
    const { active, candidate } = await champion()
    await rollOut(candidate, { shares: [0, 0.5, 1], guards: { min_calls: 20, min_seconds: 0, max_slow_increase: 1 } })
    const wanted = new Set(['active'])
    let round = 0
    await eventually(async () => {
      await sessions(40, `round-${round++}`)
      const state = await stateOfRouter(gateway)
      return wanted.has(String(state['stage'])) ? true : undefined
    }, 25_000)
    expect(await stateOfRouter(gateway)).toMatchObject({ active: candidate, previous: active })
    const { data } = await done(gateway, 'GET', router('/transitions?limit=6'))
    const path = (data as Json[]).map(({ from, to, actor }) => [from, to, actor]).filter(([from, to]) => from !== to)
    expect(path.slice(0, 3)).toEqual([
      ['canary_100', 'active', 'system:rollout'],
      ['canary_50', 'canary_100', 'system:rollout'],
      ['shadow', 'canary_50', 'system:rollout'],
    ])
    expect(share(await sessions(10), 'small')).toBe(1)
  })

  it('is rolled back by itself when the candidate’s calls fail more often, and by nothing else', async () => {
    const { active, candidate } = await champion()
    const config = loopConfig(upstream)
    const router_settings = { ...(config['router_settings'] as Json), disable_cooldowns: true, num_retries: 0 }
    await configure(gateway, { ...config, router_settings })
    // Whoever is sent to `small` meets a vendor that is down; neither retry nor cooldown saves it.
    const repair = upstream.fault('small', 'status=500')
    // Times of a busy machine are not what is judged here.
    const guards = { min_calls: 100_000, min_seconds: 0, max_slow_increase: 1 }
    await rollOut(candidate, { shares: [0.3, 1], guards })
    let round = 0
    const state = await eventually(async () => {
      await sessions(50, `broken-${round++}`)
      const found = await stateOfRouter(gateway)
      return found['stage'] === 'active' ? found : undefined
    }, 25_000)
    expect(state).toMatchObject({ active, rollout: null })
    const { data } = await done(gateway, 'GET', router('/transitions?limit=1'))
    expect((data as Json[])[0]).toMatchObject({ reason: 'guard errors: worse than allowed', actor: 'system:rollout' })
    repair()
    // The same candidate over vendors that are well: many looks, no alarm.
    await rollOut(candidate, { shares: [0.3, 1], guards })
    await sessions(200, 'well')
    await new Promise(resolve => setTimeout(resolve, 1000))
    expect(await stage(gateway, 'canary_30')).toMatchObject({ active })
    await done(gateway, 'POST', router('/rollback'))
  })
})

describe('an experiment', () => {
  it('splits sessions in arms that stay, says who is better once it is sure, and ends at a word', async () => {
    await configure(gateway, loopConfig(upstream))
    const { candidate } = await champion()
    const made = await done(gateway, 'POST', '/v1/routeiq/router/experiments', {
      name: `small or large ${day}`,
      arms: [
        { name: 'large', share: 0.5 },
        { name: 'small', share: 0.5, artifact: candidate },
      ],
      goal: 'reward',
      min_calls: 20,
    })
    const second = await api(gateway, 'POST', '/v1/routeiq/router/experiments', {
      name: 'another',
      arms: [
        { name: 'a', share: 0.5 },
        { name: 'b', share: 0.5, strategy: 'simple-shuffle' },
      ],
    })
    expect(second.status, second.text).toBe(409)
    const answers = await sessions(60, 'ab')
    expect(share(answers, 'small')).toBeGreaterThan(0.2)
    expect(share(answers, 'small')).toBeLessThan(0.8)
    expect([...(await sessions(60, 'ab'))]).toEqual(expect.arrayContaining([...answers]))
    const path = `/v1/routeiq/router/experiments/${String(made['id'])}`
    const before = (await done(gateway, 'GET', path))['result'] as Json
    expect(before).not.toHaveProperty('winner')
    const rows = await eventually(async () => {
      const found = await decisions(`experiment=${String(made['id'])}`)
      return found.length >= 120 ? found : undefined
    })
    for (const { id, arm } of rows) {
      await done(gateway, 'POST', '/v1/routeiq/feedback', { request_id: id, score: arm === 'small' ? 1 : -0.6 })
    }
    const { result } = await done(gateway, 'GET', path)
    expect(result).toMatchObject({ winner: 'small', enough: true })
    expect(await done(gateway, 'POST', `${path}/stop`)).toMatchObject({ status: 'stopped' })
    expect(share(await sessions(10, 'after'), 'large')).toBe(1)
    expect((await api(gateway, 'POST', `${path}/stop`)).status).toBe(409)
  })
})
