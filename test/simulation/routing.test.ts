import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deployment, features, price } from '../../src/pipeline/routing/routing.fixtures.ts'
import { strategyIds } from '../../src/pipeline/routing/strategies/index.ts'
import type { FailureKind } from '../../src/platform/errors/gateway-error.ts'
import { RoutingWorld, type WorldOptions } from './routing-world.ts'

const trio = ['a', 'b', 'c'].map(id => deployment(id))
const second = 1000

/** One call every `gap` milliseconds. */
function load(options: WorldOptions, calls: number, gap: number, model = 'group'): RoutingWorld {
  const world = new RoutingWorld(options)
  for (let i = 0; i < calls; i++) world.callAt(i * gap, model)
  return world.run()
}

function idle(world: RoutingWorld, deployments = trio): boolean {
  return deployments.every(d => world.live.view(d).inFlight === 0)
}

describe.each(strategyIds)('%s', routing_strategy => {
  test.each(['internal_server', 'timeout', 'rate_limit', 'authentication', 'not_found', 'connection'] as FailureKind[])(
    'no call fails while a deployment is healthy: two answer %s for half a minute',
    failure => {
      const world = load(
        {
          deployments: trio,
          config: { routing_strategy },
          behaviour: (d, at) =>
            d.id !== 'b' && at > 10 * second && at < 40 * second ? { latency: 20, failure } : { latency: 80 },
        },
        1000,
        60,
      )
      expect(world.results).toHaveLength(1000)
      expect(world.results.filter(({ error }) => error !== undefined)).toEqual([])
      expect(Math.max(...world.results.map(({ attempts }) => attempts))).toBeLessThanOrEqual(3)
      expect(idle(world)).toBe(true)
      const late = world.hops.filter(({ at }) => at > 55 * second)
      expect(late.every(hop => hop.failure === undefined)).toBe(true)
    },
  )
})

test('a dead deployment sees the failures that trip it, then only probes, ever rarer', () => {
  const world = load(
    {
      deployments: trio,
      behaviour: d => (d.id === 'a' ? { latency: 5, failure: 'internal_server' } : { latency: 50 }),
    },
    6000,
    20,
  )
  const toDead = world.hops.filter(({ deployment: id }) => id === 'a')
  const opened = world.changes.find(({ state }) => state === 'open')!
  expect(opened.cause).toBe('failure_rate')
  const after = toDead.filter(({ at }) => at > opened.at)
  expect(after.every(({ probe }) => probe)).toBe(true)
  // 5 + 10 + 20 + 40 s of pauses fill the first 75 of 120 s; the next is 80 s long.
  expect(after).toHaveLength(4)
  expect(world.results.every(({ error }) => error === undefined)).toBe(true)
})

test('cooldown acts in the same tick: a call a microsecond after the refusal goes elsewhere', () => {
  const world = new RoutingWorld({
    deployments: trio.slice(0, 2),
    behaviour: d => (d.id === 'a' ? { latency: 1, failure: 'rate_limit', retryAfter: 30 } : { latency: 10 }),
  })
  for (let i = 0; i < 200; i++) world.callAt(i < 50 ? 0 : 1.001, 'group')
  world.run()
  expect(world.hops.filter(({ deployment: id, at }) => id === 'a' && at > 1)).toEqual([])
  expect(world.results.every(({ answeredBy }) => answeredBy === 'b')).toBe(true)
})

test('a recovered deployment is found by one probe and takes its share again', () => {
  const world = load(
    {
      deployments: trio,
      behaviour: (d, at) =>
        d.id === 'a' && at < 4 * second ? { latency: 5, failure: 'rate_limit' } : { latency: 500 },
    },
    1500,
    20,
  )
  expect(world.changes.map(({ state }) => state)).toEqual(['open', 'half_open', 'closed'])
  const closed = world.changes[2]!.at
  const probing = world.hops.filter(({ deployment: id, at }) => id === 'a' && at > world.changes[0]!.at && at < closed)
  expect(probing).toHaveLength(1)
  const share = world.hops.filter(({ at }) => at > closed)
  const own = share.filter(({ deployment: id }) => id === 'a').length / share.length
  expect(own).toBeGreaterThan(0.28)
  expect(own).toBeLessThan(0.38)
})

test('failures of retries and fallbacks count: a fallback group’s deployment cools too', () => {
  const world = load(
    {
      deployments: [
        deployment('p1', { group: 'primary' }),
        deployment('p2', { group: 'primary' }),
        deployment('f1', { group: 'spare' }),
        deployment('f2', { group: 'spare' }),
      ],
      config: { fallbacks: [{ primary: ['spare'] }] },
      behaviour: d => (d.id === 'f2' ? { latency: 10 } : { latency: 5, failure: 'rate_limit', retryAfter: 20 }),
    },
    200,
    50,
    'primary',
  )
  expect(world.results.every(({ answeredBy, fallbacks }) => answeredBy === 'f2' && fallbacks === 1)).toBe(true)
  expect(world.hops.filter(({ deployment: id }) => id === 'f1').length).toBeLessThanOrEqual(1)
  expect(world.cooldown.list().map(({ deployment: { id } }) => id)).toEqual(expect.arrayContaining(['p1', 'p2']))
})

test('a lone deployment is retried with growing waits, not cooled', () => {
  const alone = deployment('alone')
  const world = load(
    {
      deployments: [alone],
      behaviour: (_, at) => (at < 400 ? { latency: 1, failure: 'service_unavailable' } : { latency: 1 }),
    },
    1,
    1,
  )
  expect(world.results[0]).toMatchObject({ answeredBy: 'alone' })
  expect(world.changes).toEqual([])
  const dead = load({ deployments: [alone], behaviour: () => ({ latency: 1, failure: 'service_unavailable' }) }, 1, 1)
  expect(dead.results[0]).toMatchObject({ attempts: 3, error: { kind: 'service_unavailable' } })
  expect(dead.results[0]!.duration).toBeGreaterThan(375)
})

test('everything down: each caller gets a true error, and the pauses spare the upstreams', () => {
  const world = load(
    { deployments: trio, behaviour: () => ({ latency: 5, failure: 'rate_limit', retryAfter: 10 }) },
    500,
    20,
  )
  expect(world.results.every(({ error }) => error?.status === 429)).toBe(true)
  expect(world.results.filter(({ error }) => error?.code === 'no_deployment_available').length).toBeGreaterThan(400)
  expect(
    world.results.every(({ error }) => error?.code !== 'no_deployment_available' || (error.retryAfter ?? 0) >= 1),
  ).toBe(true)
  expect(world.hops.length).toBeLessThan(20)
})

test('affinity keeps a conversation at one deployment through load, and moves it when that deployment fails', () => {
  const cached = trio.map(d => ({ ...d, price: price(100, 400, 10) }))
  const world = new RoutingWorld({
    deployments: cached,
    behaviour: (d, at) =>
      d.id === favourite && at > 60 * second ? { latency: 5, failure: 'rate_limit' } : { latency: 200 },
  })
  let favourite = ''
  const group = world.router.resolve('group')!
  favourite = world.router.plan(group, features({ prefixHash: 99 })).ranked[0]!.id
  for (let i = 0; i < 400; i++) world.callAt(i * 300, 'group', { prefixHash: 99 })
  world.run()
  const before = world.results.filter(({ at }) => at < 60 * second)
  expect(before.every(({ answeredBy }) => answeredBy === favourite)).toBe(true)
  const after = new Set(world.results.filter(({ at }) => at > 60 * second).map(({ answeredBy }) => answeredBy))
  expect(after.size).toBe(1)
  expect(after.has(favourite)).toBe(false)
})

test('under any weather: every call ends once, within its attempts, nothing stays in flight, one probe at a time', () => {
  const kinds: FailureKind[] = [
    'internal_server',
    'timeout',
    'rate_limit',
    'authentication',
    'bad_request',
    'connection',
    'context_window_exceeded',
  ]
  fc.assert(
    fc.property(
      fc.nat(),
      fc.constantFrom(...strategyIds),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 4 }),
      (seed, routing_strategy, badness, count) => {
        const deployments = Array.from({ length: count }, (_, i) => deployment(`d${i}`))
        const spare = deployment('spare', { group: 'spare' })
        const world = load(
          {
            deployments: [...deployments, spare],
            config: { routing_strategy, fallbacks: [{ '*': ['spare', 'group'] }] },
            seed,
            behaviour: (_, __, random) => {
              const latency = 1 + Math.floor(random() * 400)
              if (random() >= badness) return { latency }
              return {
                latency,
                failure: kinds[Math.floor(random() * kinds.length)]!,
                retryAfter: random() < 0.3 ? 3 : undefined,
              }
            },
          },
          300,
          25,
        )
        expect(world.results).toHaveLength(300)
        expect(new Set(world.results.map(({ call }) => call)).size).toBe(300)
        for (const { attempts, fallbacks } of world.results) {
          expect(attempts).toBeLessThanOrEqual(3 * (fallbacks + 1))
          expect(fallbacks).toBeLessThanOrEqual(1)
        }
        expect(idle(world, [...deployments, spare])).toBe(true)
        // Every probe stands between a half_open and the next verdict: never two without a change in between.
        const perDeployment = new Map<string, string>()
        for (const {
          deployment: { id },
          state,
        } of world.changes) {
          const last = perDeployment.get(id) ?? 'closed'
          const allowed = { closed: ['open'], open: ['half_open'], half_open: ['open', 'closed', 'half_open'] }[last]!
          expect(allowed).toContain(state)
          perDeployment.set(id, state)
        }
      },
    ),
    { numRuns: 60 },
  )
})
