import { describe, expect, it } from 'vitest'
import type { Principal } from '../../governance/authentication/principal.ts'
import { limitLines, resetIn, tellsPlainLimits } from '../../governance/limits/limit-headers.ts'
import type { Amounts } from '../../governance/limits/planned-limit.ts'
import { rulesOf } from '../../governance/limits/rules.ts'
import { asking, holder, keyWith, type World, world } from './reservation.fixtures.ts'

async function headersOf(own: World, principal: Principal, actual?: Amounts) {
  const reservation = (await own.reservations.reserve(own.limits, asking(principal)))!
  own.clock.advance(1000)
  const lines = limitLines(reservation, principal, actual, own.clock.time)
  expect(lines.endsWith('\r\n'), 'every line ends').toBe(true)
  const pairs = lines
    .slice(0, -2)
    .split('\r\n')
    .map(line => line.split(': ') as [string, string])
  expect(new Set(pairs.map(([name]) => name)).size, 'no header twice').toBe(pairs.length)
  return { plain: tellsPlainLimits(reservation, principal), headers: Object.fromEntries(pairs) }
}

describe('headers of limits', () => {
  it('say what LiteLLM says of a key', async () => {
    const settings = {
      rpm_limit: 10,
      tpm_limit: 1000,
      max_parallel_requests: 3,
      max_budget: 1,
      model_rpm_limit: { m: 5 },
      limits: [{ metric: 'requests', limit: 100, window: '1d' }],
    }
    const key = keyWith(settings, { keyLimits: { tpm: 1000, rpm: 10, maxBudget: 1_000_000_000 } })
    const { plain, headers } = await headersOf(world(), key)
    expect(plain).toBe(true)
    expect(headers).toEqual({
      'x-litellm-key-tpm-limit': '1000',
      'x-litellm-key-rpm-limit': '10',
      'x-litellm-key-max-budget': '1',
      'x-litellm-key-spend': '0',
      'x-routeiq-api-key-remaining-budget': '1',
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-reset-requests': '59s',
      'x-ratelimit-api_key-limit-requests': '10',
      'x-ratelimit-api_key-remaining-requests': '9',
      'x-ratelimit-api_key-reset-requests': '59s',
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '1000',
      'x-ratelimit-reset-tokens': '59s',
      'x-ratelimit-api_key-limit-tokens': '1000',
      'x-ratelimit-api_key-remaining-tokens': '1000',
      'x-ratelimit-api_key-reset-tokens': '59s',
      'x-ratelimit-api_key-limit-max_parallel_requests': '3',
      'x-ratelimit-api_key-remaining-max_parallel_requests': '2',
      'x-ratelimit-model_per_key-limit-requests': '5',
      'x-ratelimit-model_per_key-remaining-requests': '4',
      'x-ratelimit-model_per_key-reset-requests': '59s',
      'x-litellm-key-remaining-requests-m': '4',
    })
  })

  it('count this call’s use where it is known, and what other calls hold', async () => {
    const own = world()
    const key = keyWith({ tpm_limit: 1000, max_budget: 1 })
    await own.reservations.reserve(own.limits, asking(key))
    const { headers } = await headersOf(own, key, { inputTokens: 5, outputTokens: 5, cost: 1_000_000 })
    expect(headers).toMatchObject({
      'x-ratelimit-remaining-tokens': String(1000 - 101 - 10),
      'x-litellm-key-spend': '0.001',
      'x-routeiq-api-key-remaining-budget': '0.997999',
    })
  })

  it('of a key without limits are those of its scopes alone; the vendor’s may then be passed on', async () => {
    const principal = holder([
      ...rulesOf('team', 't', { rpm_limit: 7, max_budget: 2, soft_budget: 1 }),
      ...rulesOf('user', 'u', { soft_budget: 1 }),
      ...rulesOf('tag', 'x', { rpm_limit: 3 }),
    ])
    const { plain, headers } = await headersOf(world(), principal)
    expect(plain).toBe(false)
    expect(headers).toEqual({
      'x-ratelimit-team-limit-requests': '7',
      'x-ratelimit-team-remaining-requests': '6',
      'x-ratelimit-team-reset-requests': '59s',
      'x-routeiq-team-remaining-budget': '2',
    })
  })

  it('never hold what a header’s name may not', async () => {
    const { headers } = await headersOf(world(), keyWith({ model_rpm_limit: { 'openai/model': 5 } }))
    expect(headers).toMatchObject({ 'x-litellm-key-remaining-requests-openai_model': '4' })
  })
})

it.each([
  [0, '0s'],
  [-5, '0s'],
  [59_001, '60s'],
  [58_999, '59s'],
  [360_000, '6m0s'],
  [3_661_000, '1h1m1s'],
])('%d ms resets in %s', (ms, text) => expect(resetIn(ms)).toBe(ms === 59_001 ? '1m0s' : text))
