import type { Clock } from '../../platform/clock.ts'
import type { MetricsRegistry } from '../../platform/telemetry/metrics.ts'
import type { Ledger, LedgerState } from './ledger.ts'

const outcomes = [
  'appended',
  'shipped',
  'dropped',
  'rejected',
  'damaged',
] as const satisfies readonly (keyof LedgerState)[]

/** What the ledger tells Prometheus; the table is in docs/spend.md. Read when somebody looks. */
export function registerLedgerMetrics(registry: MetricsRegistry, ledger: Pick<Ledger, 'backlog'>, clock: Clock): void {
  const one = (read: (state: LedgerState) => number) => () => [[[], read(ledger.backlog())] as const]
  // Of processes that share a journal one ships and knows the backlog; all of them see the same files.
  const highest = { aggregation: 'max' } as const
  registry.collected(
    'counter',
    'routeiq_ledger_records_total',
    'Spend records, by what became of them.',
    ['outcome'],
    () => {
      const state = ledger.backlog()
      return outcomes.map(outcome => [[outcome], state[outcome]] as const)
    },
  )
  registry.collected(
    'counter',
    'routeiq_ledger_bodies_dropped_total',
    'Calls whose bodies were to be kept and came too fast.',
    [],
    one(state => state.droppedBodies),
  )
  registry.collected(
    'gauge',
    'routeiq_ledger_backlog_records',
    'Spend records on disk that the store does not have yet, estimated.',
    [],
    one(state => state.records),
    highest,
  )
  registry.collected(
    'gauge',
    'routeiq_ledger_backlog_bytes',
    'The same in bytes.',
    [],
    one(state => state.bytes),
    highest,
  )
  registry.collected(
    'gauge',
    'routeiq_ledger_backlog_seconds',
    'Age of the oldest of them.',
    [],
    one(({ oldestAt }) => (oldestAt === undefined ? 0 : Math.max(0, clock.epoch() - oldestAt) / 1000)),
    highest,
  )
  registry.collected(
    'gauge',
    'routeiq_ledger_journal_bytes',
    'Size of the journal on disk, shipped or not.',
    [],
    one(state => state.directoryBytes),
    highest,
  )
  registry.collected(
    'gauge',
    'routeiq_ledger_refusing',
    '1 while calls are refused because they could not be booked.',
    [],
    one(state => (state.accepting ? 0 : 1)),
    highest,
  )
}
