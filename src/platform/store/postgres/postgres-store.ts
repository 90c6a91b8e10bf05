import { Kysely, PostgresDialect } from 'kysely'
import type { Client, PoolConfig } from 'pg'
import { Availability } from '../availability.ts'
import { type Store, StoreUnavailable } from '../store.ts'
import type { PostgresOptions } from '../store-options.ts'
import type { Tables } from '../tables.ts'
import { type DatabaseUrl, readDatabaseUrl } from './database-url.ts'
import { GuardedPool } from './guarded-pool.ts'
import { unreachable } from './postgres-error.ts'
import { prepareDatabase } from './prepare-database.ts'
import { typeParsers } from './type-parsers.ts'

/** Milliseconds an idle connection is kept. */
const idleTimeoutMillis = 30_000

/** Milliseconds in which a server that is asked whether it is there has to connect, and again to answer. */
const probeTimeout = 2500

/** @throws StoreUnavailable, GatewayError: see `openStore` */
export async function openPostgres(options: PostgresOptions): Promise<Store> {
  const url = readDatabaseUrl(options.url.reveal())
  const { default: pg } = await import('pg')
  const config = poolConfig(options, url)
  let reached: Pick<PoolConfig, 'ssl'> | undefined

  /** The first contact prepares the tables; later ones only see whether the server answers. */
  const contact = async (): Promise<void> => {
    if (reached === undefined) {
      reached = await prepareDatabase(pg, config, url)
      guarded.use(new pg.Pool({ ...config, ...reached, types: typeParsers(pg.types) }))
    } else {
      const patience = Math.min(config.connectionTimeoutMillis ?? probeTimeout, probeTimeout)
      await ping(new pg.Client({ ...config, ...reached, connectionTimeoutMillis: patience, query_timeout: patience }))
      if (!availability.available) guarded.renew()
    }
  }
  const availability = new Availability(contact, options.onAvailability, reason => guarded.interrupt(reason))
  const guarded = new GuardedPool(availability)
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: guarded }) })

  try {
    await contact()
  } catch (error) {
    if (options.unreachableAtStart !== 'carry_on' || !(error instanceof StoreUnavailable)) throw error
    availability.lost(error)
  }
  return {
    dialect: 'postgres',
    db,
    description: url.description,
    get available() {
      return availability.available
    },
    async close() {
      if (availability.stop()) await guarded.end()
    },
  }
}

/** On a connection of its own: those of the pool may be busy, or dead without knowing it. */
async function ping(client: Client): Promise<void> {
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
  } catch (error) {
    throw unreachable(error)
  } finally {
    client.end().catch(() => undefined)
  }
}

function poolConfig(options: PostgresOptions, url: DatabaseUrl): PoolConfig {
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000
  const config: PoolConfig = {
    connectionString: url.connectionString,
    ssl: url.tls ?? false,
    max: options.poolSize ?? url.poolSize ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? url.connectTimeoutMs ?? 5000,
    query_timeout: options.socketTimeoutMs ?? statementTimeoutMs + 5000,
    idleTimeoutMillis,
    // Idle connections do not keep a process alive that has nothing else to do.
    allowExitOnIdle: true,
    keepAlive: true,
    application_name: 'routeiq',
  }
  if (url.behindPooler) return url.options === '' ? config : { ...config, options: url.options }
  return {
    ...config,
    statement_timeout: statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs ?? 10_000,
    idle_in_transaction_session_timeout: options.idleTransactionTimeoutMs ?? 30_000,
    options: `-c search_path="${url.schema}" -c jit=off ${url.options}`.trim(),
  }
}
