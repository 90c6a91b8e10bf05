import type { Transaction } from 'kysely'
import type { RouterCellRow } from '../../platform/store/learning-tables.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { forUpdate } from '../../platform/store/transaction.ts'
import { decodeFeatures, LinearArm } from '../bandits/linucb.ts'
import { emptyCell, withCorrection, withEvent } from '../bandits/posterior.ts'
import type { DecisionDetails } from '../decisions/decision-row.ts'
import type { CellPosterior } from '../rollout/port.ts'
import type { FoundCall } from './find-call.ts'

/** One piece of feedback as learners take it. `change`: undefined for a new one, else by how much its reward was corrected. */
export interface Lesson {
  readonly reward: number
  readonly weight: number
  readonly change: number | undefined
}

type Decided = NonNullable<FoundCall['decided']>
const million = 1_000_000

/** The cell of cluster and model that answered learns. @returns whether there was one */
export async function teachCell(
  trx: Transaction<Tables>,
  dialect: Store['dialect'],
  { artifact, cluster, model }: Decided,
  lesson: Lesson,
  now: number,
): Promise<boolean> {
  if (artifact === null || cluster < 0) return false
  const key = { artifact, cluster, model }
  // Made first: two that find no cell would each write one.
  await trx
    .insertInto('router_cells')
    .values({ ...key, events: 0, weight: 0, reward: 0, updated_at: now })
    .onConflict(conflict => conflict.columns(['artifact', 'cluster', 'model']).doNothing())
    .execute()
  const where = trx
    .selectFrom('router_cells')
    .selectAll()
    .where('artifact', '=', artifact)
    .where('cluster', '=', cluster)
    .where('model', '=', model)
  const row = await forUpdate({ dialect }, where).executeTakeFirst()
  const before = row === undefined ? emptyCell : cellOf(row)
  const after =
    lesson.change === undefined
      ? withEvent(before, lesson.reward, lesson.weight)
      : withCorrection(before, lesson.weight * lesson.change)
  await trx
    .updateTable('router_cells')
    .set({
      events: after.events,
      weight: Math.round(after.weight * million),
      reward: Math.round(after.reward * million),
      updated_at: now,
    })
    .where('artifact', '=', artifact)
    .where('cluster', '=', cluster)
    .where('model', '=', model)
    .execute()
  return true
}

/** The linear bandit's arm of the model that answered learns from the features of the prompt. */
export async function teachArm(
  trx: Transaction<Tables>,
  dialect: Store['dialect'],
  { artifact, model, details }: Decided,
  lesson: Lesson,
  now: number,
): Promise<boolean> {
  if (artifact === null) return false
  const features = decodeFeatures((JSON.parse(details) as DecisionDetails).features)
  if (features === undefined) return false
  const fresh = new LinearArm(features.length)
  await trx
    .insertInto('router_arms')
    .values({ artifact, model, state: fresh.encode(), events: 0, updated_at: now })
    .onConflict(conflict => conflict.columns(['artifact', 'model']).doNothing())
    .execute()
  const where = trx.selectFrom('router_arms').selectAll().where('artifact', '=', artifact).where('model', '=', model)
  const row = await forUpdate({ dialect }, where).executeTakeFirstOrThrow()
  const arm = LinearArm.decode(row.state, row.events)
  if (arm.dims !== features.length) return false
  if (lesson.change === undefined) arm.update(features, lesson.reward, lesson.weight)
  else arm.correct(features, lesson.weight * lesson.change)
  await trx
    .updateTable('router_arms')
    .set({ state: arm.encode(), events: arm.events, updated_at: now })
    .where('artifact', '=', artifact)
    .where('model', '=', model)
    .execute()
  return true
}

export const cellOf = (row: Pick<RouterCellRow, 'events' | 'weight' | 'reward'>): CellPosterior => ({
  events: row.events,
  weight: row.weight / million,
  reward: row.reward / million,
})
