import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { LedgerBodyRow } from '../../../platform/store/tables.ts'
import { dailyKeyColumns, dailySumColumns, errorKeyColumns } from './daily-sums.ts'
import { totalKeyColumns } from './daily-totals.ts'
import { ledgerColumns } from './ledger-row.ts'
import { type SpendTable, spendTables } from './spend-sums.ts'

export const bodyColumns = [
  'id',
  'started_at',
  'request',
  'response',
  'expires_at',
] as const satisfies readonly (keyof LedgerBodyRow)[]

/** What a batch writes, prepared once per connection. The same statements as in `statements.ts`, one row at a time. */
export interface SqliteStatements {
  readonly begin: StatementSync
  readonly commit: StatementSync
  readonly rollback: StatementSync
  readonly cursor: StatementSync
  readonly firstCursor: StatementSync
  readonly moveCursor: StatementSync
  readonly forgetCursor: StatementSync
  readonly record: StatementSync
  readonly body: StatementSync
  readonly daily: StatementSync
  readonly total: StatementSync
  readonly error: StatementSync
  readonly endUser: StatementSync
  readonly spend: ReadonlyMap<SpendTable, { readonly since: StatementSync; readonly add: StatementSync }>
}

export function prepareStatements(db: DatabaseSync): SqliteStatements {
  const insert = (table: string, columns: readonly string[], rest: string): StatementSync =>
    db.prepare(`insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')}) ${rest}`)
  const added = (columns: readonly string[]): string =>
    columns.map(column => `${column} = ${column} + excluded.${column}`).join(', ')
  const matches = (key: readonly string[]): string => key.map(column => `${column} = ?`).join(' and ')
  const spend = spendTables.map(({ table, key }) => {
    // Only keys have the column.
    const active = table === 'keys' ? ', last_active_at = max(coalesce(last_active_at, 0), ?)' : ''
    const since = db.prepare(`select spend_since as since from ${table} where ${matches(key)}`)
    const add = db.prepare(`update ${table} set spend = spend + ?${active} where ${matches(key)}`)
    return [table, { since, add }] as const
  })
  return {
    begin: db.prepare('begin immediate'),
    commit: db.prepare('commit'),
    rollback: db.prepare('rollback'),
    cursor: db.prepare('select seq from sink_cursors where sink = ?'),
    firstCursor: insert('sink_cursors', ['sink', 'seq', 'updated_at'], 'on conflict (sink) do nothing'),
    moveCursor: db.prepare('update sink_cursors set seq = ?, updated_at = ? where sink = ? and seq = ?'),
    forgetCursor: db.prepare('delete from sink_cursors where sink = ?'),
    record: insert('ledger', ledgerColumns, 'on conflict (id, started_at) do nothing'),
    body: insert('ledger_bodies', bodyColumns, 'on conflict (id, started_at) do nothing'),
    daily: insert(
      'daily_spend',
      [...dailyKeyColumns, ...dailySumColumns],
      `on conflict (${dailyKeyColumns.join(', ')}) do update set ${added(dailySumColumns)}`,
    ),
    total: insert(
      'daily_totals',
      [...totalKeyColumns, ...dailySumColumns],
      `on conflict (${totalKeyColumns.join(', ')}) do update set ${added(dailySumColumns)}`,
    ),
    error: insert(
      'daily_errors',
      [...errorKeyColumns, 'requests'],
      `on conflict (${errorKeyColumns.join(', ')}) do update set ${added(['requests'])}`,
    ),
    endUser: insert(
      'end_users',
      ['user_id', 'spend', 'blocked', 'settings', 'created_at', 'updated_at'],
      'on conflict (user_id) do nothing',
    ),
    spend: new Map(spend),
  }
}
