import { rulesOf } from '../src/governance/limits/rules.ts'
import { LimitPlanner } from '../src/governance/limits/plan.ts'
import { addLimitHeaders } from '../src/governance/limits/limit-headers.ts'
import { Thresholds } from '../src/governance/limits/thresholds.ts'
import { systemClock } from '../src/platform/clock.ts'
import { MemoryState } from '../src/platform/shared-state/memory/memory-state.ts'
import { Reservations } from '../src/pipeline/reservation/reserve.ts'
import { enforcement, holder, asking, silent, groupOf } from '../src/pipeline/reservation/reservation.fixtures.ts'

const own = enforcement()
const spend = { spent: async () => 0 }
const state = new MemoryState({})
const local = new MemoryState({})
const limits = { enforcement: own, planner: new LimitPlanner({ enforcement: own, spend, clock: systemClock }) }
const reservations = new Reservations({ state, local, rules: { ofEndUser: () => [], ofTag: () => [] }, thresholds: new Thresholds({ emit() {} }, state), clock: systemClock, log: silent })
const big = 1e9
const rules = [
  ...rulesOf('team', 't', { rpm_limit: big, tpm_limit: big, max_budget: 9e6 }),
  ...rulesOf('user', 'u', { rpm_limit: big, max_budget: 9e6 }),
  ...rulesOf('key', 'k', { rpm_limit: big, tpm_limit: big, max_budget: 9e6, budget_duration: '30d' }),
]
console.log('rules', rules.length)
const call = asking(holder(rules), { group: groupOf('m') })
const actual = { inputTokens: 5, outputTokens: 7, cost: 1000 }
await reservations.reserve(limits, call)
function run(n: number, headers: boolean) {
  for (let i = 0; i < n; i++) {
    const r = reservations.reserve(limits, call) as any
    if (headers) addLimitHeaders([], r, call.principal, undefined, 0)
    r.settle(actual)
  }
}
for (const headers of [false, true]) {
  run(300_000, headers)
  const best: number[] = []
  for (let k = 0; k < 7; k++) {
    const t = performance.now(); run(200_000, headers); best.push((performance.now() - t) / 200_000 * 1e6)
  }
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const n = 2000
  run(n, headers)
  const bytes = (process.memoryUsage().heapUsed - before) / n
  console.log(headers ? 'with headers' : 'plan+reserve+settle', 'ns per call', best.map(b => b.toFixed(0)).join(' '), 'bytes', bytes.toFixed(0))
}
process.exit(0)
