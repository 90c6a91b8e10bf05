import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { GatewayError } from '../../errors/gateway-error.ts'
import type { Store } from '../store.ts'
import type { Tables } from '../tables.ts'
import { migrations as known } from './list.ts'
import { underMigrationLock } from './lock.ts'
import type { Migration, SchemaTarget } from './migration.ts'

interface AppliedRow {
  id: number
  name: string
  /** SHA-256 of the statements, hex. */
  checksum: string
  applied_at: number
}

interface WithHistory extends Tables {
  routeiq_migrations: AppliedRow
}

/** Milliseconds that a process waits for another one that migrates. */
const patience = 120_000

/**
 * Brings the tables to this program's version. Any number of processes may do so at once: one migrates, the others wait
 * and find it done. A database that is current already is only read.
 * @throws GatewayError `config_invalid` when the tables are of a newer program, or not of this one
 */
export async function migrate(
  db: Kysely<Tables>,
  dialect: Store['dialect'],
  migrations: readonly Migration[] = known,
): Promise<void> {
  const withHistory = db.$extendTables<Pick<WithHistory, 'routeiq_migrations'>>()
  const steps = migrations.map(step => ({ ...step, ...prepared(step, { dialect, schema: db.schema }) }))
  if (await hasHistory(withHistory, dialect)) {
    if (pendingAfter(await history(withHistory), steps).length === 0) return
  }
  const deadline = performance.now() + patience
  while (!(await underMigrationLock(withHistory, dialect, trx => apply(trx, steps)))) {
    if (performance.now() > deadline) {
      throw new GatewayError(
        'config_invalid',
        `another process has been migrating the database for ${patience / 1000} s`,
      )
    }
    await pause(100)
  }
}

interface Step extends Migration {
  readonly texts: readonly string[]
  readonly checksum: string
}

function prepared(step: Migration, target: SchemaTarget): Pick<Step, 'texts' | 'checksum'> {
  const texts = step.statements(target)
  return { texts, checksum: createHash('sha256').update(texts.join(';\n')).digest('hex') }
}

async function apply(trx: Kysely<WithHistory>, steps: readonly Step[]): Promise<void> {
  await trx.schema
    .createTable('routeiq_migrations')
    .ifNotExists()
    .addColumn('id', 'integer', column => column.primaryKey())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('checksum', 'text', column => column.notNull())
    .addColumn('applied_at', 'bigint', column => column.notNull())
    .execute()
  for (const step of pendingAfter(await history(trx), steps)) {
    for (const text of step.texts) await sql.raw(text).execute(trx)
    const { id, name, checksum } = step
    await trx.insertInto('routeiq_migrations').values({ id, name, checksum, applied_at: Date.now() }).execute()
  }
}

function history(db: Kysely<WithHistory>): Promise<AppliedRow[]> {
  return db.selectFrom('routeiq_migrations').selectAll().orderBy('id').execute()
}

async function hasHistory(db: Kysely<WithHistory>, dialect: Store['dialect']): Promise<boolean> {
  const found =
    dialect === 'sqlite'
      ? sql`select name from sqlite_master where type = 'table' and name = 'routeiq_migrations'`
      : sql`select 1 from pg_tables where schemaname = current_schema() and tablename = 'routeiq_migrations'`
  return (await found.execute(db)).rows.length > 0
}

/** Judges what was applied, and names what is left to do. */
function pendingAfter(applied: readonly AppliedRow[], steps: readonly Step[]): readonly Step[] {
  const newest = applied.at(-1)
  const latest = steps.at(-1)?.id ?? 0
  if (newest !== undefined && newest.id > latest) {
    throw new GatewayError(
      'config_invalid',
      `the database has schema version ${newest.id} ("${newest.name}") and this program knows up to ${latest}: ` +
        'start the newer version of RouteIQ Gateway that made it, or point this one at another database',
    )
  }
  for (const row of applied) {
    const step = steps.find(({ id }) => id === row.id)
    if (step?.checksum === row.checksum) continue
    throw new GatewayError(
      'config_invalid',
      `step ${row.id} ("${row.name}") of the database's schema is not the one this program makes: ` +
        'it was made by an unreleased or changed version; point the gateway at a new database',
    )
  }
  return steps.filter(({ id }) => !applied.some(row => row.id === id))
}
