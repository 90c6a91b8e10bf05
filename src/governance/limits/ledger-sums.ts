import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'
import type { LimitRule } from './limit-rule.ts'
import { speaksOf } from './model-facts.ts'

/** Whose calls, in the words of the ledger and of the daily sums. */
interface Selection {
  readonly ledger: RawBuilder<unknown>
  /** Undefined: the daily sums do not tell these apart. */
  readonly daily: RawBuilder<unknown> | undefined
}

interface ModelSum {
  readonly model_group: string | null
  readonly provider: string | null
  readonly model: string
  readonly cost: number
}

/**
 * Further names that rules may call the calls of a row by: the books have a virtual name where one was asked, and its
 * groups are what rules speak of.
 * @param model as `provider/model`
 */
export type ServedNames = (modelGroup: string, model: string) => readonly string[]

const dayMs = 86_400_000

/**
 * Nano-dollars that calls counted by a rule have cost since a moment, by when they started: from the daily sums, and
 * call by call for the part of the first day. Undefined since: ever.
 */
export async function spentSince(
  db: Kysely<Tables>,
  rule: Pick<LimitRule, 'scope' | 'scopeId' | 'model'>,
  since: number | undefined,
  served: ServedNames = () => [],
): Promise<number> {
  const selection = selectionOf(rule)
  if (selection === undefined) return 0
  const from = since ?? 0
  const rows: ModelSum[] = []
  const wholeDays = from % dayMs === 0
  const firstDay = new Date(wholeDays ? from : from - (from % dayMs) + dayMs)
  const date = firstDay.toISOString().slice(0, 10)
  if (selection.daily === undefined) rows.push(...(await ledgerSums(db, selection.ledger, from, undefined)))
  else {
    rows.push(...(await dailySums(db, selection.daily, date)))
    if (!wholeDays) rows.push(...(await ledgerSums(db, selection.ledger, from, firstDay.getTime())))
  }
  let total = 0
  for (const row of rows) if (concerns(rule, row, served)) total += Number(row.cost)
  return total
}

function concerns({ model }: Pick<LimitRule, 'model'>, row: ModelSum, served: ServedNames): boolean {
  if (model === undefined) return true
  const own = row.provider === null || row.provider === '' ? row.model : `${row.provider}/${row.model}`
  const group = row.model_group ?? ''
  return speaksOf({ model }, { name: group, names: [own, ...served(group, own)] })
}

async function dailySums(db: Kysely<Tables>, where: RawBuilder<unknown>, date: string): Promise<readonly ModelSum[]> {
  const { rows } = await sql<ModelSum>`
    select model_group, provider, model, cast(sum(cost) as bigint) as cost from daily_spend
    where ${where} and date >= ${date} group by model_group, provider, model
  `.execute(db)
  return rows
}

async function ledgerSums(
  db: Kysely<Tables>,
  where: RawBuilder<unknown>,
  from: number,
  to: number | undefined,
): Promise<readonly ModelSum[]> {
  const before = to === undefined ? sql`` : sql` and started_at < ${to}`
  const { rows } = await sql<ModelSum>`
    select model_group, provider, model, cast(sum(cost) as bigint) as cost from ledger
    where ${where} and started_at >= ${from}${before} group by model_group, provider, model
  `.execute(db)
  return rows
}

function selectionOf({ scope, scopeId }: Pick<LimitRule, 'scope' | 'scopeId'>): Selection | undefined {
  const entity = (name: string): RawBuilder<unknown> => sql`entity = ${name} and entity_id = ${scopeId}`
  switch (scope) {
    case 'global':
      return { ledger: sql`1 = 1`, daily: sql`entity = 'all' and entity_id = ''` }
    case 'key':
      return { ledger: sql`token = ${scopeId}`, daily: sql`entity = 'all' and entity_id = '' and token = ${scopeId}` }
    case 'team':
      return { ledger: sql`team_id = ${scopeId}`, daily: entity('team') }
    case 'user':
      return { ledger: sql`user_id = ${scopeId}`, daily: entity('user') }
    case 'organization':
      return { ledger: sql`organization_id = ${scopeId}`, daily: entity('organization') }
    case 'project':
      return { ledger: sql`project_id = ${scopeId}`, daily: entity('project') }
    case 'agent':
      return { ledger: sql`agent_id = ${scopeId}`, daily: entity('agent') }
    case 'end_user':
      return { ledger: sql`end_user = ${scopeId}`, daily: entity('end_user') }
    case 'tag':
      return { ledger: sql`tags like ${tagPattern(scopeId)} escape '!'`, daily: entity('tag') }
    case 'team_member': {
      const [team, user] = memberOf(scopeId)
      return { ledger: sql`team_id = ${team} and user_id = ${user}`, daily: undefined }
    }
    case 'provider':
      return {
        ledger: sql`provider = ${scopeId}`,
        daily: sql`entity = 'all' and entity_id = '' and provider = ${scopeId}`,
      }
    case 'deployment':
      return { ledger: sql`deployment_id = ${scopeId}`, daily: undefined }
    default:
      return undefined
  }
}

/** `<team>/<user>`; ids of users may hold a slash, those of teams are made here. */
export function memberOf(scopeId: string): readonly [team: string, user: string] {
  const slash = scopeId.indexOf('/')
  return [scopeId.slice(0, slash), scopeId.slice(slash + 1)]
}

/** A tag in the ledger's JSON list of them. */
const tagPattern = (tag: string): string => `%${JSON.stringify(tag).replace(/[%_!]/g, '!$&')}%`
