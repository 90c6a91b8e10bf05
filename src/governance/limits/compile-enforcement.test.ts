import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../platform/config/load.ts'
import { compileEnforcement, deploymentRules } from './compile-enforcement.ts'
import { type PriorityShares, shareOf } from './priorities.ts'

const compiled = (yaml: string) => compileEnforcement(parseConfig(yaml, { env: {} }).config)

describe('compileEnforcement', () => {
  it('without any setting: nothing is limited, everything is reserved, outages are open', () => {
    expect(compiled('model_list: []')).toMatchObject({
      tokenType: 'total',
      globalRules: [],
      defaultParallel: undefined,
      endUserDefaults: undefined,
      priorities: undefined,
      reserveBudgets: true,
      maxReservation: Number.MAX_SAFE_INTEGER,
      defaultOutputTokens: 1024,
      blockUnpriced: false,
      fallbackBudgets: true,
      onStateUnavailable: { rate: 'open', budget: 'open' },
    })
  })

  it('reads LiteLLM’s names', () => {
    const own = compiled(`
general_settings:
  max_parallel_requests: 4
  global_max_parallel_requests: 50
  token_rate_limit_type: output
  fail_closed_budget_enforcement: true
  disable_budget_reservation: true
  enforce_fallback_budget: false
litellm_settings:
  max_budget: 100
  budget_duration: 30d
  timezone: Europe/Berlin
  budget_reset_time: "06:00"
  max_end_user_budget: 0.5
  max_end_user_budget_id: tier
  tag_budget_config:
    red: { max_budget: 2, budget_duration: 1d }
router_settings:
  provider_budget_config:
    openai: { budget_limit: 3, time_period: 1d }
routeiq:
  limits: { max_reservation: 0.25, default_output_tokens: 10, block_requests_for_models_without_pricing: true }
`)
    expect(own).toMatchObject({
      tokenType: 'output',
      defaultParallel: 4,
      endUserDefaults: { max_budget: 0.5 },
      endUserBudgetId: 'tier',
      reserveBudgets: false,
      maxReservation: 250_000_000,
      defaultOutputTokens: 10,
      blockUnpriced: true,
      fallbackBudgets: false,
      onStateUnavailable: { rate: 'open', budget: 'closed' },
    })
    expect(own.globalRules.map(({ metric, limit }) => [metric, limit])).toEqual([
      ['parallel', 50],
      ['budget', 100e9],
    ])
    expect(own.tagRules.get('red')).toMatchObject([{ scope: 'tag', scopeId: 'red', limit: 2e9 }])
    expect(own.providerRules.get('openai')).toMatchObject([{ scope: 'provider', limit: 3e9 }])
    const { start } = own.calendar.window({ unit: 'days', length: 1 }, Date.UTC(2026, 10, 23, 12))
    expect(new Date(start).toISOString()).toBe('2026-11-23T05:00:00.000Z')
  })

  it('an explicit fail mode wins over LiteLLM’s switch', () => {
    const own = compiled(`
general_settings: { fail_closed_budget_enforcement: true }
routeiq: { limits: { on_state_unavailable: { budget: open, rate: closed } } }
`)
    expect(own.onStateUnavailable).toEqual({ rate: 'closed', budget: 'open' })
  })

  it.each([
    ['litellm_settings: { timezone: Mars/Phobos }', /time zone/],
    ['litellm_settings: { budget_duration: monthly }', /duration/],
    ['litellm_settings: { budget_reset_time: noon }', /HH:MM/],
  ])('%s is refused with what to write instead', (yaml, message) => {
    expect(() => compiled(yaml)).toThrow(message)
  })

  it('deployments have rates and a budget', () => {
    const params = {
      model: 'x',
      rpm: 1,
      tpm: 2,
      itpm: 3,
      otpm: 4,
      max_budget: 5,
      budget_duration: '1d',
      metadata: { rpm: 9 },
    }
    expect(deploymentRules('d', params).map(({ metric, limit }) => [metric, limit])).toEqual([
      ['requests', 1],
      ['tokens', 2],
      ['input_tokens', 3],
      ['output_tokens', 4],
      ['budget', 5e9],
    ])
  })
})

describe('priority_reservation', () => {
  const shares = (yaml: string): PriorityShares => compiled(yaml).priorities as PriorityShares
  const parts = (own: PriorityShares, names: (string | undefined)[], capacity = { rpm: 1000, tpm: 10_000 }) =>
    names.map(name => Math.round(shareOf(name, own, capacity) * 100))

  it('reads parts, requests and tokens', () => {
    const own = shares(`
litellm_settings:
  priority_reservation:
    prod: 0.5
    dev: { type: rpm, value: 100 }
    batch: { type: tpm, value: 500 }
  priority_reservation_settings: { default_priority: 0.2, saturation_threshold: 0.8, saturation_check_cache_ttl: 5 }
`)
    expect(own).toMatchObject({ defaultShare: 0.2, saturationThreshold: 0.8, saturationTtl: 5000 })
    expect(parts(own, ['prod', 'dev', 'batch', undefined, 'unknown'])).toEqual([50, 10, 5, 20, 20])
  })

  it('scales shares down together when they are more than the whole', () => {
    const own = shares('litellm_settings: { priority_reservation: { a: 0.6, b: 0.8 } }')
    expect(parts(own, ['a', 'b'])).toEqual([43, 57])
  })

  it('is on with LiteLLM’s callback alone: the group’s limit, and nobody has less', () => {
    const own = shares('litellm_settings: { callbacks: [dynamic_rate_limiter_v3] }')
    expect(parts(own, ['a', undefined])).toEqual([100, 100])
  })
})
