import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import { type Cells, cellsOf } from './log-cells.ts'
import {
  conditionsOf,
  failedCall,
  isAboutFailures,
  type LogFilter,
  type LogScope,
  scopeConditions,
} from './log-filter.ts'

/**
 * Calls looked at by one list, however few of them fit. All of a time lie together, 0.2 s; those of a key or a team lie
 * apart, and take that for half as many.
 */
export interface Reach {
  readonly together: number
  readonly apart: number
}
const ordinaryReach: Reach = { together: 200_000, apart: 100_000 }
/** Keys of one alias. */
const maxKeys = 10

/** How the calls that fit are found: each part reads along one index, in the order of time. */
export interface LogSearch {
  /** Conditions, any of which a call has to meet; none: there are no such calls. Several may meet the same call. */
  readonly parts: readonly LogPart[]
  /** Epoch ms at which the search stopped; calls beyond it were not looked at. Undefined: it went to the end. */
  readonly stoppedAt: number | undefined
}

export interface LogPart {
  /** `ledger`, or a list joined with it. */
  readonly from: RawBuilder<unknown>
  readonly where: RawBuilder<unknown>
}

/** An index to calls, in the order of time. */
interface Way {
  readonly condition: RawBuilder<unknown> | undefined
}

interface Ways {
  readonly ways: readonly Way[]
  /** How many of the conditions the ways themselves are: what they lead to needs no further look. */
  readonly conditions: 0 | 1
  /** The index finds few, in no order: all of them are looked at. */
  readonly few?: true
}

const ledger = sql.table('ledger')
const and = (conditions: readonly (RawBuilder<unknown> | undefined)[]): RawBuilder<unknown> => {
  const given = conditions.filter(condition => condition !== undefined)
  return given.length === 0 ? sql`1 = 1` : sql.join(given, sql` and `)
}

/**
 * Finds a way to the calls that reads no more than its reach. One filter leads the way along its index. Where
 * that way is too long and a tag or model is asked for, the daily sums say where to look. Where neither helps (few calls in
 * a long range cost that much, say), the search stops after so many calls and says so.
 * @param enough calls that are wanted
 */
export async function planSearch(
  db: Kysely<Tables>,
  filter: LogFilter,
  scope: LogScope | undefined,
  ascending: boolean,
  enough: number,
  reach: Reach = ordinaryReach,
): Promise<LogSearch> {
  const { wanted, leading } = await waysTo(db, filter, scope)
  const conditions = conditionsOf(wanted, scope)
  const searching = leading.few !== true && conditions.length > leading.conditions
  const stoppedAt = searching ? await boundOf(db, leading.ways, filter, ascending, reach) : undefined
  if (stoppedAt !== undefined) {
    const found = await cellsOf(db, wanted, { ascending, maxCalls: reach.apart, enough })
    if (found !== undefined) return { parts: partsIn(found, conditions, filter), stoppedAt: found.stoppedAt }
  }
  const range = [...rangeOf(filter), stoppedAt === undefined ? undefined : upTo(stoppedAt, ascending)]
  return {
    parts: leading.ways.map(({ condition }) => ({ from: ledger, where: and([condition, ...range, ...conditions]) })),
    stoppedAt,
  }
}

async function waysTo(
  db: Kysely<Tables>,
  filter: LogFilter,
  scope: LogScope | undefined,
): Promise<{ readonly wanted: LogFilter; readonly leading: Ways }> {
  const lead = (condition: RawBuilder<unknown> | undefined): { wanted: LogFilter; leading: Ways } => ({
    wanted: filter,
    leading: { ways: [{ condition }], conditions: condition === undefined ? 0 : 1 },
  })
  const { requestId, sessionId, token, endUser, userId, teamId, keyAlias } = filter
  if (requestId !== undefined || sessionId !== undefined) {
    return { wanted: filter, leading: { ways: [{ condition: undefined }], conditions: 0, few: true } }
  }
  if (token !== undefined) return lead(sql`token = ${token}`)
  if (endUser !== undefined) return lead(sql`end_user = ${endUser}`)
  const keys = keyAlias === undefined ? [] : await keysCalled(db, keyAlias)
  if (keys.length > 0) {
    const ways = keys.map(key => ({ condition: sql`token = ${key}` }))
    return { wanted: { ...filter, keyAlias: undefined }, leading: { ways, conditions: 0 } }
  }
  if (userId !== undefined) return lead(sql`user_id = ${userId}`)
  if (teamId !== undefined) return lead(sql`team_id = ${teamId}`)
  if (scope !== undefined) {
    const ways = scopeConditions(scope).map(condition => ({ condition }))
    return { wanted: filter, leading: { ways, conditions: 1 } }
  }
  return lead(isAboutFailures(filter) ? failedCall : undefined)
}

/** Those that have an alias now: it is of the key, whatever the key was called when it made a call. */
async function keysCalled(db: Kysely<Tables>, alias: string): Promise<readonly string[]> {
  const rows = await db.selectFrom('keys').select('token').where('key_alias', '=', alias).limit(maxKeys).execute()
  return rows.map(row => row.token)
}

/** When the call was made with which the ways together are as long as a search may be; undefined: they are shorter. */
async function boundOf(
  db: Kysely<Tables>,
  ways: readonly Way[],
  filter: LogFilter,
  ascending: boolean,
  { together, apart }: Reach,
): Promise<number | undefined> {
  const direction = ascending ? sql`asc` : sql`desc`
  const bounds = await Promise.all(
    ways.map(async ({ condition }) => {
      const share = condition === undefined ? together : Math.floor(apart / ways.length)
      const { rows } = await sql<{ started_at: number }>`
        select started_at from ledger where ${and([condition, ...rangeOf(filter)])}
        order by started_at ${direction} limit 1 offset ${share}
      `.execute(db)
      return rows[0]?.started_at
    }),
  )
  const found = bounds.filter(bound => bound !== undefined)
  if (found.length === 0) return undefined
  return ascending ? Math.min(...found) : Math.max(...found)
}

const upTo = (bound: number, ascending: boolean): RawBuilder<unknown> =>
  ascending ? sql`started_at <= ${bound}` : sql`started_at >= ${bound}`

function rangeOf({ from, to }: LogFilter): RawBuilder<unknown>[] {
  return [
    ...(from === undefined ? [] : [sql`started_at >= ${from}`]),
    ...(to === undefined ? [] : [sql`started_at <= ${to}`]),
  ]
}

/** The cells as a list that the ledger is looked up by, one after the other. */
function partsIn({ cells }: Cells, conditions: readonly RawBuilder<unknown>[], filter: LogFilter): LogPart[] {
  const parts: LogPart[] = []
  const part = (ofKeys: boolean): void => {
    const some = cells.filter(({ token }) => (token !== null) === ofKeys)
    if (some.length === 0) return
    const rows = some.map(
      ({ token, since, until }) => sql`(cast(${token} as text), cast(${since} as bigint), cast(${until} as bigint))`,
    )
    const since = Math.min(...some.map(cell => cell.since))
    const until = Math.max(...some.map(cell => cell.until))
    parts.push({
      from: sql`(values ${sql.join(rows)}) as cell cross join ledger`,
      where: and([
        ofKeys ? sql`token = cell.column1` : sql`token is null`,
        sql`started_at >= cell.column2 and started_at < cell.column3`,
        // For PostgreSQL, which then leaves out whole months.
        sql`started_at >= ${since} and started_at < ${until}`,
        ...rangeOf(filter),
        ...conditions,
      ]),
    })
  }
  part(true)
  part(false)

  return parts
}
