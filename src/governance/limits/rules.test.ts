import { describe, expect, it } from 'vitest'
import type { LimitRule } from './limit-rule.ts'
import { counterOf, limitProblems, rulesOf } from './rules.ts'

/** Counter name → limit, for short tables. */
const limits = (rules: readonly LimitRule[]): Record<string, number> =>
  Object.fromEntries(rules.map(rule => [counterOf(rule), rule.limit]))

describe('rulesOf', () => {
  it('reads a key as LiteLLM writes it', () => {
    const rules = rulesOf('key', 'k1', {
      rpm_limit: 10,
      tpm_limit: 1000,
      itpm_limit: 600,
      otpm_limit: 400,
      max_parallel_requests: 3,
      max_budget: 0.5,
      soft_budget: 0.4,
      budget_duration: '30d',
      model_rpm_limit: { 'gpt-5': 2 },
      metadata: { model_tpm_limit: { 'gpt-5': 500 }, max_budget: 7 },
      model_max_budget: { 'gpt-5': { max_budget: '0.1', budget_duration: '1d', rpm_limit: 5 }, old: 0.2 },
    })
    expect(limits(rules)).toEqual({
      'key:k1:requests:60s': 10,
      'key:k1:tokens:60s': 1000,
      'key:k1:input_tokens:60s': 600,
      'key:k1:output_tokens:60s': 400,
      'key:k1:parallel:all': 3,
      'key:k1:budget:per-30d': 500_000_000,
      'key:k1:requests:60s:gpt-5': 2,
      'key:k1:tokens:60s:gpt-5': 500,
      'key:k1:budget:per-1d:gpt-5': 100_000_000,
      'key:k1:budget:all:old': 200_000_000,
    })
    expect(rules.find(rule => rule.metric === 'budget')).toMatchObject({ softLimit: 400_000_000, inRow: true })
  })

  it('takes several windows, of budgets and of anything else', () => {
    const resetAt = Date.UTC(2026, 4, 1)
    const rules = rulesOf('team', 't', {
      budget_limits: [
        { budget_duration: '1h', max_budget: 10, reset_at: '2026-05-01T00:00:00' },
        { budget_duration: '720h', max_budget: 500 },
      ],
      limits: [
        { metric: 'requests', limit: 100, window: '1h' },
        { metric: 'requests', limit: 1000, window: '1d' },
        { metric: 'budget', limit: 3, window: '7d', model: 'gpt-*' },
        { metric: 'parallel', limit: 2 },
        { metric: 'smiles', limit: 1 },
      ],
    })
    expect(limits(rules)).toEqual({
      'team:t:budget:per-3600s': 10_000_000_000,
      'team:t:budget:per-30d': 500_000_000_000,
      'team:t:requests:3600s': 100,
      'team:t:requests:per-1d': 1000,
      'team:t:budget:per-7d:gpt-*': 3_000_000_000,
      'team:t:parallel:all': 2,
    })
    expect(rules[0]?.window).toEqual({ kind: 'calendar', duration: '3600s', resetAt })
    expect(rules.some(rule => rule.inRow)).toBe(false)
  })

  it('counts once what two settings speak of, at the tighter limit', () => {
    const rules = rulesOf('key', 'k', {
      max_budget: 5,
      budget_duration: '1d',
      budget_limits: [{ budget_duration: '24h', max_budget: 2 }],
    })
    expect(rules).toHaveLength(1)
    expect(rules[0]).toMatchObject({ limit: 2_000_000_000, inRow: true })
  })

  it('knows the words of every scope', () => {
    const member = rulesOf('team_member', 't/u', { max_budget_in_team: 1, team_member_rpm_limit: 4, tpm_limit: 9 })
    expect(limits(member)).toEqual({
      'team_member:t/u:requests:60s': 4,
      'team_member:t/u:tokens:60s': 9,
      'team_member:t/u:budget:all': 1_000_000_000,
    })
    const team = { rpm_limit: 100, team_member_rpm_limit: 4, metadata: { team_member_budget: 2 } }
    expect(limits(rulesOf('team', 't', team))).toEqual({ 'team:t:requests:60s': 100 })
    expect(limits(rulesOf('provider', 'openai', { budget_limit: 100, time_period: '1d' }))).toEqual({
      'provider:openai:budget:per-1d': 100_000_000_000,
    })
    expect(limits(rulesOf('deployment', 'd', { rpm: 6, tpm: 7, max_budget: 1, budget_duration: '10d' }))).toEqual({
      'deployment:d:requests:60s': 6,
      'deployment:d:tokens:60s': 7,
      'deployment:d:budget:per-10d': 1_000_000_000,
    })
    const agent = {
      litellm_params: { max_iterations: 25, max_budget_per_session: 2 },
      rpm_limit: 1,
      session_rpm_limit: 3,
    }
    expect(limits(rulesOf('agent', 'a', agent))).toEqual({
      'agent:a:requests:60s': 1,
      'session:agent%3Aa:requests:3600s': 25,
      'session:agent%3Aa:budget:3600s': 2_000_000_000,
      'session:agent%3Aa:requests:60s': 3,
    })
    expect(limits(rulesOf('key', 'k', { metadata: { max_iterations: 5 } }))).toEqual({
      'session:key%3Ak:requests:3600s': 5,
    })
  })

  it('never loses a limit to its form, nor invents one', () => {
    expect(
      rulesOf('user', 'u', { max_budget: null, rpm_limit: '', tpm_limit: 'many', soft_budget: undefined }),
    ).toEqual([])
    expect(limits(rulesOf('user', 'u', { max_budget: 0, rpm_limit: '7', tpm_limit: -1 }))).toEqual({
      'user:u:requests:60s': 7,
      'user:u:tokens:60s': 0,
      'user:u:budget:all': 0,
    })
    expect(rulesOf('global', '', { max_budget: 0 }), 'LiteLLM: 0 is no budget for the proxy').toEqual([])
    expect(rulesOf('user', 'u', { max_budget: 1e12 })[0]?.limit).toBe(Number.MAX_SAFE_INTEGER)
    const soft = rulesOf('key', 'k', { soft_budget: 1 })
    expect(soft).toMatchObject([{ limit: Number.POSITIVE_INFINITY, softLimit: 1_000_000_000 }])
  })

  it('keeps the temporary raise of a budget', () => {
    const settings = { max_budget: 1, metadata: { temp_budget_increase: 10, temp_budget_expiry: '2026-01-15' } }
    expect(rulesOf('key', 'k', settings)[0]?.raise).toEqual({ amount: 10_000_000_000, until: Date.UTC(2026, 0, 15) })
  })
})

describe('limitProblems', () => {
  it('names what is wrong, for management to refuse', () => {
    expect(
      limitProblems({
        rpm_limit: 'x',
        max_budget: -1,
        budget_duration: '30 days',
        budget_limits: [{ max_budget: 1 }],
        limits: [{ metric: 'smiles', limit: 1, window: '1d' }],
      }),
    ).toEqual([
      "'rpm_limit' must be a number of 0 or more",
      "'max_budget' must be a number of 0 or more",
      `'budget_duration' must be a duration such as "30s", "30m", "12h", "1d", "30d" or "1mo"`,
      `'budget_limits[0].budget_duration' is missing: "1d", "30d", …`,
      "'limits[0].metric' must be one of requests, tokens, input_tokens, output_tokens, parallel, budget",
    ])
    expect(limitProblems({ rpm_limit: 0, max_budget: 1.5, budget_duration: '1mo', tpm_limit: null })).toEqual([])
  })

  it('counters of different limits never share a name, whatever ids and tags hold', () => {
    const rule = (scopeId: string, model?: string) =>
      counterOf({
        scope: 'tag',
        scopeId,
        metric: 'requests',
        limit: 1,
        window: { kind: 'seconds', seconds: 60 },
        model,
      })
    const names = [
      rule('x'),
      rule('x:requests:60s'),
      rule('x', 'requests:60s'),
      rule('x%3Arequests'),
      rule('x:requests'),
    ]
    expect(new Set(names).size).toBe(names.length)
  })
})
