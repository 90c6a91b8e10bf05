import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import { Cooldown } from './cooldown.ts'
import { LiveStats } from './live-stats.ts'
import { ModelIndex } from './model-groups.ts'
import { RouteAttempt, Router } from './router.ts'
import { deployment, features, ManualClock, price, seededRandom } from './routing.fixtures.ts'
import { compileRoutingSettings, type RouterSettingsConfig } from './settings.ts'
import { simpleShuffle } from './strategies/simple-shuffle.ts'
import type { DropReason, RoutePlan } from './types.ts'

function setUp(deployments: readonly Deployment[], config: RouterSettingsConfig = {}, seed = 1) {
  const clock = new ManualClock()
  const live = new LiveStats({ clock })
  const cooldown = new Cooldown({ clock })
  const router = new Router({
    index: new ModelIndex(deployments, { specialise: d => d }),
    settings: compileRoutingSettings(config),
    live,
    cooldown,
    clock,
    random: seededRandom(seed),
  })
  const group = router.resolve('group')!
  const start = (d: Deployment) => {
    const attempt = router.start(group, d)
    if (!(attempt instanceof RouteAttempt)) throw new Error(attempt)
    return attempt
  }
  const fail = (d: Deployment, kind: ConstructorParameters<typeof UpstreamFailure>[0], retryAfter?: number) =>
    start(d).failed(new UpstreamFailure(kind, 'x', { retryAfter }))
  return { clock, live, cooldown, router, group, start, fail }
}

const ranked = (plan: RoutePlan) => plan.ranked.map(({ id }) => id)
const dropped = (plan: RoutePlan) => Object.fromEntries(plan.considered.map(c => [c.deployment.id, c.dropped]))
const ok = { latency: 10, ttft: undefined, stream: false, inputTokens: 5, outputTokens: 5 }

function refusal(run: () => unknown): GatewayError {
  try {
    run()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('filters', () => {
  const [a, b, c] = ['a', 'b', 'c'].map(id => deployment(id)) as [Deployment, Deployment, Deployment]

  test('a virtual name opens no group that the caller may not use, whatever its strategy does', () => {
    const { router, group } = setUp([a, deployment('other', { group: 'other' })])
    const virtual = { name: 'auto', deployments: [a, deployment('other', { group: 'other' })], strategy: simpleShuffle }
    const only = (name: string) => features({ mayUse: own => own === name })
    for (let i = 0; i < 20; i++) {
      expect(ranked(router.plan(virtual, only('other')))).toEqual(['other'])
    }
    expect(dropped(router.plan(virtual, only('other')))).toEqual({ a: 'not_allowed', other: undefined })
    expect(refusal(() => router.plan(virtual, only('third'))).code).toBe('no_model_fits')
    expect(ranked(router.plan(group, only('other'))), 'a name of its own was granted at the door').toEqual(['a'])
  })

  test('what cools is left out in the same tick, what failed in this call too, each with its reason', () => {
    const { router, group, fail } = setUp([a, b, c])
    fail(a, 'rate_limit')
    const plan = router.plan(group, features(), new Set(['b']))
    expect(ranked(plan)).toEqual(['c'])
    expect(dropped(plan)).toEqual({ a: 'cooling_down', b: 'already_failed', c: undefined })
    expect(router.available(a)).toBe(false)
    expect(router.available(b)).toBe(true)
  })

  test('everybody cooling: 429 with the soonest return', () => {
    const { router, group, fail } = setUp([a, b])
    fail(a, 'rate_limit', 40)
    fail(b, 'rate_limit', 12.3)
    const error = refusal(() => router.plan(group, features()))
    expect(error).toMatchObject({ code: 'no_deployment_available', status: 429, retryAfter: 13 })
    expect(error.message).toBe("No deployments available for 'group' (2 cooling down). Try again in 13 seconds.")
  })

  test('a call by deployment id ignores cooldown', () => {
    const { router, fail } = setUp([a, b])
    fail(a, 'rate_limit')
    const direct = router.resolve('a')!
    const plan = router.plan(direct, features())
    expect(ranked(plan)).toEqual(['a'])
    expect(plan.why()).toBe('asked for by deployment id')
    expect(router.start(direct, a)).toBeInstanceOf(RouteAttempt)
  })

  test('disable_cooldowns also lifts those that began before a reload', () => {
    const { router, group, fail, cooldown, live, clock } = setUp([a, b])
    fail(a, 'rate_limit')
    const reloaded = new Router({
      index: router.index,
      settings: compileRoutingSettings({ disable_cooldowns: true }),
      live,
      cooldown,
      clock,
      random: Math.random,
    })
    expect(reloaded.plan(group, features()).ranked).toHaveLength(2)
  })

  const small = deployment('small', { capabilities: { maxInputTokens: 100 } })
  const large = deployment('large', { capabilities: { maxInputTokens: 1000 } })

  test('context window: bounds first, an exact count only when they straddle, only with pre-call checks', () => {
    const { router, group } = setUp([small, large], { enable_pre_call_checks: true })
    let counted = 0
    const call = (min: number, max: number, exact: number) =>
      features({
        promptTokensMin: min,
        promptTokensMax: max,
        countPromptTokens: () => {
          counted++
          return exact
        },
      })
    expect(ranked(router.plan(group, call(50, 100, 0)))).toHaveLength(2)
    expect(ranked(router.plan(group, call(101, 500, 0)))).toEqual(['large'])
    expect(counted).toBe(0)
    expect(ranked(router.plan(group, call(90, 110, 100)))).toHaveLength(2)
    expect(dropped(router.plan(group, call(90, 110, 101)))).toMatchObject({ small: 'context_window', large: undefined })
    expect(counted).toBe(2)
    const unchecked = setUp([small, large])
    expect(ranked(unchecked.router.plan(unchecked.group, call(5000, 9000, 7000)))).toHaveLength(2)
  })

  test('too long for everybody: context_length_exceeded, so that its fallback runs', () => {
    const { router, group } = setUp([small, large], { enable_pre_call_checks: true })
    const error = refusal(() => router.plan(group, features({ promptTokensMin: 2000, promptTokensMax: 3000 })))
    expect(error.code).toBe('context_length_exceeded')
    expect(error.message).toContain('1000 tokens')
  })

  test('what a model is known not to support drops it; what is unknown does not', () => {
    const no = deployment('no', {
      capabilities: { functionCalling: false, vision: false, audioInput: false, responseSchema: false },
    })
    const { router, group } = setUp([no, deployment('unknown')], { enable_pre_call_checks: true })
    const needs = { tools: false, vision: false, jsonSchema: false, audio: false }
    expect(ranked(router.plan(group, features()))).toHaveLength(2)
    for (const need of ['tools', 'vision', 'jsonSchema', 'audio'] as const) {
      const plan = router.plan(group, features({ needs: { ...needs, [need]: true } }))
      expect(dropped(plan)).toEqual({ no: 'unsupported_params', unknown: undefined })
    }
    const alone = setUp([no], { enable_pre_call_checks: true })
    expect(refusal(() => alone.router.plan(alone.group, features({ needs: { ...needs, tools: true } }))).code).toBe(
      'unsupported_params',
    )
  })

  test.each([
    [{}, false],
    [{ enable_pre_call_checks: true }, true],
    [{ optional_pre_call_checks: ['enforce_model_rate_limits'] }, true],
    [{ routing_strategy: 'usage-based-routing-v2' }, true],
    [{ routing_strategy: 'least-busy' }, false],
  ] as const)('rpm and tpm are caps with %j: %s', (config, capped) => {
    const byRpm = deployment('rpm', { rpm: 2 })
    const byTpm = deployment('tpm', { tpm: 25 })
    const { router, group, start, clock } = setUp([byRpm, byTpm], config)
    start(byRpm).succeeded(ok)
    start(byRpm).aborted()
    start(byTpm).succeeded({ ...ok, inputTokens: 16 })
    if (!capped) {
      expect(ranked(router.plan(group, features()))).toHaveLength(2)
      return
    }
    const error = refusal(() => router.plan(group, features()))
    expect(error.message).toContain('1 over rpm, 1 over tpm')
    expect(error.retryAfter).toBe(60)
    clock.advance(60_000)
    expect(ranked(router.plan(group, features()))).toHaveLength(2)
  })

  test('order: the lowest takes the calls, the others stand by and step in', () => {
    const [one, two, none] = [deployment('one', { order: 1 }), deployment('two', { order: 2 }), deployment('none')]
    const { router, group, fail } = setUp([none, two, one])
    const plan = router.plan(group, features())
    expect(ranked(plan)).toEqual(['one', 'two', 'none'])
    expect(dropped(plan)).toEqual({ one: undefined, two: 'higher_order', none: 'higher_order' })
    expect(plan.why()).toBe('order 1, only candidate')
    fail(one, 'rate_limit')
    expect(ranked(router.plan(group, features()))).toEqual(['two', 'none'])
  })

  test('max_parallel_requests: a full deployment is passed over, and refused at the start if it filled up meanwhile', () => {
    const narrow = deployment('narrow', { maxParallelRequests: 1 })
    const { router, group, start } = setUp([narrow])
    const plan = router.plan(group, features())
    const attempt = start(narrow)
    expect(router.start(plan.group, narrow)).toBe('parallel_limit')
    expect(router.available(narrow)).toBe(false)
    expect(refusal(() => router.plan(group, features()))).toMatchObject({ status: 429, retryAfter: 1 })
    attempt.succeeded(ok)
    attempt.succeeded(ok)
    attempt.failed(new UpstreamFailure('timeout', 'x'))
    expect(ranked(router.plan(group, features()))).toEqual(['narrow'])
  })
})

test('an attempt ends once: what is reported later counts for nothing', () => {
  const [a, b] = [deployment('a'), deployment('b')]
  const { live, cooldown, start } = setUp([a, b])
  start(a)
  const attempt = start(a)
  attempt.aborted()
  attempt.failed(new UpstreamFailure('rate_limit', 'x'))
  attempt.succeeded(ok)
  attempt.aborted()
  expect(live.view(a)).toMatchObject({ inFlight: 1, tpm: 0, latency: undefined })
  expect(cooldown.state(a)).toBe('closed')
})

test('after the pause one call probes; the others go elsewhere until it answers', () => {
  const [a, b] = [deployment('a'), deployment('b')]
  const { router, group, fail, start, clock } = setUp([a, b])
  fail(a, 'rate_limit')
  clock.advance(5000)
  const probe = start(a)
  expect(probe.probe).toBe(true)
  expect(router.start(group, a)).toBe('cooling_down')
  expect(ranked(router.plan(group, features()))).toEqual(['b'])
  probe.succeeded(ok)
  expect(ranked(router.plan(group, features()))).toHaveLength(2)
})

describe('affinity', () => {
  const discounting = ['a', 'b', 'c', 'd'].map(id => deployment(id, { price: price(100, 400, 10) }))
  const firsts = (deployments: readonly Deployment[], config: RouterSettingsConfig, prefixHash: number | undefined) => {
    const { router, group } = setUp(deployments, config)
    return new Set(Array.from({ length: 60 }, () => ranked(router.plan(group, features({ prefixHash })))[0]))
  }

  test('holds where cached input is cheaper, and says so', () => {
    expect(firsts(discounting, {}, 77).size).toBe(1)
    expect(firsts(discounting, {}, undefined).size).toBe(4)
    expect(
      firsts(
        discounting.map(d => ({ ...d, price: price(100, 400) })),
        {},
        77,
      ).size,
    ).toBe(4)
    const { router, group } = setUp(discounting)
    expect(router.plan(group, features({ prefixHash: 77 })).why()).toContain('prompt-cache affinity')
  })

  test('does not work against the strategy', () => {
    const cheap = deployment('cheap', { price: price(1, 4, 0.5) })
    for (let hash = 0; hash < 20; hash++) {
      expect(firsts([...discounting, cheap], { routing_strategy: 'cost-based-routing' }, hash)).toEqual(
        new Set(['cheap']),
      )
    }
  })

  test('stays within the lowest order', () => {
    const standby = deployment('standby', { order: 2, price: price(100, 400, 10) })
    for (let hash = 0; hash < 20; hash++) {
      const all = [...discounting.map(d => ({ ...d, order: 1 })), standby]
      expect(firsts(all, {}, hash).has('standby')).toBe(false)
    }
  })

  test('gives way when the favourite is too busy', () => {
    const { router, group, start } = setUp(discounting)
    const call = features({ prefixHash: 77 })
    const favourite = router.plan(group, call).ranked[0]!
    for (let i = 0; i < 5; i++) start(favourite)
    const plan = router.plan(group, call)
    expect(plan.ranked[0]).not.toBe(favourite)
    expect(plan.why()).toContain('too busy')
  })
})

test('a plan keeps the numbers it was made on', () => {
  const a = deployment('a')
  const { router, group, start } = setUp([a, deployment('b')], { routing_strategy: 'least-busy' })
  const plan = router.plan(group, features())
  const before = plan.why()
  for (const d of plan.ranked) start(d)
  expect(plan.why()).toBe(before)
  expect(plan.candidates.every(({ live }) => live.inFlight === 0)).toBe(true)
})

test('every deployment is ranked or dropped for a reason, never both, never lost', () => {
  const arbitrary = fc.array(
    fc.record({
      order: fc.option(fc.nat(3), { nil: undefined }),
      maxParallelRequests: fc.option(fc.constant(1), { nil: undefined }),
      rpm: fc.option(fc.nat(2), { nil: undefined }),
      fate: fc.constantFrom('none', 'busy', 'cooling', 'excluded'),
      discount: fc.boolean(),
    }),
    { minLength: 1, maxLength: 7 },
  )
  const strategies = fc.constantFrom(
    'simple-shuffle',
    'least-busy',
    'latency-based-routing',
    'cost-based-routing',
    'usage-based-routing',
  )
  fc.assert(
    fc.property(arbitrary, strategies, fc.nat(), (specs, routing_strategy, seed) => {
      const all = specs.map(({ fate, discount, ...rest }, i) =>
        deployment(`d${i}`, { ...rest, price: discount ? price(10, 10, 1) : undefined }),
      )
      const { router, group, start, fail } = setUp(all, { routing_strategy }, seed)
      const exclude = new Set<string>()
      for (const [i, { fate }] of specs.entries()) {
        if (fate === 'busy') start(all[i]!)
        if (fate === 'cooling') fail(all[i]!, 'rate_limit')
        if (fate === 'excluded') exclude.add(all[i]!.id)
      }
      let plan: RoutePlan
      try {
        plan = router.plan(group, features({ prefixHash: seed }), exclude)
      } catch (error) {
        expect(error).toMatchObject({ code: 'no_deployment_available' })
        return
      }
      expect(new Set(ranked(plan)).size).toBe(plan.ranked.length)
      const out: (DropReason | undefined)[] = []
      for (const { deployment: d, dropped: reason } of plan.considered) {
        out.push(reason)
        expect(ranked(plan).includes(d.id)).toBe(reason === undefined || reason === 'higher_order')
      }
      expect(out).toHaveLength(all.length)
      const orders = plan.ranked.map(({ order }) => order ?? Number.POSITIVE_INFINITY)
      for (let i = 1; i < orders.length; i++) expect(orders[i]!).toBeGreaterThanOrEqual(orders[i - 1]!)
    }),
    { numRuns: 300 },
  )
})
