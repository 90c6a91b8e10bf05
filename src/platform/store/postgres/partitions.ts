import { type Kysely, sql } from 'kysely'
import type { Tables } from '../tables.ts'

/** Partitioned by month of `started_at`, UTC. */
export const partitioned = ['ledger', 'ledger_bodies'] as const
export type Partitioned = (typeof partitioned)[number]

/** Months that exist before their first row comes: this one, and those ahead. */
const ahead = 2

/** "rqparts" in ASCII, as the number of an advisory lock. */
const lockNumber = '32212874830181491'

export interface Partition {
  readonly name: string
  /** Epoch milliseconds, this one included. */
  readonly from: number
  /** Epoch milliseconds, this one not. */
  readonly until: number
}

/** Makes the partitions of this month and the next two, those that are missing. Safe from several processes at once. */
export async function createPartitions(db: Kysely<Tables>, now: number): Promise<void> {
  const wanted = Array.from({ length: ahead + 1 }, (_, months) => months)
  for (const table of partitioned) {
    const existing = new Set((await partitionsOf(db, table)).map(({ name }) => name))
    const missing = wanted.map(months => partitionOf(table, now, months)).filter(({ name }) => !existing.has(name))
    if (missing.length > 0) await createMissing(db, table, missing)
  }
}

async function createMissing(db: Kysely<Tables>, table: Partitioned, missing: readonly Partition[]): Promise<void> {
  await db.transaction().execute(async trx => {
    await sql`select pg_advisory_xact_lock(${sql.raw(lockNumber)})`.execute(trx)
    const existing = new Set((await partitionsOf(trx, table)).map(({ name }) => name))
    for (const partition of missing) if (!existing.has(partition.name)) await create(trx, table, partition)
  })
}

/**
 * Made beside the table and then attached: `create table … partition of` would stop all reading and writing of the table.
 * Rows that came before their partition are moved out of the default one, which is locked for that moment.
 */
async function create(trx: Kysely<Tables>, table: Partitioned, { name, from, until }: Partition): Promise<void> {
  const partition = sql.table(name)
  const rest = sql.table(`${table}_default`)
  await sql`create table ${partition} (like ${sql.table(table)} including all)`.execute(trx)
  await sql`lock table ${rest} in access exclusive mode`.execute(trx)
  await sql`
    with moved as (delete from ${rest} where started_at >= ${from} and started_at < ${until} returning *)
    insert into ${partition} select * from moved`.execute(trx)
  await sql`
    alter table ${sql.table(table)} attach partition ${partition}
    for values from (${sql.lit(from)}) to (${sql.lit(until)})`.execute(trx)
}

/** Of months, oldest first; the default partition is none of them. */
export async function partitionsOf(db: Kysely<Tables>, table: Partitioned): Promise<readonly Partition[]> {
  const { rows } = await sql<{ name: string }>`
    select child.relname as name from pg_inherits
    join pg_class child on child.oid = inhrelid
    where inhparent = ${table}::regclass
    order by child.relname`.execute(db)
  return rows.flatMap(({ name }) => {
    const [, year, month] = /_(\d{4})_(\d{2})$/.exec(name) ?? []
    return year === undefined ? [] : [bounds(name, Number(year), Number(month) - 1)]
  })
}

function partitionOf(table: Partitioned, now: number, months: number): Partition {
  const today = new Date(now)
  const first = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + months))
  const year = first.getUTCFullYear()
  const month = first.getUTCMonth()
  return bounds(`${table}_${year}_${String(month + 1).padStart(2, '0')}`, year, month)
}

function bounds(name: string, year: number, month: number): Partition {
  return { name, from: Date.UTC(year, month), until: Date.UTC(year, month + 1) }
}
