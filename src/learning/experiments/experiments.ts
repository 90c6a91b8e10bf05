import type { Kysely, Transaction } from 'kysely'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { newId } from '../../platform/ids.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { readState } from '../rollout/state-store.ts'
import { checkArms, type Experiment, type ExperimentSettings, experimentOf } from './experiment.ts'

export interface NewExperiment extends ExperimentSettings {
  readonly router: string
  readonly name: string
  readonly createdBy: string
}

/** One at a time per router, and none beside a rollout: each would spoil the other's numbers. @throws GatewayError 409 */
export async function startExperiment(trx: Transaction<Tables>, what: NewExperiment, now: number): Promise<Experiment> {
  const { router, name, createdBy, ...settings } = what
  checkArms(settings.arms)
  const running = await trx
    .selectFrom('router_experiments')
    .select('name')
    .where('router', '=', router)
    .where('status', '=', 'running')
    .executeTakeFirst()
  if (running !== undefined) throw conflict(`The experiment '${running.name}' runs on this router; stop it first.`)
  const taken = await trx.selectFrom('router_experiments').select('id').where('name', '=', name).executeTakeFirst()
  if (taken !== undefined) throw conflict(`There is an experiment '${name}' already.`)
  if ((await readState(trx, router))?.state.rollout != null) {
    throw conflict('A rollout is on its way on this router; finish it or roll it back first.')
  }
  const row = {
    id: newId(now),
    router,
    name,
    status: 'running',
    settings: JSON.stringify(settings),
    created_at: Math.floor(now),
    created_by: createdBy,
    updated_at: Math.floor(now),
    ended_at: null,
  }
  await trx.insertInto('router_experiments').values(row).execute()
  return experimentOf(row)
}

/** @throws GatewayError 404, 409 */
export async function stopExperiment(trx: Transaction<Tables>, id: string, now: number): Promise<Experiment> {
  const before = await findExperiment(trx, id)
  if (before === undefined) throw new GatewayError('not_found', 'There is no experiment of this id or name.')
  if (before.status === 'stopped') throw conflict('The experiment is over already.')
  const at = Math.floor(now)
  await trx
    .updateTable('router_experiments')
    .set({ status: 'stopped', updated_at: at, ended_at: at })
    .where('id', '=', before.id)
    .execute()
  return { ...before, status: 'stopped', endedAt: at }
}

export async function findExperiment(db: Kysely<Tables>, id: string): Promise<Experiment | undefined> {
  const row = await db
    .selectFrom('router_experiments')
    .selectAll()
    .where(eb => eb.or([eb('id', '=', id), eb('name', '=', id)]))
    .executeTakeFirst()
  return row === undefined ? undefined : experimentOf(row)
}

export async function listExperiments(db: Kysely<Tables>, router?: string): Promise<Experiment[]> {
  let query = db.selectFrom('router_experiments').selectAll().orderBy('created_at', 'desc').limit(500)
  if (router !== undefined) query = query.where('router', '=', router)
  return (await query.execute()).map(experimentOf)
}

/** Ends experiments whose time is over. @returns how many */
export async function endDue(store: Store, now: number): Promise<number> {
  const rows = await store.db.selectFrom('router_experiments').selectAll().where('status', '=', 'running').execute()
  const due = rows.filter(row => (experimentOf(row).settings.until ?? Number.POSITIVE_INFINITY) <= now)
  for (const { id } of due) {
    const at = Math.floor(now)
    await store.db
      .updateTable('router_experiments')
      .set({ status: 'stopped', updated_at: at, ended_at: at })
      .where('id', '=', id)
      .where('status', '=', 'running')
      .execute()
  }
  return due.length
}

const conflict = (message: string): GatewayError => new GatewayError('conflict', message)
