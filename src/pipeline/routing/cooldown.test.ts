import { describe, expect, test } from 'vitest'
import { type FailureKind, UpstreamFailure, type UpstreamFailureDetails } from '../../platform/errors/gateway-error.ts'
import { Cooldown, type CooldownChange } from './cooldown.ts'
import { type DeploymentOptions, deployment, ManualClock } from './routing.fixtures.ts'
import { compileRoutingSettings, type RouterSettingsConfig } from './settings.ts'

function setUp(config: RouterSettingsConfig = {}, options: DeploymentOptions = {}, groupSize = 2) {
  const clock = new ManualClock()
  const changes: CooldownChange[] = []
  const cooldown = new Cooldown({ clock, onChange: change => changes.push(change) })
  const policy = compileRoutingSettings(config)
  const a = deployment('a', options)
  const fail = (kind: FailureKind, details: UpstreamFailureDetails = {}, probe = false) =>
    cooldown.failed(a, new UpstreamFailure(kind, 'x', details), { policy, groupSize, probe })
  const succeed = (times = 1) => {
    for (let i = 0; i < times; i++) cooldown.succeeded(a, false)
  }
  return { clock, cooldown, a, fail, succeed, changes }
}

describe('triggers', () => {
  test.each(['rate_limit', 'authentication', 'not_found', 'timeout'] as const)('%s at once, in the same tick', kind => {
    const { cooldown, a, fail, changes } = setUp()
    fail(kind)
    expect(cooldown.state(a)).toBe('open')
    expect(cooldown.admits(a)).toBe(false)
    expect(changes).toMatchObject([{ state: 'open', cause: 'at_once', kind, duration: 5000 }])
  })

  test.each(['bad_request', 'unprocessable_entity', 'context_window_exceeded', 'content_policy_violation'] as const)(
    '%s never',
    kind => {
      const { cooldown, a, fail } = setUp({ allowed_fails: 1 })
      for (let i = 0; i < 100; i++) fail(kind)
      expect(cooldown.state(a)).toBe('closed')
    },
  )

  test('a misspelt name behind a wildcard does not cool the wildcard', () => {
    const { cooldown, a, fail } = setUp({}, { group: 'openai/*' })
    for (let i = 0; i < 20; i++) fail('not_found')
    expect(cooldown.state(a)).toBe('closed')
  })

  test('no credit (402) at once, other refusals (403) by rate', () => {
    const broke = setUp()
    broke.fail('permission_denied', { status: 402 })
    expect(broke.cooldown.state(broke.a)).toBe('open')
    const refused = setUp()
    refused.fail('permission_denied', { status: 403 })
    expect(refused.cooldown.state(refused.a)).toBe('closed')
  })

  test('failure rate: more than half, of five requests or more, in the last minute', () => {
    const few = setUp()
    for (let i = 0; i < 4; i++) few.fail('internal_server')
    expect(few.cooldown.state(few.a)).toBe('closed')
    few.fail('internal_server')
    expect(few.cooldown.state(few.a)).toBe('open')

    const half = setUp()
    half.succeed(10)
    for (let i = 0; i < 10; i++) half.fail('internal_server')
    expect(half.cooldown.state(half.a)).toBe('closed')
    half.fail('internal_server')
    expect(half.cooldown.state(half.a)).toBe('open')
  })

  test('the window slides: failures over a minute old do not count', () => {
    const { cooldown, clock, a, fail } = setUp()
    for (let i = 0; i < 4; i++) fail('internal_server')
    clock.advance(60_000)
    fail('internal_server')
    expect(cooldown.state(a)).toBe('closed')
  })

  test('…and has no edge: failures on both sides of a full minute add up', () => {
    const { cooldown, clock, a, fail } = setUp()
    clock.time = 60_000 * 100 - 1500
    for (let i = 0; i < 3; i++) fail('internal_server')
    clock.advance(3000)
    for (let i = 0; i < 2; i++) fail('internal_server')
    expect(cooldown.state(a)).toBe('open')
  })

  test('allowed_fails replaces the default triggers; 3, the default, means not set as in LiteLLM', () => {
    const { cooldown, a, fail } = setUp({ allowed_fails: 2 })
    fail('rate_limit')
    fail('internal_server')
    expect(cooldown.state(a)).toBe('closed')
    fail('internal_server')
    expect(cooldown.state(a)).toBe('open')
    const three = setUp({ allowed_fails: 3 })
    three.fail('rate_limit')
    expect(three.cooldown.state(three.a)).toBe('open')
  })

  test('allowed_fails_policy decides for its kind, the deployment’s before the router’s', () => {
    const { cooldown, a, fail } = setUp({
      allowed_fails_policy: { RateLimitErrorAllowedFails: 2, BadRequestErrorAllowedFails: 9 },
    })
    fail('rate_limit')
    fail('rate_limit')
    for (let i = 0; i < 9; i++) fail('bad_request')
    expect(cooldown.state(a)).toBe('closed')
    fail('rate_limit')
    expect(cooldown.state(a)).toBe('open')

    const own = setUp(
      { allowed_fails_policy: { TimeoutErrorAllowedFails: 50 } },
      { allowedFailsPolicy: { timeout: 0 } },
    )
    own.fail('timeout')
    expect(own.cooldown.state(own.a)).toBe('open')
  })

  test('a lone deployment stays, unless a policy says so or a thousand requests all failed', () => {
    const lone = setUp({}, {}, 1)
    for (let i = 0; i < 999; i++) lone.fail('rate_limit')
    expect(lone.cooldown.state(lone.a)).toBe('closed')
    lone.fail('rate_limit')
    expect(lone.changes).toMatchObject([{ state: 'open', cause: 'all_failed' }])
    const explicit = setUp({ allowed_fails: 0 }, {}, 1)
    explicit.fail('internal_server')
    expect(explicit.cooldown.state(explicit.a)).toBe('open')
  })

  test('disable_cooldowns and cooldown_time 0 switch it off', () => {
    for (const { cooldown, a, fail } of [
      setUp({ disable_cooldowns: true }),
      setUp({ cooldown_time: 0 }),
      setUp({}, { cooldown: 0 }),
    ]) {
      fail('rate_limit', { retryAfter: 10 })
      expect(cooldown.state(a)).toBe('closed')
    }
  })
})

describe('duration', () => {
  const durationOf = (config: RouterSettingsConfig, options: DeploymentOptions, retryAfter?: number) => {
    const { fail, changes } = setUp(config, options)
    fail('rate_limit', { retryAfter })
    return changes[0]?.duration
  }

  test('Retry-After, else the deployment’s, else the router’s, else 5 s; bounded', () => {
    expect(durationOf({}, {})).toBe(5000)
    expect(durationOf({ cooldown_time: 30 }, {})).toBe(30_000)
    expect(durationOf({ cooldown_time: 30 }, { cooldown: 2000 })).toBe(2000)
    expect(durationOf({ cooldown_time: 30 }, { cooldown: 2000 }, 17)).toBe(17_000)
    expect(durationOf({}, {}, 0)).toBe(5000)
    expect(durationOf({}, {}, 86_400)).toBe(300_000)
  })

  test('a late failure of an older call can prolong the pause by Retry-After, never count as another opening', () => {
    const { cooldown, clock, a, fail } = setUp()
    fail('rate_limit')
    fail('internal_server')
    expect(cooldown.coolingUntil(a)).toBe(clock.now() + 5000)
    fail('rate_limit', { retryAfter: 20 })
    expect(cooldown.coolingUntil(a)).toBe(clock.now() + 20_000)
    expect(cooldown.list()).toMatchObject([{ openings: 1, remaining: 20_000, state: 'open' }])
  })
})

describe('half-open', () => {
  const opened = () => {
    const made = setUp()
    made.fail('rate_limit')
    made.clock.advance(5000)
    return made
  }

  test('exactly one call is let through', () => {
    const { cooldown, a, changes } = opened()
    expect(cooldown.state(a)).toBe('half_open')
    expect(cooldown.admits(a)).toBe(true)
    expect(cooldown.claim(a)).toBe('probe')
    expect(cooldown.admits(a)).toBe(false)
    expect(cooldown.claim(a)).toBe('refused')
    expect(changes.map(({ state }) => state)).toEqual(['open', 'half_open'])
  })

  test('success closes it with a clean slate', () => {
    const { cooldown, a, fail, changes } = opened()
    cooldown.claim(a)
    cooldown.succeeded(a, true)
    expect(cooldown.claim(a)).toBe('pass')
    for (let i = 0; i < 4; i++) fail('internal_server')
    expect(cooldown.state(a)).toBe('closed')
    expect(changes.at(-1)).toMatchObject({ state: 'closed', cause: undefined })
  })

  test('failure opens it for twice as long each time, up to five minutes', () => {
    const { cooldown, clock, a, fail, changes } = opened()
    for (let i = 0; i < 9; i++) {
      expect(cooldown.claim(a)).toBe('probe')
      fail('internal_server', {}, true)
      expect(cooldown.state(a)).toBe('open')
      clock.advance(changes.at(-1)!.duration)
    }
    const durations = changes.filter(({ state }) => state === 'open').map(({ duration }) => duration / 1000)
    expect(durations).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300, 300])
  })

  test('a result that is not the probe’s decides nothing', () => {
    const { cooldown, a, fail, succeed } = opened()
    cooldown.claim(a)
    succeed()
    fail('internal_server')
    expect(cooldown.state(a)).toBe('half_open')
    expect(cooldown.claim(a)).toBe('refused')
  })

  test('an aborted probe, or one that failed through its caller, frees the right to probe', () => {
    const { cooldown, a, fail } = opened()
    cooldown.claim(a)
    cooldown.aborted(a, true)
    expect(cooldown.claim(a)).toBe('probe')
    fail('bad_request', {}, true)
    expect(cooldown.claim(a)).toBe('probe')
  })

  test('a probe that never reports is given up after the deployment’s timeout', () => {
    const { cooldown, clock, a } = opened()
    cooldown.claim(a)
    clock.advance(a.timeout - 1)
    expect(cooldown.claim(a)).toBe('refused')
    clock.advance(1)
    expect(cooldown.claim(a)).toBe('probe')
  })
})

test('forgets deployments that are gone, and is bounded', () => {
  const clock = new ManualClock()
  const cooldown = new Cooldown({ clock, maxEntries: 10 })
  const policy = compileRoutingSettings()
  const cooling = deployment('cooling')
  cooldown.failed(cooling, new UpstreamFailure('rate_limit', 'x'), { policy, groupSize: 2, probe: false })
  for (let i = 0; i < 100; i++) cooldown.succeeded(deployment(`d${i}`), false)
  expect(cooldown.size).toBe(10)
  expect(cooldown.state(cooling)).toBe('open')
  cooldown.prune([deployment('d99')])
  expect(cooldown.size).toBe(1)
  expect(cooldown.list()).toEqual([])
})
