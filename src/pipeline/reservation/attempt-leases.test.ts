import { describe, expect, it } from 'vitest'
import { deploymentRules } from '../../governance/limits/compile-enforcement.ts'
import { LimitPlanner } from '../../governance/limits/plan.ts'
import { rulesOf } from '../../governance/limits/rules.ts'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { StateUnavailable } from '../../platform/shared-state/shared-state.ts'
import { deployment } from '../routing/routing.fixtures.ts'
import { type AttemptLease, AttemptLeases, type OverLimit } from './attempt-leases.ts'
import { enforcement, silent, TestClock } from './reservation.fixtures.ts'

const worst = { inputTokens: 10, outputTokens: 90, cost: 1000 }

function setUp({ rates = true, ...changes }: { rates?: boolean; enforcement?: ReturnType<typeof enforcement> } = {}) {
  const clock = new TestClock()
  const state = new MemoryState({ clock })
  const local = new MemoryState({ clock })
  const leases = new AttemptLeases({ state, local, clock, log: silent })
  const planner = new LimitPlanner({
    enforcement: changes.enforcement ?? enforcement(),
    spend: { spent: async () => 0 },
    clock,
  })
  const known = leases.known(planner, rates)
  type Subject = ReturnType<typeof deployment>
  return {
    clock,
    state,
    known,
    over: (subject: Subject) => known.over(subject),
    take: async (subject: Subject) => leases.take(planner, rates, subject, worst),
    lease: async (subject: Subject) => (await leases.take(planner, rates, subject, worst)) as AttemptLease,
  }
}

describe('attempt leases', () => {
  it('cost nothing where nothing is limited, and rates are weights unless something makes them limits', async () => {
    const limited = deployment('d', { limits: deploymentRules('d', { rpm: 1 }) })
    expect(await setUp().take(deployment('free'))).toBeUndefined()
    expect(await setUp({ rates: false }).take(limited)).toBeUndefined()
    expect(await setUp().take(limited)).toBeDefined()
  })

  it.each<[object, OverLimit]>([
    [{ rpm: 1 }, 'over_rpm'],
    [{ tpm: 150 }, 'over_tpm'],
    [{ itpm: 15 }, 'over_tpm'],
    [{ otpm: 100 }, 'over_tpm'],
    [{ max_budget: 0.000001 }, 'over_budget'],
  ])('%j is a limit: %s, known without asking again', async (params, reason) => {
    const own = setUp()
    const limited = deployment('d', { limits: deploymentRules('d', { ...params }) })
    expect(own.over(limited)).toBeUndefined()
    const first = await own.lease(limited)
    first.settle({ inputTokens: 60, outputTokens: 140, cost: 1000 })
    expect(await own.take(limited)).toBe(reason)
    expect(own.over(limited)).toBe(reason)
    expect(own.over(deployment('other'))).toBeUndefined()
    own.clock.advance(5000)
    expect(own.over(limited), 'asked again after a while: a budget may have been raised').toBeUndefined()
  })

  it('a vendor’s budget is shared by its deployments, and returns with its period', async () => {
    const providerRules = new Map([
      ['openai', rulesOf('provider', 'openai', { budget_limit: 0.000001, time_period: '1d' })],
    ])
    const own = setUp({ enforcement: enforcement({ providerRules }) })
    const [a, b] = [deployment('a'), deployment('b')]
    ;(await own.lease(a)).settle(worst)
    expect(await own.take(b)).toBe('over_budget')
    expect(own.known.untilFree(b), 'until midnight').toBe(12 * 3_600_000)
    own.clock.advance(12 * 3_600_000)
    expect(own.over(b)).toBeUndefined()
    await own.lease(b)
  })

  it('what calls in flight hold comes back when they fail', async () => {
    const own = setUp()
    const limited = deployment('d', { limits: deploymentRules('d', { rpm: 1 }) })
    const first = await own.lease(limited)
    expect(await own.take(limited)).toBe('over_rpm')
    first.refund()
    first.settle(worst)
    own.clock.advance(100)
    expect(own.over(limited)).toBeUndefined()
    await own.lease(limited)
  })

  it('without shared state the process counts for itself', async () => {
    const own = setUp()
    own.state.reserve = () => Promise.reject(new StateUnavailable('cut'))
    const limited = deployment('d', { limits: deploymentRules('d', { rpm: 1 }) })
    ;(await own.lease(limited)).settle(worst)
    expect(await own.take(limited)).toBe('over_rpm')
  })
})
