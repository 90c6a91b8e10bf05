import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'

type Row = Readonly<Record<string, string | number | null>>

/** The database behind a gateway, read from outside. */
export interface Books {
  query(sql: string): Promise<Row[]>
  close(): Promise<void>
}

export function sqliteBooks(path: string): Books {
  const database = new DatabaseSync(path)
  database.exec('pragma busy_timeout = 20000')
  return {
    query: async sql => database.prepare(sql).all() as Row[],
    close: async () => database.close(),
  }
}

export function postgresBooks(url: string): Books {
  const pool = new pg.Pool({ connectionString: url, max: 2, options: '-c search_path=routeiq' })
  pool.on('error', () => undefined)
  return {
    // Sums and counts are text there, being larger than a number may be.
    query: async sql => (await pool.query(sql)).rows.map(row => mapValues(row)),
    close: () => pool.end(),
  }
}

const mapValues = (row: Record<string, string | number | null>): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isWhole(value) ? Number(value) : value]))
const isWhole = (value: unknown): boolean => typeof value === 'string' && /^-?\d+$/.test(value)

/** The first column of the first row. */
export async function one(books: Books, sql: string): Promise<number> {
  const [row] = await books.query(sql)
  return Number(Object.values(row ?? {})[0] ?? 0)
}
