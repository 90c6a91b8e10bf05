import type { Kysely, Transaction } from 'kysely'
import { newId } from '../../platform/ids.ts'
import type { RouterTransitionRow } from '../../platform/store/learning-tables.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { forUpdate } from '../../platform/store/transaction.ts'
import { emptyState, parseState, type RouterState, stageOf } from './state.ts'
import type { Step } from './transitions.ts'

export interface VersionedState {
  readonly router: string
  readonly state: RouterState
  readonly revision: number
  readonly updatedAt: number
}

export interface StateChange {
  readonly router: string
  readonly actor: string
  readonly now: number
  /** What the change was decided on; another one by now: nothing happens, and `undefined` comes back. */
  readonly expected?: number
}

export interface Changed {
  readonly before: RouterState
  readonly after: VersionedState
  readonly transition: RouterTransitionRow
}

/** Every change of a router's state: under the row's lock, with its transition on record, all or nothing. */
export async function changeState(
  trx: Transaction<Tables>,
  dialect: Store['dialect'],
  { router, actor, now, expected }: StateChange,
  step: (state: RouterState) => Step,
): Promise<Changed | undefined> {
  const at = Math.floor(now)
  await trx
    .insertInto('router_states')
    .values({ router, state: JSON.stringify(emptyState), revision: 0, updated_at: at, updated_by: null })
    .onConflict(conflict => conflict.column('router').doNothing())
    .execute()
  const locked = forUpdate({ dialect }, trx.selectFrom('router_states').selectAll().where('router', '=', router))
  const row = await locked.executeTakeFirstOrThrow()
  if (expected !== undefined && row.revision !== expected) return undefined
  const before = parseState(row.state)
  const { state, reason, artifact, details } = step(before)
  const revision = row.revision + 1
  await trx
    .updateTable('router_states')
    .set({ state: JSON.stringify(state), revision, updated_at: at, updated_by: actor })
    .where('router', '=', router)
    .execute()
  const transition: RouterTransitionRow = {
    id: newId(at),
    router,
    at,
    actor,
    from_stage: stageOf(before),
    to_stage: stageOf(state),
    artifact,
    reason: reason.slice(0, 1000),
    details: JSON.stringify(details ?? {}),
  }
  await trx.insertInto('router_transitions').values(transition).execute()
  return { before, after: { router, state, revision, updatedAt: at }, transition }
}

export async function readStates(db: Kysely<Tables>): Promise<VersionedState[]> {
  const rows = await db.selectFrom('router_states').selectAll().orderBy('router').limit(1000).execute()
  return rows.map(({ router, state, revision, updated_at }) => ({
    router,
    state: parseState(state),
    revision,
    updatedAt: updated_at,
  }))
}

export async function readState(db: Kysely<Tables>, router: string): Promise<VersionedState | undefined> {
  const row = await db.selectFrom('router_states').selectAll().where('router', '=', router).executeTakeFirst()
  if (row === undefined) return undefined
  return { router, state: parseState(row.state), revision: row.revision, updatedAt: row.updated_at }
}

export function readTransitions(db: Kysely<Tables>, router: string, most = 100): Promise<RouterTransitionRow[]> {
  return db
    .selectFrom('router_transitions')
    .selectAll()
    .where('router', '=', router)
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(most)
    .execute()
}
