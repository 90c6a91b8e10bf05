import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import type { LogFilter } from './log-filter.ts'

/**
 * Where calls with a tag or a model are: the daily sums know which keys had some on which days, which takes the place of
 * indexes that every call would have to be entered in.
 */
export interface Cells {
  /** Of one key and some days in a row; epoch ms, `until` not included. Token null: calls of no key. */
  readonly cells: readonly { readonly token: string | null; readonly since: number; readonly until: number }[]
  /** Epoch ms beyond which there may be more. */
  readonly stoppedAt: number | undefined
}

interface Bounds {
  /** Oldest calls first. */
  readonly ascending: boolean
  /** Calls that are looked at. */
  readonly maxCalls: number
  /** Calls that are wanted. */
  readonly enough: number
}

interface CellRow {
  readonly date: string
  readonly token: string
  readonly matched: number
}

/** Of one statement: PostgreSQL then looks each of them up rather than to read everything. */
const maxCells = 500
const dayMs = 86_400_000
const startOf = (date: string): number => Date.parse(`${date}T00:00:00Z`)

/** Undefined: the sums do not narrow it down, or the first day alone holds too many calls. */
export async function cellsOf(db: Kysely<Tables>, filter: LogFilter, bounds: Bounds): Promise<Cells | undefined> {
  if (filter.tag === undefined && filter.model === undefined && filter.modelGroup === undefined) return undefined
  const rows = await matchingCells(db, filter, bounds.ascending)
  const days = new Map<string, CellRow[]>()
  for (const row of rows) {
    const day = days.get(row.date)
    if (day === undefined) days.set(row.date, [row])
    else day.push(row)
  }
  // The last day may be cut off.
  const cut = rows.length > maxCells ? rows.at(-1)?.date : undefined
  if (cut !== undefined) days.delete(cut)
  if (days.size === 0) return cut === undefined ? { cells: [], stoppedAt: undefined } : undefined
  const calls = await callsIn(db, [...days.values()].flat())
  const dates = [...days.keys()]
  const kept: CellRow[] = []
  let looked = 0
  let matched = 0
  let index = 0
  for (; index < dates.length && matched <= bounds.enough; index++) {
    const day = days.get(dates[index] ?? '') ?? []
    for (const cell of day) {
      looked += calls.get(`${cell.date} ${cell.token}`) ?? 0
      matched += cell.matched
    }
    if (looked > bounds.maxCalls) break
    kept.push(...day)
  }
  if (kept.length === 0) return undefined
  const stoppedAt = dates[index] ?? cut
  return { cells: merged(kept), stoppedAt: stoppedAt === undefined ? undefined : edge(stoppedAt, bounds.ascending) }
}

/** Days beyond this moment were not looked at. */
const edge = (date: string, ascending: boolean): number => (ascending ? startOf(date) : startOf(date) + dayMs)

async function matchingCells(db: Kysely<Tables>, filter: LogFilter, ascending: boolean): Promise<CellRow[]> {
  const { tag, model, modelGroup, token } = filter
  const range = dateRange(filter)
  const conditions = [entityCondition(filter), range]
  if (model !== undefined || modelGroup !== undefined) {
    const names = await modelNames(db, range, model, modelGroup)
    if (names.length === 0) return []
    if (model !== undefined || tag === undefined) conditions.push(sql`model in (${sql.join(names)})`)
  }
  if (modelGroup !== undefined) conditions.push(sql`model_group = ${modelGroup}`)
  if (token !== undefined) conditions.push(sql`token = ${token}`)
  const matched = model === undefined ? sql`requests` : sql`case when model = ${model} then requests else 0 end`
  const direction = ascending ? sql`asc` : sql`desc`
  const { rows } = await sql<CellRow>`
    select date, token, cast(sum(${matched}) as bigint) as matched from daily_spend
    where ${sql.join(conditions, sql` and `)}
    group by date, token order by date ${direction}, token ${direction} limit ${maxCells + 1}
  `.execute(db)
  return rows
}

function entityCondition({ tag, endUser, userId, teamId }: LogFilter): RawBuilder<unknown> {
  if (tag !== undefined) return sql`entity = 'tag' and entity_id = ${tag}`
  if (endUser !== undefined) return sql`entity = 'end_user' and entity_id = ${endUser}`
  if (userId !== undefined) return sql`entity = 'user' and entity_id = ${userId}`
  if (teamId !== undefined) return sql`entity = 'team' and entity_id = ${teamId}`
  return sql`entity = 'all' and entity_id = ''`
}

function dateRange({ from, to }: LogFilter): RawBuilder<unknown> {
  const first = from === undefined ? '0000' : new Date(from).toISOString().slice(0, 10)
  const last = to === undefined ? '9999' : new Date(to).toISOString().slice(0, 10)
  return sql`date >= ${first} and date <= ${last}`
}

/**
 * What the sums call a model. A call that no deployment answered is summed under its group, or as unknown, whatever it
 * asked for: such calls are looked at one by one.
 */
async function modelNames(
  db: Kysely<Tables>,
  range: RawBuilder<unknown>,
  model: string | undefined,
  modelGroup: string | undefined,
): Promise<string[]> {
  const wanted = model === undefined ? sql`model_group = ${modelGroup}` : sql`provider = ''`
  const { rows } = await sql<{ model: string }>`
    select distinct model from daily_totals where entity = 'all' and entity_id = '' and ${range} and ${wanted}
  `.execute(db)
  const names = rows.map(row => row.model)
  return model === undefined || names.includes(model) ? names : [model, ...names]
}

/** All calls of those keys on those days, by `<date> <token>`. */
async function callsIn(db: Kysely<Tables>, cells: readonly CellRow[]): Promise<Map<string, number>> {
  const tokens = [...new Set(cells.map(({ token }) => token))]
  const dates = [...new Set(cells.map(({ date }) => date))]
  const { rows } = await sql<{ date: string; token: string; calls: number }>`
    select date, token, cast(sum(requests) as bigint) as calls from daily_spend
    where entity = 'all' and entity_id = '' and token in (${sql.join(tokens)}) and date in (${sql.join(dates)}) group by date, token
  `.execute(db)
  const calls = new Map(rows.map(row => [`${row.date} ${row.token}`, row.calls]))
  if (!tokens.includes('')) return calls
  // Calls of no key have no index of their own: to find them, all of the day are looked at.
  const whole = await sql<{ date: string; calls: number }>`
    select date, cast(sum(requests) as bigint) as calls from daily_totals
    where entity = 'all' and entity_id = '' and date in (${sql.join(dates)}) group by date
  `.execute(db)
  for (const row of whole.rows) calls.set(`${row.date} `, row.calls)
  return calls
}

/** Days of a key that follow each other become one cell. */
function merged(rows: readonly CellRow[]): Cells['cells'] {
  const cells: { token: string | null; since: number; until: number }[] = []
  const last = new Map<string, { token: string | null; since: number; until: number }>()
  for (const { date, token } of rows) {
    const since = startOf(date)
    const open = last.get(token)
    if (open !== undefined && open.until === since) open.until = since + dayMs
    else if (open !== undefined && open.since === since + dayMs) open.since = since
    else {
      const cell = { token: token === '' ? null : token, since, until: since + dayMs }
      last.set(token, cell)
      cells.push(cell)
    }
  }
  return cells
}
