import { type Kysely, sql, type Transaction } from 'kysely'
import type {
  DailyErrorRow,
  DailySpendRow,
  DailyTotalRow,
  LedgerBodyRow,
  LedgerRow,
  Tables,
} from '../../../platform/store/tables.ts'
import { dailyKeyColumns, dailySumColumns, errorKeyColumns } from './daily-sums.ts'
import { totalKeyColumns } from './daily-totals.ts'
import { ledgerColumns } from './ledger-row.ts'
import { RowStatement } from './row-statement.ts'
import type { SpendTable } from './spend-sums.ts'

/** The rows that were not there before. */
export const insertLedger = new RowStatement<LedgerRow>(ledgerColumns, (db, rows) =>
  db
    .insertInto('ledger')
    .values(rows)
    .onConflict(conflict => conflict.columns(['id', 'started_at']).doNothing())
    .returning('id')
    .compile(),
)

export const insertBodies = new RowStatement<LedgerBodyRow>(
  ['id', 'started_at', 'request', 'response', 'expires_at'],
  (db, rows) =>
    db
      .insertInto('ledger_bodies')
      .values(rows)
      .onConflict(conflict => conflict.columns(['id', 'started_at']).doNothing())
      .compile(),
)

export const addDailySpend = new RowStatement<DailySpendRow>([...dailyKeyColumns, ...dailySumColumns], (db, rows) =>
  db
    .insertInto('daily_spend')
    .values(rows)
    .onConflict(conflict =>
      conflict
        .columns([...dailyKeyColumns])
        .doUpdateSet(eb =>
          Object.fromEntries(
            dailySumColumns.map(column => [column, eb(`daily_spend.${column}`, '+', eb.ref(`excluded.${column}`))]),
          ),
        ),
    )
    .compile(),
)

export const addDailyTotals = new RowStatement<DailyTotalRow>([...totalKeyColumns, ...dailySumColumns], (db, rows) =>
  db
    .insertInto('daily_totals')
    .values(rows)
    .onConflict(conflict =>
      conflict
        .columns([...totalKeyColumns])
        .doUpdateSet(eb =>
          Object.fromEntries(
            dailySumColumns.map(column => [column, eb(`daily_totals.${column}`, '+', eb.ref(`excluded.${column}`))]),
          ),
        ),
    )
    .compile(),
)

export const addDailyErrors = new RowStatement<DailyErrorRow>([...errorKeyColumns, 'requests'], (db, rows) =>
  db
    .insertInto('daily_errors')
    .values(rows)
    .onConflict(conflict =>
      conflict
        .columns([...errorKeyColumns])
        .doUpdateSet(eb => ({ requests: eb('daily_errors.requests', '+', eb.ref('excluded.requests')) })),
    )
    .compile(),
)

export interface SpendIncrement {
  readonly first: string
  /** Second part of the key; empty for keys of one column. */
  readonly second: string
  readonly cost: number
  readonly lastActive: number
}

/**
 * `update … from (values …)`: one statement for many rows. Columns of a bare VALUES list are called column1, column2, …
 * in both databases; PostgreSQL takes parameters in it for text unless told.
 */
export function incrementStatement(table: SpendTable, key: readonly string[]): RowStatement<SpendIncrement> {
  return new RowStatement<SpendIncrement>(['first', 'second', 'cost', 'lastActive'], (db, rows) => {
    const values = sql.join(
      rows.map(
        row => sql`(${row.first}, ${row.second}, cast(${row.cost} as bigint), cast(${row.lastActive} as bigint))`,
      ),
    )
    const [first = '', second] = key
    const target = sql.table(table)
    const matches =
      second === undefined
        ? sql`${target}.${sql.ref(first)} = added.column1`
        : sql`${target}.${sql.ref(first)} = added.column1 and ${target}.${sql.ref(second)} = added.column2`
    // Only keys have the column.
    const active =
      table === 'keys'
        ? sql`, last_active_at = case when last_active_at > added.column4 then last_active_at else added.column4 end`
        : sql``
    return sql`update ${target} set spend = spend + added.column3${active} from (values ${values}) as added where ${matches}`.compile(
      db,
    )
  })
}

export interface SpendPeriodOfRow {
  readonly first: string
  readonly second: string
  readonly since: number
}

/** Start of the period of each row that exists, the rows locked in the order of their keys where several may write. */
export async function lockSpendPeriods(
  trx: Transaction<Tables>,
  dialect: 'sqlite' | 'postgres',
  table: SpendTable,
  key: readonly string[],
  ids: readonly (readonly string[])[],
): Promise<SpendPeriodOfRow[]> {
  const [first = '', second] = key
  const found: SpendPeriodOfRow[] = []
  const size = 128
  const lock = dialect === 'postgres' ? sql` for update` : sql``
  for (let at = 0; at < ids.length; at += size) {
    const some = ids.slice(at, at + size)
    // Padded to few lengths, so that few texts are compiled and prepared.
    const padded = [...some, ...Array.from({ length: paddedLength(some.length) - some.length }, () => some[0] ?? [])]
    const wanted =
      second === undefined
        ? sql`${sql.ref(first)} in (${sql.join(padded.map(id => sql`${id[0]}`))})`
        : sql`(${sql.ref(first)}, ${sql.ref(second)}) in (values ${sql.join(padded.map(id => sql`(${id[0]}, ${id[1]})`))})`
    const { rows } = await sql<SpendPeriodOfRow>`
      select ${sql.ref(first)} as first, ${second === undefined ? sql`''` : sql.ref(second)} as second,
        spend_since as since
      from ${sql.table(table)} where ${wanted} order by ${sql.ref(first)}${second === undefined ? sql`` : sql`, ${sql.ref(second)}`}${lock}
    `.execute(trx)
    found.push(...rows)
  }
  return found
}

function paddedLength(length: number): number {
  let padded = 1
  while (padded < length) padded *= 4
  return Math.min(padded, 128)
}

/** End users come into being with the first call that costs something. */
export async function createEndUsers(db: Kysely<Tables>, ids: readonly string[], now: number): Promise<void> {
  if (ids.length === 0) return
  await db
    .insertInto('end_users')
    .values(
      ids.map(user_id => ({
        user_id,
        alias: null,
        budget_id: null,
        spend: 0,
        budget_reset_at: null,
        blocked: 0,
        settings: '{}',
        created_at: now,
        created_by: null,
        updated_at: now,
        updated_by: null,
      })),
    )
    .onConflict(conflict => conflict.column('user_id').doNothing())
    .execute()
}
