import type { Kysely } from 'kysely'
import { newId } from '../../platform/ids.ts'
import type { RouterRunRow } from '../../platform/store/learning-tables.ts'
import type { Tables } from '../../platform/store/tables.ts'

export const stepNames = ['collect', 'train', 'evaluate', 'gate', 'deploy'] as const
export type StepName = (typeof stepNames)[number]
export type RunStatus = 'running' | 'succeeded' | 'nothing_to_deploy' | 'failed' | 'interrupted'

export interface StepRecord {
  readonly step: StepName
  readonly startedAt: number
  readonly endedAt?: number
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: string
}

export interface RunDetails {
  readonly steps: readonly StepRecord[]
  readonly datasetHash?: string
  readonly artifact?: string
  readonly rollout?: string
  readonly reason?: string
}

export interface Run {
  readonly id: string
  readonly router: string
  readonly trigger: string
  readonly status: RunStatus
  readonly step: string
  readonly startedAt: number
  readonly heartbeatAt: number
  readonly endedAt: number | undefined
  readonly details: RunDetails
}

/** Milliseconds of silence after which a run counts as gone with its process. */
export const silence = 60_000

export async function beginRun(db: Kysely<Tables>, router: string, trigger: string, now: number): Promise<Run> {
  const at = Math.floor(now)
  const row: RouterRunRow = {
    id: newId(at),
    router,
    trigger,
    status: 'running',
    step: 'collect',
    started_at: at,
    heartbeat_at: at,
    ended_at: null,
    details: JSON.stringify({ steps: [] } satisfies RunDetails),
  }
  await db.insertInto('router_runs').values(row).execute()
  return runOf(row)
}

/** @returns false when the run is no longer ours: somebody took it for gone. */
export async function saveRun(
  db: Kysely<Tables>,
  id: string,
  change: { readonly step: string; readonly details: RunDetails; readonly status?: RunStatus },
  now: number,
): Promise<boolean> {
  const at = Math.floor(now)
  const status = change.status ?? 'running'
  const result = await db
    .updateTable('router_runs')
    .set({
      step: change.step,
      details: JSON.stringify(change.details),
      heartbeat_at: at,
      status,
      ended_at: status === 'running' ? null : at,
    })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

export async function beat(db: Kysely<Tables>, id: string, now: number): Promise<void> {
  await db
    .updateTable('router_runs')
    .set({ heartbeat_at: Math.floor(now) })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .execute()
}

/** Runs whose process is gone say so. @param router only its own; undefined: all */
export async function markInterrupted(
  db: Kysely<Tables>,
  now: number,
  router?: string,
  quiet = silence,
): Promise<number> {
  let query = db
    .updateTable('router_runs')
    .set({ status: 'interrupted', ended_at: Math.floor(now) })
    .where('status', '=', 'running')
    .where('heartbeat_at', '<=', Math.floor(now - quiet))
  if (router !== undefined) query = query.where('router', '=', router)
  return Number((await query.executeTakeFirst()).numUpdatedRows)
}

export async function listRuns(db: Kysely<Tables>, router?: string, most = 100): Promise<Run[]> {
  let query = db.selectFrom('router_runs').selectAll().orderBy('started_at', 'desc').orderBy('id', 'desc').limit(most)
  if (router !== undefined) query = query.where('router', '=', router)
  return (await query.execute()).map(runOf)
}

export async function findRun(db: Kysely<Tables>, id: string): Promise<Run | undefined> {
  const row = await db.selectFrom('router_runs').selectAll().where('id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : runOf(row)
}

const runOf = (row: RouterRunRow): Run => ({
  id: row.id,
  router: row.router,
  trigger: row.trigger,
  status: row.status as RunStatus,
  step: row.step,
  startedAt: row.started_at,
  heartbeatAt: row.heartbeat_at,
  endedAt: row.ended_at ?? undefined,
  details: JSON.parse(row.details) as RunDetails,
})
