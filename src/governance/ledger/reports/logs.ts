import { type Kysely, type RawBuilder, sql } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { LedgerBodyRow, LedgerRow, Tables } from '../../../platform/store/tables.ts'
import { conditionsOf, type LogFilter, type LogScope } from './log-filter.ts'
import { type SpendLog, spendLog } from './log-row.ts'
import { type LogSearch, planSearch, type Reach } from './log-search.ts'

export type LogOrder = 'startTime' | 'endTime' | 'spend' | 'total_tokens' | 'request_duration_ms' | 'model'

export interface LogPage {
  readonly data: SpendLog[]
  readonly total: number
  /** There are more than were counted, or there may be: the search stopped. */
  readonly total_is_capped: boolean
  /** ISO time: calls before it (after it, oldest first) were not looked at. Null: all of the range were. */
  readonly search_stopped_at: string | null
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
  reach?: Reach,
): Promise<LogPage> {
  const { page, pageSize, order, ascending } = paging
  if (page * pageSize > maxListed + pageSize) {
    throw new GatewayError(
      'invalid_request',
      `'page' goes beyond the ${maxListed} newest calls of the range. Ask for a shorter range (start_date, end_date).`,
      { param: 'page' },
    )
  }
  const oldestFirst = order === 'startTime' && ascending
  const search = await planSearch(db, filter, scope, oldestFirst, maxListed, reach)
  const offset = (page - 1) * pageSize
  const [all, rows] = await Promise.all([
    count(db, search, oldestFirst),
    order === 'startTime'
      ? read(db, search, oldestFirst, pageSize, offset)
      : readSorted(db, search, sql`${orders[order]} ${ascending ? sql`asc` : sql`desc`}`, pageSize, offset),
  ])
  const total = Math.min(all, maxListed)
  return {
    data: rows.map(spendLog),
    total,
    total_is_capped: all > maxListed || search.stoppedAt !== undefined,
    search_stopped_at: search.stoppedAt === undefined ? null : new Date(search.stoppedAt).toISOString(),
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
  const search = await planSearch(db, filter, scope, false, limit)
  return (await read(db, search, false, limit, 0)).map(spendLog)
}

/** The keys of calls, in order. A call that several parts meet is one. */
function keysOf({ parts }: LogSearch, ascending: boolean, limit: number, offset = 0): RawBuilder<unknown> {
  const order = ascending ? sql`started_at asc, id asc` : sql`started_at desc, id desc`
  const each = parts.map(
    ({ from, where }) =>
      sql`select * from (select id, started_at from ${from} where ${where} order by ${order} limit ${offset + limit}) as part`,
  )
  return sql`
    select id, started_at from (${sql.join(each, sql` union `)}) as parts
    order by ${order} limit ${limit} offset ${offset}`
}

async function count(db: Kysely<Tables>, search: LogSearch, ascending: boolean): Promise<number> {
  if (search.parts.length === 0) return 0
  const [only] = search.parts
  const found =
    only !== undefined && search.parts.length === 1
      ? sql`select 1 from ${only.from} where ${only.where} limit ${maxListed + 1}`
      : keysOf(search, ascending, maxListed + 1)
  const { rows } = await sql<{ total: number }>`select count(*) as total from (${found}) as found`.execute(db)
  return rows[0]?.total ?? 0
}

async function read(
  db: Kysely<Tables>,
  search: LogSearch,
  ascending: boolean,
  limit: number,
  offset: number,
): Promise<LedgerRow[]> {
  const [only] = search.parts
  if (only === undefined) return []
  const direction = ascending ? sql`asc` : sql`desc`
  const order = sql`ledger.started_at ${direction}, ledger.id ${direction}`
  const { rows } =
    search.parts.length === 1
      ? await sql<LedgerRow>`
          select ledger.* from ${only.from} where ${only.where} order by ${order} limit ${limit} offset ${offset}
        `.execute(db)
      : await sql<LedgerRow>`
          select ledger.* from (${keysOf(search, ascending, limit, offset)}) as found
          join ledger on ledger.id = found.id and ledger.started_at = found.started_at order by ${order}
        `.execute(db)
  return rows
}

/** The newest calls in another order. */
async function readSorted(
  db: Kysely<Tables>,
  search: LogSearch,
  order: RawBuilder<unknown>,
  limit: number,
  offset: number,
): Promise<LedgerRow[]> {
  const [only] = search.parts
  if (only === undefined) return []
  const newest =
    search.parts.length === 1
      ? sql`select ledger.* from ${only.from} where ${only.where} order by ledger.started_at desc limit ${maxListed}`
      : sql`select ledger.* from (${keysOf(search, false, maxListed)}) as found
            join ledger on ledger.id = found.id and ledger.started_at = found.started_at`
  const { rows } = await sql<LedgerRow>`
    select * from (${newest}) as newest order by ${order}, started_at desc, id desc limit ${limit} offset ${offset}
  `.execute(db)
  return rows
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
    select * from ledger where ${sql.join(conditionsOf({ requestId }, scope), sql` and `)} order by started_at desc limit 1
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
