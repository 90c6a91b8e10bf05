import { type Kysely, SqliteAdapter, sql } from 'kysely'
import type { DailySums, Tables } from '../../../platform/store/tables.ts'
import { isEverybody, sourceOf } from './sum-source.ts'
import type { Dimension, SumsQuery } from './sums-query.ts'

/** Nano-dollars as a double: a total may be beyond what is exact, nine million dollars. */
export type Sums = Readonly<DailySums>

type Row<D extends Dimension> = Sums & Record<D, string>

export const sumColumns = [
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
  options: SumOptions = {},
): Promise<Row<D>[]> {
  if (query.selections.length === 0) return []
  const [only] = query.selections
  const left = only?.excludeIds ?? []
  if (only === undefined || query.selections.length > 1 || left.length === 0 || !isEverybody(only)) {
    return sums(db, query, dimensions, options)
  }
  // Where ids are told apart, those left out are filtered.
  if ((dimensions as readonly Dimension[]).includes('entity_id')) return sums(db, query, dimensions, options)
  const { entity, tokens } = only
  const [whole, without] = await Promise.all([
    sums(db, { ...query, selections: [{ entity, tokens }] }, dimensions, { ...options, limit: maxGroups }),
    sums(db, { ...query, selections: [{ entity, ids: left, tokens }] }, dimensions, { ...options, limit: maxGroups }),
  ])
  return subtracted(whole, without, dimensions).slice(0, options.limit ?? maxGroups)
}

async function sums<D extends Dimension>(
  db: Kysely<Tables>,
  query: SumsQuery,
  dimensions: readonly D[],
  { limit = maxGroups, only = sumColumns }: SumOptions,
): Promise<Row<D>[]> {
  const groups = dimensions.map(dimension => sql.ref(dimension))
  const columns = sumColumns.map(column =>
    only.includes(column)
      ? sql`cast(sum(${sql.ref(column)}) as double precision) as ${sql.ref(column)}`
      : sql`0 as ${sql.ref(column)}`,
  )
  const grouped = groups.length === 0 ? sql`` : sql` group by ${sql.join(groups)}`
  const { rows } = await sql<Row<D>>`
    select ${sql.join([...groups, ...columns])} from ${from(db, query, dimensions)}${grouped}
    having count(*) > 0 order by sum(cost) desc limit ${limit}
  `.execute(db)
  return rows
}

/** `<table> where <condition>`; several selections are of one table, or each of its own. */
export function from(db: Kysely<Tables>, query: SumsQuery, dimensions: readonly Dimension[]) {
  const shape = { ...query, dimensions }
  const sources = query.selections.map(selection => sourceOf(selection, shape))
  const [first] = sources
  const table = first !== undefined && sources.every(source => source.table === first.table) ? first.table : undefined
  if (table !== undefined) {
    const conditions = sources.map(({ condition }) => sql`(${condition})`)
    const index = sources.length === 1 && isSqlite(db) ? first?.index : undefined
    const by = index === undefined ? sql`` : sql` indexed by ${sql.ref(index)}`
    return sql`${sql.table(table)}${by} where ${sql.join(conditions, sql` or `)}`
  }
  const columns = sql.join([...dimensions, ...sumColumns].map(name => sql.ref(name)))
  const parts = sources.map(source => sql`select ${columns} from ${sql.table(source.table)} where ${source.condition}`)
  return sql`(${sql.join(parts, sql` union all `)}) as parts where 1 = 1`
}

const isSqlite = (db: Kysely<Tables>): boolean => db.getExecutor().adapter instanceof SqliteAdapter

function subtracted<D extends Dimension>(
  whole: readonly Row<D>[],
  without: readonly Row<D>[],
  dimensions: readonly D[],
): Row<D>[] {
  const place = (row: Row<D>): string => dimensions.map(dimension => row[dimension]).join('\0')
  const less = new Map(without.map(row => [place(row), row]))
  const rest: Row<D>[] = []
  for (const row of whole) {
    const part = less.get(place(row))
    if (part === undefined) rest.push(row)
    else {
      const sums = Object.fromEntries(sumColumns.map(column => [column, row[column] - part[column]]))
      // A group without a call in it is none; where calls were not summed, without anything that was.
      if (sumColumns.some(column => sums[column] !== 0)) rest.push({ ...row, ...sums })
    }
  }
  return rest.sort((a, b) => b.cost - a.cost)
}
