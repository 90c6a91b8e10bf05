import { describe, expect, test } from 'vitest'
import { type FailureKind, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { type RetryQuestion, retryDecision } from './retry.ts'
import { deployment } from './routing.fixtures.ts'
import { compileRoutingSettings, type RouterSettingsConfig } from './settings.ts'

function ask(
  kind: FailureKind,
  over: Partial<RetryQuestion> = {},
  config: RouterSettingsConfig = {},
  retryAfter?: number,
) {
  return retryDecision({
    failure: new UpstreamFailure(kind, 'x', { retryAfter }),
    attempt: 0,
    settings: compileRoutingSettings(config),
    deployment: deployment('a'),
    group: 'group',
    hasAlternative: false,
    random: () => 0,
    ...over,
  })
}

test.each(['timeout', 'rate_limit', 'internal_server', 'bad_gateway', 'service_unavailable', 'connection'] as const)(
  '%s is retried, twice by default',
  kind => {
    expect(ask(kind, { attempt: 1 })).toMatchObject({ retry: true, reason: 'retries_left', limit: 2 })
    expect(ask(kind, { attempt: 2 })).toMatchObject({ retry: false, reason: 'retries_used_up' })
  },
)

test.each(['bad_request', 'unprocessable_entity', 'context_window_exceeded', 'content_policy_violation'] as const)(
  '%s is not, alternatives or not',
  kind => {
    expect(ask(kind, { hasAlternative: true })).toMatchObject({ retry: false, reason: 'not_retryable' })
  },
)

test.each(['authentication', 'permission_denied', 'not_found'] as const)(
  '%s only moves on to another deployment',
  kind => {
    expect(ask(kind)).toMatchObject({ retry: false, reason: 'no_alternative' })
    expect(ask(kind, { hasAlternative: true })).toMatchObject({ retry: true, delay: 0 })
  },
)

describe('how many', () => {
  const config: RouterSettingsConfig = {
    num_retries: 1,
    retry_policy: { TimeoutErrorRetries: 4, DefaultRetries: 5 },
    model_group_retry_policy: { group: { TimeoutErrorRetries: 3 }, 'openai/*': { TimeoutErrorRetries: 9 } },
  }
  test('request, deployment, group policy, policy by kind, its default, num_retries', () => {
    const own = deployment('a', { numRetries: 2 })
    expect(ask('timeout', { requested: 0, deployment: own }, config).limit).toBe(0)
    expect(ask('timeout', { deployment: own }, config).limit).toBe(2)
    expect(ask('timeout', {}, config).limit).toBe(3)
    const elsewhere = { group: 'other', deployment: deployment('a', { group: 'other' }) }
    expect(ask('timeout', elsewhere, config).limit).toBe(4)
    expect(ask('connection', elsewhere, config).limit).toBe(5)
    expect(ask('timeout', {}, { num_retries: 1 }).limit).toBe(1)
  })
  test('a wildcard’s policy may be keyed by its pattern', () => {
    const wild = deployment('a', { group: 'openai/*' })
    expect(ask('timeout', { group: 'openai/o3', deployment: wild }, config).limit).toBe(9)
  })
  test('a number written for a kind makes it retryable', () => {
    expect(ask('bad_request', {}, { retry_policy: { BadRequestErrorRetries: 1 } }).retry).toBe(true)
    expect(ask('bad_request', {}, { retry_policy: { DefaultRetries: 3 } }).retry).toBe(false)
  })
})

describe('fallback first', () => {
  test('context window and content policy go to their fallback, even with retries configured', () => {
    const policy = { retry_policy: { ContentPolicyViolationErrorRetries: 3 } }
    expect(ask('content_policy_violation', {}, policy).retry).toBe(true)
    const withFallback = { ...policy, content_policy_fallbacks: [{ group: ['b'] }] }
    expect(ask('content_policy_violation', {}, withFallback)).toMatchObject({ retry: false, reason: 'fallback_first' })
    expect(ask('context_window_exceeded', {}, { context_window_fallbacks: [{ '*': ['b'] }] }).reason).toBe(
      'fallback_first',
    )
  })
  test('a rate limit does when nobody else in the group is healthy', () => {
    const config = { fallbacks: [{ group: ['b'] }] }
    expect(ask('rate_limit', {}, config).reason).toBe('fallback_first')
    expect(ask('rate_limit', { hasAlternative: true }, config).retry).toBe(true)
    expect(ask('rate_limit', {}, { default_fallbacks: ['b'] }).reason).toBe('fallback_first')
    expect(ask('rate_limit', {}, { default_fallbacks: ['group'] }).retry).toBe(true)
    expect(ask('rate_limit', { hasFallback: false }, config).retry).toBe(true)
  })
})

describe('delay', () => {
  test('none with an alternative, whatever the vendor says', () => {
    expect(ask('rate_limit', { hasAlternative: true }, {}, 30).delay).toBe(0)
  })
  test('Retry-After up to 60 s, else 0.5 s doubling up to 8 s', () => {
    expect(ask('rate_limit', {}, {}, 7).delay).toBe(7000)
    expect(ask('rate_limit', {}, {}, 60).delay).toBe(60_000)
    expect(ask('rate_limit', {}, {}, 61).delay).toBe(500)
    expect(ask('rate_limit', {}, {}, 0).delay).toBe(500)
    const delays = [0, 1, 2, 3, 4, 5, 60].map(attempt => ask('timeout', { attempt, requested: 99 }).delay)
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000])
  })
  test('less up to 75 % jitter, never under retry_after', () => {
    expect(ask('timeout', { random: () => 0.999999 }).delay).toBeCloseTo(125, 0)
    expect(ask('timeout', { random: () => 0.5 }, { retry_after: 3 }).delay).toBe(3000)
    expect(ask('rate_limit', {}, { retry_after: 3 }, 1).delay).toBe(3000)
  })
})
