import { Kysely, PostgresDialect, sql } from 'kysely'
import type { Pool, PoolConfig } from 'pg'
import { GatewayError } from '../../errors/gateway-error.ts'
import { migrate } from '../migrations/migrate.ts'
import type { Tables } from '../tables.ts'
import type { DatabaseUrl } from './database-url.ts'
import { createPartitions } from './partitions.ts'
import { fromStatement } from './postgres-error.ts'

/** Milliseconds that one statement of a migration may take: an index over a large ledger. */
const patience = 600_000

/** What `pg` says when the server answers the request for TLS with no. */
const noTls = 'The server does not support SSL connections'

/**
 * First contact: finds out whether the server speaks TLS, makes the schema, and brings the tables to this program's
 * version, on a connection of its own without the timeouts of ordinary statements.
 * @returns what was found out, for the pool
 * @throws StoreUnavailable, GatewayError
 */
export async function prepareDatabase(
  pg: { readonly Pool: new (config: PoolConfig) => Pool },
  config: PoolConfig,
  url: DatabaseUrl,
): Promise<Pick<PoolConfig, 'ssl'>> {
  const own = { ...config, max: 1, statement_timeout: undefined, lock_timeout: undefined, query_timeout: patience }
  try {
    await prepare(new pg.Pool(own), url)
    return { ssl: config.ssl }
  } catch (error) {
    if (url.sslMode !== 'prefer' || !(error instanceof Error && error.message === noTls)) throw meaningOf(error, url)
  }
  try {
    await prepare(new pg.Pool({ ...own, ssl: false }), url)
    return { ssl: false }
  } catch (error) {
    throw meaningOf(error, url)
  }
}

async function prepare(pool: Pool, url: DatabaseUrl): Promise<void> {
  // A connection that breaks tells its statement; unheard its event would end the process.
  pool.on('error', () => undefined)
  pool.on('connect', client => client.on('error', () => undefined))
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  try {
    if (!url.behindPooler) await createSchema(db, url.schema)
    await migrate(db, 'postgres')
    await createPartitions(db, Date.now())
  } finally {
    await pool.end()
  }
}

/** `create schema if not exists` asks for the right to create even when there is nothing to do. */
async function createSchema(db: Kysely<Tables>, name: string): Promise<void> {
  const found = await sql`select 1 from pg_namespace where nspname = ${name}`.execute(db)
  if (found.rows.length > 0) return
  try {
    await db.schema.createSchema(name).ifNotExists().execute()
  } catch (error) {
    // Somebody else made it between the two statements.
    const again = await sql`select 1 from pg_namespace where nspname = ${name}`.execute(db)
    if (again.rows.length === 0) throw error
  }
}

/** insufficient_privilege */
const denied = '42501'

function meaningOf(error: unknown, url: DatabaseUrl): unknown {
  if (error instanceof GatewayError) return error
  if (!(error instanceof Error) || (error as { code?: string }).code !== denied) return fromStatement(error)
  return new GatewayError(
    'config_invalid',
    `the database's user may not make the tables (${error.message}): let an administrator run ` +
      `\`create schema ${url.schema} authorization <user>\`, or name a schema of the user's own with ?schema=`,
    { cause: error },
  )
}
