import type { Store } from './store.ts'
import type { StoreOptions } from './store-options.ts'

export type { MemoryOptions, PostgresOptions, SqliteOptions, StoreOptions } from './store-options.ts'

/**
 * Opens the store and brings its tables to this program's version. The code of a database is loaded only when it is used.
 * @throws StoreUnavailable when the database cannot be reached
 * @throws GatewayError `config_invalid` when it cannot be used: bad path or URL, tables of a newer program
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  if (options.kind === 'postgres') {
    const { openPostgres } = await import('./postgres/postgres-store.ts')
    return openPostgres(options)
  }
  const { openSqlite } = await import('./sqlite/sqlite-store.ts')
  return openSqlite(options)
}
