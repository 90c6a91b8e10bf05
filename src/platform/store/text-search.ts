import { type Expression, type SqlBool, sql } from 'kysely'

/**
 * Whether a column contains a text, letters A–Z in either case; `%` and `_` in it mean themselves. LIKE alone looks at
 * case on PostgreSQL and does not on SQLite. Reads every row that the other conditions leave.
 */
export function containsText(column: string, text: string): Expression<SqlBool> {
  const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`
  return sql<SqlBool>`lower(${sql.ref(column)}) like lower(${pattern}) escape '\\'`
}
