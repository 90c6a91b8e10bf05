import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { DailySpendRow, Tables } from '../../../platform/store/tables.ts'
import { isEverybody } from './sum-source.ts'
import { from } from './sums.ts'
import type { Dimension, SumsQuery } from './sums-query.ts'

/** Rows that are counted and leafed through; a report that adds up more has an answer in one piece. */
export const maxLeafed = 100_000

export interface DailyRowsPage {
  readonly rows: DailySpendRow[]
  /** At most `maxLeafed`. */
  readonly total: number
  /** There are more than were counted. */
  readonly capped: boolean
}

const rowColumns: readonly Dimension[] = ['date', 'entity_id', 'token', 'model', 'model_group', 'provider', 'route']

/** Rows as they are stored, newest day first, a page at a time. */
export async function dailyRows(
  db: Kysely<Tables>,
  query: SumsQuery,
  page: number,
  pageSize: number,
): Promise<DailyRowsPage> {
  if (query.selections.length === 0) return { rows: [], total: 0, capped: false }
  const source = rowSource(db, query)
  const offset = (page - 1) * pageSize
  const [counted, found] = await Promise.all([
    sql<{ total: number }>`
      select count(*) as total from (select 1 from ${source} limit ${maxLeafed + 1}) as counted
    `.execute(db),
    offset >= maxLeafed
      ? { rows: [] }
      : sql<DailySpendRow>`
          select d.* from ${source} order by ${sql.join(order(query))} limit ${pageSize} offset ${offset}
        `.execute(db),
  ])
  const total = counted.rows[0]?.total ?? 0
  return { rows: found.rows, total: Math.min(total, maxLeafed), capped: total > maxLeafed }
}

/**
 * The rows by key, as `d`. Those of everybody are reached through the totals by day (`t`), in their order: a page reads
 * its own rows and those before it, not the range.
 */
function rowSource(db: Kysely<Tables>, query: SumsQuery): RawBuilder<unknown> {
  const entity = walked(query)
  if (entity === undefined) {
    return sql`(select * from ${from(db, query, rowColumns)}) as d`
  }
  const left = query.selections[0]?.excludeIds ?? []
  const others = left.length === 0 ? sql`` : sql` and t.entity_id not in (${sql.join(left)})`
  return sql`daily_totals as t join daily_spend as d
    on d.entity = ${entity} and d.entity_id = t.entity_id and d.date = t.date
    where t.entity = ${entity} and t.date >= ${query.from} and t.date <= ${query.to}${others}`
}

function order(query: SumsQuery): RawBuilder<unknown>[] {
  const first = walked(query) === undefined ? 'd' : 't'
  return rowColumns.map((column, index) => sql`${sql.ref(`${index < 2 ? first : 'd'}.${column}`)} desc`)
}

/** The entity whose every row is asked for; undefined: there is an index to what is asked for. */
function walked({ selections, model }: SumsQuery): string | undefined {
  const [only] = selections
  if (only === undefined || selections.length > 1 || model !== undefined) return undefined
  return only.entity !== 'all' && isEverybody(only) && only.tokens === undefined ? only.entity : undefined
}
