import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { Tables } from './tables.ts'

export interface Page<Row> {
  readonly rows: Row[]
  /** Rows on all pages. */
  readonly total: number
  /** 0 when there are no rows. */
  readonly pages: number
}

/**
 * One page of a list that people leaf through, with its total. The query has filters and an order that ends in a unique
 * column, no grouping and no limit. Rows that come and go between two pages may be skipped or seen twice.
 * @param page from 1
 * @param size rows per page
 */
export async function offsetPage<TB extends keyof Tables, Row>(
  query: SelectQueryBuilder<Tables, TB, Row>,
  page: number,
  size: number,
): Promise<Page<Row>> {
  const counted = query.clearSelect().clearOrderBy().select(sql<number>`count(*)`.as('total'))
  const [rows, totals] = await Promise.all([
    query
      .limit(size)
      .offset((page - 1) * size)
      .execute(),
    counted.execute() as Promise<{ total: number }[]>,
  ])
  const total = totals[0]?.total ?? 0
  return { rows, total, pages: Math.ceil(total / size) }
}

/**
 * Condition for the rows that come after one, in the order of the columns: any number of rows can be read page by page,
 * each as fast as the first. The columns are never null, the last one or all of them together are unique, and the query
 * is ordered by all of them in the same direction.
 *
 * ```ts
 * query.where(keysetAfter(['created_at', 'token'], [last.created_at, last.token], 'desc'))
 *   .orderBy('created_at', 'desc').orderBy('token', 'desc').limit(100)
 * ```
 */
export function keysetAfter(
  columns: readonly string[],
  last: readonly (string | number)[],
  direction: 'asc' | 'desc' = 'asc',
): Expression<SqlBool> {
  const names = sql.join(columns.map(column => sql.ref(column)))
  const comparison = direction === 'asc' ? sql`>` : sql`<`
  return sql<SqlBool>`(${names}) ${comparison} (${sql.join(last)})`
}
