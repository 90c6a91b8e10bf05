import { type RawBuilder, sql } from 'kysely'
import type { Store } from '../../platform/store/store.ts'
import { floatSum } from '../../platform/store/sums.ts'
import { logEvidenceOfDifference, type Tally } from './evidence.ts'
import type { Experiment, Goal } from './experiment.ts'

export interface ArmResult {
  readonly name: string
  readonly calls: number
  readonly errors: Tally
  readonly reward: Tally
  readonly checks: Tally
  /** As shares of the caps. */
  readonly cost: Tally
  readonly latency: Tally
  /** US dollars per thousand calls, uncapped. */
  readonly costPer1k: number | undefined
  /** Milliseconds, uncapped. */
  readonly meanLatency: number | undefined
}

export interface Comparison {
  readonly goal: Goal
  readonly arms: readonly [number | undefined, number | undefined]
  /** Of the first arm over the second. */
  readonly difference: number | undefined
  /** e-value against «no difference»; may be looked at any time. */
  readonly evidence: number
  /** 1/evidence, 1 at most: a p-value that holds at any time. */
  readonly pValue: number
  readonly significant: boolean
}

export interface ExperimentResult {
  readonly arms: readonly [ArmResult, ArmResult]
  readonly comparisons: readonly Comparison[]
  /** Better by the experiment's goal, once that is significant. */
  readonly winner: string | undefined
  readonly enough: boolean
}

const defaultCaps = { cost: 100_000_000, latency: 60_000 }
const lessIsBetter: ReadonlySet<Goal> = new Set(['cost', 'latency', 'errors'])

/** What an experiment says by now, from the decisions of all replicas. */
export async function experimentResult(store: Store, { id, settings }: Experiment): Promise<ExperimentResult> {
  const caps = settings.caps ?? defaultCaps
  const rows = await armSums(store, id, caps)
  const arms = settings.arms.map(({ name }) => rows.get(name) ?? emptyArm(name)) as [ArmResult, ArmResult]
  const limit = Math.log(1 / settings.alpha)
  const goals: readonly Goal[] = ['reward', 'checks', 'cost', 'latency', 'errors']
  const comparisons = goals.map(goal => compare(goal, arms, limit))
  const enough = arms.every(({ calls }) => calls >= settings.minCalls)
  const main = comparisons.find(({ goal }) => goal === settings.goal)
  const decided = enough && main?.significant === true && main.difference !== undefined
  const firstWins = decided && (lessIsBetter.has(settings.goal) ? main.difference < 0 : main.difference > 0)
  return { arms, comparisons, enough, winner: decided ? arms[firstWins ? 0 : 1].name : undefined }
}

function compare(goal: Goal, [first, second]: readonly [ArmResult, ArmResult], limit: number): Comparison {
  const [a, b] = [first[goal], second[goal]]
  const means = [mean(a), mean(b)] as const
  const log = logEvidenceOfDifference(a, b)
  return {
    goal,
    arms: means,
    difference: means[0] === undefined || means[1] === undefined ? undefined : means[0] - means[1],
    evidence: Math.exp(Math.min(700, log)),
    pValue: Math.min(1, Math.exp(-log)),
    significant: log >= limit,
  }
}

async function armSums(
  store: Store,
  id: string,
  caps: { readonly cost: number; readonly latency: number },
): Promise<Map<string, ArmResult>> {
  const sum = (expression: RawBuilder<unknown>) => floatSum(store, expression)
  const rows = await store.db
    .selectFrom('router_decisions')
    .select([
      'arm',
      sql<number>`count(*)`.as('calls'),
      sum(sql`failed`).as('errors'),
      sql<number>`count(reward)`.as('rewarded'),
      sum(sql`reward`).as('rewards'),
      sql<number>`count(checked)`.as('checked_calls'),
      sum(sql`checked`).as('checks'),
      sql<number>`count(cost)`.as('priced'),
      sum(sql`cost`).as('costs'),
      sum(sql`case when cost > ${caps.cost} then ${caps.cost} else cost end`).as('capped_costs'),
      sum(sql`duration_ms`).as('durations'),
      sum(sql`case when duration_ms > ${caps.latency} then ${caps.latency} else duration_ms end`).as(
        'capped_durations',
      ),
    ])
    .where('experiment', '=', id)
    .where(sql<boolean>`(status < 400 or failed = 1)`)
    .groupBy('arm')
    .execute()
  return new Map(
    rows.map(row => [
      row.arm ?? '',
      {
        name: row.arm ?? '',
        calls: row.calls,
        errors: { n: row.calls, sum: row.errors ?? 0 },
        reward: { n: row.rewarded, sum: (row.rewards ?? 0) / 1e6 },
        checks: { n: row.checked_calls, sum: (row.checks ?? 0) / 1e6 },
        cost: { n: row.priced, sum: (row.capped_costs ?? 0) / caps.cost },
        latency: { n: row.calls, sum: (row.capped_durations ?? 0) / caps.latency },
        costPer1k: row.priced === 0 ? undefined : ((row.costs ?? 0) / row.priced / 1e9) * 1000,
        meanLatency: row.calls === 0 ? undefined : (row.durations ?? 0) / row.calls,
      },
    ]),
  )
}

const mean = ({ n, sum }: Tally): number | undefined => (n === 0 ? undefined : sum / n)
const none: Tally = { n: 0, sum: 0 }
const emptyArm = (name: string): ArmResult => ({
  name,
  calls: 0,
  errors: none,
  reward: none,
  checks: none,
  cost: none,
  latency: none,
  costPer1k: undefined,
  meanLatency: undefined,
})
