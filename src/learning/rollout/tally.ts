import { sql } from 'kysely'
import type { Store } from '../../platform/store/store.ts'
import { floatSum } from '../../platform/store/sums.ts'
import { type ArmTally, emptyArm, type StageTally, type Thresholds } from './guard-settings.ts'

/** Calls that a baseline is taken from. */
const baselineCalls = 5000
const minBaselineCalls = 50
/** Times the control's mean at which the cost of one call is capped. */
const costCap = 4

/**
 * What the arms of a rollout (or experiment) did since a moment, from the decisions of all replicas. A caller's own
 * mistakes and calls it gave up are no sign of anything and are left out.
 * @param since by the time of writing, epoch ms
 */
export async function tallyArms(
  store: Store,
  experiment: string,
  since: number,
  thresholds: Thresholds | null,
): Promise<ReadonlyMap<string, ArmTally>> {
  const slow = thresholds?.slow ?? Number.MAX_SAFE_INTEGER
  const dear = thresholds?.dear ?? 1
  const counted = sql`status < 400 or failed = 1`
  const rows = await store.db
    .selectFrom('router_decisions')
    .select([
      'arm',
      sql<number>`count(*)`.as('calls'),
      floatSum(store, sql`failed`).as('failed'),
      floatSum(store, sql`case when failed = 0 then 1 else 0 end`).as('answered'),
      floatSum(store, sql`case when failed = 0 and duration_ms > ${slow} then 1 else 0 end`).as('slow'),
      sql<number>`count(cost)`.as('priced'),
      floatSum(store, sql`case when cost > ${dear} then ${dear} else cost end`).as('cost'),
      sql<number>`count(reward)`.as('rewarded'),
      floatSum(store, sql`reward`).as('reward'),
    ])
    .where('experiment', '=', experiment)
    .where('recorded_at', '>=', Math.floor(Math.max(since, thresholds?.since ?? 0)))
    .where(sql<boolean>`(${counted})`)
    .groupBy('arm')
    .execute()
  return new Map(
    rows.map(row => [
      row.arm ?? '',
      {
        calls: row.calls,
        failed: row.failed ?? 0,
        slow: thresholds === null ? emptyArm.slow : { n: row.answered ?? 0, sum: row.slow ?? 0 },
        cost: thresholds === null ? emptyArm.cost : { n: row.priced, sum: (row.cost ?? 0) / dear },
        feedback: { n: row.rewarded, sum: (row.reward ?? 0) / 1_000_000 },
      },
    ]),
  )
}

export async function tallyStage(
  store: Store,
  rollout: string,
  since: number,
  thresholds: Thresholds | null,
): Promise<StageTally> {
  const arms = await tallyArms(store, rollout, since, thresholds)
  return { control: arms.get('control') ?? emptyArm, candidate: arms.get('candidate') ?? emptyArm }
}

/**
 * What is slow and dear by the control's own measure: of what the router answered lately without the candidate. Null: too
 * few calls to say.
 */
export async function measureThresholds(store: Store, router: string, now: number): Promise<Thresholds | null> {
  const rows = await store.db
    .selectFrom('router_decisions')
    .select(['duration_ms', 'cost'])
    .where('router', '=', router)
    .where('status', '<', 400)
    .where(eb => eb.or([eb('arm', 'is', null), eb('arm', '!=', 'candidate')]))
    .orderBy('recorded_at', 'desc')
    .limit(baselineCalls)
    .execute()
  if (rows.length < minBaselineCalls) return null
  const durations = rows.map(({ duration_ms }) => duration_ms).sort((a, b) => a - b)
  const costs = rows.flatMap(({ cost }) => (cost === null ? [] : [cost]))
  const mean = costs.reduce((sum, cost) => sum + cost, 0) / Math.max(1, costs.length)
  return {
    slow: durations[Math.floor(durations.length * 0.95)] ?? 0,
    dear: Math.max(1, Math.ceil(mean * costCap)),
    since: Math.floor(now),
  }
}
