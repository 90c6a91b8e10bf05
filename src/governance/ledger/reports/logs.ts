import { type Kysely, type RawBuilder, sql } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { LedgerBodyRow, LedgerRow, Tables } from '../../../platform/store/tables.ts'
import { type SpendLog, spendLog } from './log-row.ts'

/** Calls whose columns hold these values. */
export interface LogFilter {
  /** Epoch ms, from this one on. */
  readonly from?: number | undefined
  /** Epoch ms, up to and including this one. */
  readonly to?: number | undefined
  /** The id the caller saw, or that of the record. */
  readonly requestId?: string | undefined
  readonly token?: string | undefined
  readonly userId?: string | undefined
  readonly teamId?: string | undefined
  readonly endUser?: string | undefined
  readonly sessionId?: string | undefined
  readonly keyAlias?: string | undefined
  readonly model?: string | undefined
  readonly modelGroup?: string | undefined
  readonly deploymentId?: string | undefined
  readonly status?: 'success' | 'failure' | undefined
  readonly error?: string | undefined
  readonly statusCode?: number | undefined
  /** Nano-dollars. */
  readonly minCost?: number | undefined
  readonly maxCost?: number | undefined
  /** A tag of the call. */
  readonly tag?: string | undefined
}

/** Whose calls a caller may see; undefined: everybody's. Any of them suffices. */
export interface LogScope {
  readonly userId: string | undefined
  readonly token: string
  readonly teamIds: readonly string[]
  readonly organizationIds: readonly string[]
}

export type LogOrder = 'startTime' | 'endTime' | 'spend' | 'total_tokens' | 'request_duration_ms' | 'model'

export interface LogPage {
  readonly data: SpendLog[]
  readonly total: number
  /** There are more than were counted. */
  readonly total_is_capped: boolean
  readonly page: number
  readonly page_size: number
  readonly total_pages: number
}

/** Calls that are counted, leafed through or sorted: the newest of those that match. */
export const maxListed = 10_000

const orders: Readonly<Record<Exclude<LogOrder, 'startTime'>, RawBuilder<unknown>>> = {
  endTime: sql`ended_at`,
  spend: sql`cost`,
  total_tokens: sql`input_tokens + output_tokens`,
  request_duration_ms: sql`ended_at - started_at`,
  model: sql`model`,
}

/**
 * One page of calls, newest first. However many there are, no more than the newest 10,000 that match are counted, leafed
 * through or put in another order; a narrower range of time shows the rest.
 * @throws GatewayError for a page beyond them
 */
export async function listLogs(
  db: Kysely<Tables>,
  filter: LogFilter,
  scope: LogScope | undefined,
  paging: { readonly page: number; readonly pageSize: number; readonly order: LogOrder; readonly ascending: boolean },
): Promise<LogPage> {
  const { page, pageSize, order, ascending } = paging
  if (page * pageSize > maxListed + pageSize) {
    throw new GatewayError(
      'invalid_request',
      `'page' goes beyond the ${maxListed} newest calls of the range. Ask for a shorter range (start_date, end_date).`,
      { param: 'page' },
    )
  }
  const where = conditionOf(filter, scope)
  const direction = ascending ? sql`asc` : sql`desc`
  const window =
    order === 'startTime'
      ? sql`select * from ledger where ${where} order by started_at ${direction}, id ${direction}`
      : sql`select * from (select * from ledger where ${where} order by started_at desc limit ${maxListed}) as newest
            order by ${orders[order]} ${direction}, started_at desc, id desc`
  const [counted, found] = await Promise.all([
    sql<{ total: number }>`
      select count(*) as total from (select 1 from ledger where ${where} limit ${maxListed + 1}) as found
    `.execute(db),
    sql<LedgerRow>`${window} limit ${pageSize} offset ${(page - 1) * pageSize}`.execute(db),
  ])
  const all = counted.rows[0]?.total ?? 0
  const total = Math.min(all, maxListed)
  return {
    data: found.rows.map(spendLog),
    total,
    total_is_capped: all > maxListed,
    page,
    page_size: pageSize,
    total_pages: Math.ceil(total / pageSize),
  }
}

/** The newest calls that match, without counting them. */
export async function newestLogs(
  db: Kysely<Tables>,
  filter: LogFilter,
  scope: LogScope | undefined,
  limit: number,
): Promise<SpendLog[]> {
  const { rows } = await sql<LedgerRow>`
    select * from ledger where ${conditionOf(filter, scope)} order by started_at desc, id desc limit ${limit}
  `.execute(db)
  return rows.map(spendLog)
}

export interface LogBodies {
  readonly log: SpendLog
  /** JSON values; null where none were kept. */
  readonly request: unknown
  readonly response: unknown
}

/** One call with its bodies, if they were kept; undefined: there is none the caller may see. */
export async function findLog(
  db: Kysely<Tables>,
  requestId: string,
  scope: LogScope | undefined,
): Promise<LogBodies | undefined> {
  const { rows } = await sql<LedgerRow>`
    select * from ledger where ${conditionOf({ requestId }, scope)} order by started_at desc limit 1
  `.execute(db)
  const row = rows[0]
  if (row === undefined) return undefined
  const bodies: LedgerBodyRow | undefined = await db
    .selectFrom('ledger_bodies')
    .selectAll()
    .where('id', '=', row.id)
    .where('started_at', '=', row.started_at)
    .executeTakeFirst()
  return { log: spendLog(row), request: parsed(bodies?.request), response: parsed(bodies?.response) }
}

const parsed = (json: string | null | undefined): unknown =>
  json === null || json === undefined ? null : JSON.parse(json)

function conditionOf(filter: LogFilter, scope: LogScope | undefined): RawBuilder<unknown> {
  const conditions: RawBuilder<unknown>[] = []
  const equal = (column: string, value: string | number | undefined): void => {
    if (value !== undefined) conditions.push(sql`${sql.ref(column)} = ${value}`)
  }
  if (filter.from !== undefined) conditions.push(sql`started_at >= ${filter.from}`)
  if (filter.to !== undefined) conditions.push(sql`started_at <= ${filter.to}`)
  if (filter.requestId !== undefined) conditions.push(sql`(id = ${filter.requestId} or call_id = ${filter.requestId})`)
  equal('token', filter.token)
  equal('user_id', filter.userId)
  equal('team_id', filter.teamId)
  equal('end_user', filter.endUser)
  equal('session_id', filter.sessionId)
  equal('key_alias', filter.keyAlias)
  equal('model', filter.model)
  equal('model_group', filter.modelGroup)
  equal('deployment_id', filter.deploymentId)
  equal('error', filter.error)
  equal('status', filter.statusCode)
  if (filter.status === 'success') conditions.push(sql`error is null and status < 400`)
  if (filter.status === 'failure') conditions.push(sql`(error is not null or status >= 400)`)
  if (filter.minCost !== undefined) conditions.push(sql`cost >= ${filter.minCost}`)
  if (filter.maxCost !== undefined) conditions.push(sql`cost <= ${filter.maxCost}`)
  if (filter.tag !== undefined) conditions.push(sql`tags like ${tagPattern(filter.tag)} escape '!'`)
  if (scope !== undefined) conditions.push(scopeCondition(scope))
  return conditions.length === 0 ? sql`1 = 1` : sql.join(conditions, sql` and `)
}

function scopeCondition({ userId, token, teamIds, organizationIds }: LogScope): RawBuilder<unknown> {
  const any = [sql`token = ${token}`]
  if (userId !== undefined) any.push(sql`user_id = ${userId}`)
  if (teamIds.length > 0) any.push(sql`team_id in (${sql.join(teamIds)})`)
  if (organizationIds.length > 0) any.push(sql`organization_id in (${sql.join(organizationIds)})`)
  return sql`(${sql.join(any, sql` or `)})`
}

/** The tag as it stands in a JSON list. */
const tagPattern = (tag: string): string => `%${JSON.stringify(tag).replace(/[%_!]/g, '!$&')}%`
