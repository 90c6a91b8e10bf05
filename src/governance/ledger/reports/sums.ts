import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { DailySpendRow, Tables } from '../../../platform/store/tables.ts'

/** Whose sums: the `entity` of `daily_spend`. */
export type Entity = 'all' | 'user' | 'team' | 'team_member' | 'organization' | 'project' | 'agent' | 'end_user' | 'tag'

/** A part of the sums; a report adds several up, so they must not hold a call twice (other than those of tags). */
export interface Selection {
  readonly entity: Entity
  /** Undefined: every id of the entity. Empty: none. */
  readonly ids?: readonly string[] | undefined
  readonly excludeIds?: readonly string[] | undefined
  /** Calls of these keys only. Empty: none. */
  readonly tokens?: readonly string[] | undefined
}

export interface SumsQuery {
  readonly selections: readonly Selection[]
  /** `YYYY-MM-DD`, UTC, both included. */
  readonly from: string
  readonly to: string
  readonly model?: string | undefined
  readonly modelGroup?: string | undefined
}

export type Dimension = 'date' | 'entity_id' | 'token' | 'model' | 'model_group' | 'provider' | 'route'

/** Nano-dollars as a double: a total may be beyond what is exact, nine million dollars. */
export interface Sums {
  readonly requests: number
  readonly failed_requests: number
  readonly cost: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly cache_read_tokens: number
  readonly cache_write_tokens: number
  readonly reasoning_tokens: number
  readonly cache_hits: number
  readonly cached_output_tokens: number
  readonly duration_ms: number
}

const sumColumns = [
  'requests',
  'failed_requests',
  'cost',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cache_hits',
  'cached_output_tokens',
  'duration_ms',
] as const satisfies readonly (keyof Sums)[]

export interface SumOptions {
  /** Groups, those that cost most. Default 50,000. */
  readonly limit?: number | undefined
  /** What is summed; the rest is 0. Each costs as much as the reading of the rows. Default everything. */
  readonly only?: readonly (keyof Sums)[] | undefined
}

/** More groups than anyone reads; what costs least is left out. */
const maxGroups = 50_000

/**
 * Sums of the daily sums, grouped: what every aggregate report is made of. Never reads the ledger, so it costs by days
 * and combinations and not by calls.
 */
export async function sumDaily<D extends Dimension>(
  db: Kysely<Tables>,
  query: SumsQuery,
  dimensions: readonly D[],
  { limit = maxGroups, only = sumColumns }: SumOptions = {},
): Promise<(Sums & Record<D, string>)[]> {
  if (query.selections.length === 0) return []
  const groups = dimensions.map(dimension => sql.ref(dimension))
  const sums = sumColumns.map(column =>
    only.includes(column)
      ? sql`cast(sum(${sql.ref(column)}) as double precision) as ${sql.ref(column)}`
      : sql`0 as ${sql.ref(column)}`,
  )
  const grouped = groups.length === 0 ? sql`` : sql` group by ${sql.join(groups)}`
  const { rows } = await sql<Sums & Record<D, string>>`
    select ${sql.join([...groups, ...sums])} from daily_spend where ${conditionOf(query)}${grouped}
    having count(*) > 0 order by sum(cost) desc limit ${limit}
  `.execute(db)
  return rows
}

/** Rows as they are stored, newest day first, a page at a time. */
export async function dailyRows(
  db: Kysely<Tables>,
  query: SumsQuery,
  page: number,
  pageSize: number,
): Promise<{ readonly rows: DailySpendRow[]; readonly total: number }> {
  if (query.selections.length === 0) return { rows: [], total: 0 }
  const condition = conditionOf(query)
  const [counted, found] = await Promise.all([
    sql<{ total: number }>`select count(*) as total from daily_spend where ${condition}`.execute(db),
    sql<DailySpendRow>`
      select * from daily_spend where ${condition}
      order by date desc, entity, entity_id, token, model, model_group, provider, route
      limit ${pageSize} offset ${(page - 1) * pageSize}
    `.execute(db),
  ])
  return { rows: found.rows, total: counted.rows[0]?.total ?? 0 }
}

function conditionOf({ selections, from, to, model, modelGroup }: SumsQuery): RawBuilder<unknown> {
  const parts = selections.map(selectionCondition)
  const conditions = [
    sql`date >= ${from} and date <= ${to}`,
    parts.length === 1 && parts[0] !== undefined ? parts[0] : sql`(${sql.join(parts, sql` or `)})`,
  ]
  if (model !== undefined) conditions.push(sql`model = ${model}`)
  if (modelGroup !== undefined) conditions.push(sql`model_group = ${modelGroup}`)
  return sql.join(conditions, sql` and `)
}

function selectionCondition({ entity, ids, excludeIds, tokens }: Selection): RawBuilder<unknown> {
  const conditions = [sql`entity = ${entity}`]
  // Its id is empty: said so, the key's order serves the range of dates.
  if (entity === 'all') conditions.push(sql`entity_id = ''`)
  else if (ids !== undefined) conditions.push(among('entity_id', ids))
  if (excludeIds !== undefined && excludeIds.length > 0) conditions.push(sql`not ${among('entity_id', excludeIds)}`)
  if (tokens !== undefined) conditions.push(among('token', tokens))
  return sql`(${sql.join(conditions, sql` and `)})`
}

function among(column: string, values: readonly string[]): RawBuilder<unknown> {
  if (values.length === 0) return sql`1 = 0`
  return values.length === 1 ? sql`${sql.ref(column)} = ${values[0]}` : sql`${sql.ref(column)} in (${sql.join(values)})`
}
