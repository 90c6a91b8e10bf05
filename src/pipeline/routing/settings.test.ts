import { expect, test } from 'vitest'
import { compileAllowedFailsPolicy, compileRoutingSettings } from './settings.ts'

test('defaults are LiteLLM’s', () => {
  expect(compileRoutingSettings()).toEqual({
    strategy: 'simple-shuffle',
    strategyArgs: { latencyTtl: 3_600_000, latencySamples: 10, lowestLatencyBuffer: 0 },
    numRetries: 2,
    retryPolicy: undefined,
    groupRetryPolicies: new Map(),
    retryAfter: 0,
    timeout: 600_000,
    streamTimeout: undefined,
    ttftTimeout: undefined,
    streamIdleTimeout: undefined,
    allowedFails: undefined,
    allowedFailsPolicy: undefined,
    cooldownTime: 5000,
    disableCooldowns: false,
    fallbacks: new Map(),
    contextWindowFallbacks: new Map(),
    contentPolicyFallbacks: new Map(),
    defaultFallbacks: [],
    maxFallbacks: 5,
    preCallChecks: false,
    enforceRateLimits: false,
  })
})

test('router_settings beats litellm_settings, key by key; seconds become milliseconds; null is not set', () => {
  const settings = compileRoutingSettings(
    { num_retries: 0, timeout: 30, stream_timeout: null, cooldown_time: 0.5, ttft_timeout: 2 },
    { num_retries: 7, request_timeout: 99, cooldown_time: 60, allowed_fails: 8, max_fallbacks: 1 },
  )
  expect(settings).toMatchObject({
    numRetries: 0,
    timeout: 30_000,
    streamTimeout: undefined,
    ttftTimeout: 2000,
    cooldownTime: 500,
    allowedFails: 8,
    maxFallbacks: 1,
  })
  expect(compileRoutingSettings({}, { request_timeout: 99 }).timeout).toBe(99_000)
})

test('policies by LiteLLM’s class names', () => {
  const { retryPolicy, groupRetryPolicies } = compileRoutingSettings({
    retry_policy: { RateLimitErrorRetries: 3, BadRequestErrorRetries: undefined, DefaultRetries: 1 },
    model_group_retry_policy: { g: { InternalServerErrorRetries: 0 } },
  })
  expect(retryPolicy).toEqual({ perKind: { rate_limit: 3 }, default: 1 })
  expect(groupRetryPolicies.get('g')).toEqual({ perKind: { internal_server: 0 }, default: undefined })
  expect(compileAllowedFailsPolicy({ BadGatewayErrorAllowedFails: 2, Unknown: 1 })).toEqual({ bad_gateway: 2 })
})

test('a fallback that is no target is a config error', () => {
  expect(() => compileRoutingSettings({ fallbacks: [{ a: [1] }] })).toThrow(
    expect.objectContaining({ code: 'config_invalid' }),
  )
})
