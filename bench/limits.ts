import { limitLines } from '../src/governance/limits/limit-headers.ts'
import { LimitPlanner } from '../src/governance/limits/plan.ts'
import { rulesOf } from '../src/governance/limits/rules.ts'
import { Thresholds } from '../src/governance/limits/thresholds.ts'
import { asking, enforcement, groupOf, holder, silent } from '../src/pipeline/reservation/reservation.fixtures.ts'
import type { Reservation } from '../src/pipeline/reservation/reservation.ts'
import { Reservations } from '../src/pipeline/reservation/reserve.ts'
import { systemClock } from '../src/platform/clock.ts'
import { MemoryState } from '../src/platform/shared-state/memory/memory-state.ts'

/**
 * What limits cost a call in memory mode: plan, reserve and settle eight rules of team, user and key, and write their
 * headers. `node --expose-gc --max-semi-space-size=64 bench/limits.ts`
 */
const own = enforcement()
const spend = { spent: async () => 0 }
const state = new MemoryState({})
const local = new MemoryState({})
const limits = { enforcement: own, planner: new LimitPlanner({ enforcement: own, spend, clock: systemClock }) }
const reservations = new Reservations({
  state,
  local,
  rules: { ofEndUser: () => [], ofTag: () => [] },
  thresholds: new Thresholds({ emit() {} }, state),
  clock: systemClock,
  log: silent,
})
/** Never reached here. */
const plenty = 1e9
const principal = holder([
  ...rulesOf('team', 't', { rpm_limit: plenty, tpm_limit: plenty, max_budget: 9e6 }),
  ...rulesOf('user', 'u', { rpm_limit: plenty, max_budget: 9e6 }),
  ...rulesOf('key', 'k', { rpm_limit: plenty, tpm_limit: plenty, max_budget: 9e6, budget_duration: '30d' }),
])
const call = asking(principal, { group: groupOf('m') })
const actual = { inputTokens: 5, outputTokens: 7, cost: 1000 }

function calls(count: number, headers: boolean): void {
  for (let i = 0; i < count; i++) {
    const reservation = reservations.reserve(limits, call) as Reservation
    if (headers) limitLines(reservation, principal, actual, systemClock.epoch())
    reservation.settle(actual)
  }
}

// The first call reads the seeds of the budgets.
await reservations.reserve(limits, call)
for (const headers of [false, true]) {
  calls(300_000, headers)
  const rounds: number[] = []
  for (let round = 0; round < 7; round++) {
    const started = performance.now()
    calls(200_000, headers)
    rounds.push(((performance.now() - started) / 200_000) * 1e6)
  }
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  calls(2000, headers)
  const bytes = (process.memoryUsage().heapUsed - before) / 2000
  const name = headers ? 'plan, reserve, headers, settle' : 'plan, reserve, settle'
  const median = rounds.sort((a, b) => a - b)[3] ?? 0
  console.log(`${principal.limits.length} rules, ${name}: ${median.toFixed(0)} ns, ${bytes.toFixed(0)} bytes per call`)
}
process.exit(0)
