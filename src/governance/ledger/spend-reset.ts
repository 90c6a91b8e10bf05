import { sql, type Transaction } from 'kysely'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { type SpendTable, spendTables } from './shipping/spend-sums.ts'

/** Where a row's calls are in the ledger. Tags are a list there, and found by their daily sums alone. */
const ledgerColumns: Readonly<Record<Exclude<SpendTable, 'tags'>, readonly string[]>> = {
  keys: ['token'],
  teams: ['team_id'],
  team_members: ['team_id', 'user_id'],
  users: ['user_id'],
  organizations: ['organization_id'],
  organization_members: ['organization_id', 'user_id'],
  projects: ['project_id'],
  end_users: ['end_user'],
}

export interface SpendReset {
  readonly table: SpendTable
  /** Values of its key columns, in the order of `spendTables`. */
  readonly key: readonly string[]
  /** Epoch ms: calls that started then or later count, others no longer do, however late they arrive. */
  readonly since: number
  /** Nano-dollars the new period starts with. Default 0. */
  readonly base?: number | undefined
}

/** What a new or imported row starts with, for an insert. */
export function startingSpend(base: number, since: number): { spend: number; spend_base: number; spend_since: number } {
  return { spend: base, spend_base: base, spend_since: since }
}

/**
 * Starts a new period of a row's `spend`: the end of a budget window, `/key/reset_spend`, a `spend` set by hand.
 *
 * The rule: **`spend` = `spend_base` + the cost of every call in the ledger that started at `spend_since` or later.**
 * A call belongs to the period in which it started; one that is settled or shipped after the reset is not added to the
 * new period, and one that started after a window's end but was shipped before the reset ran is not lost by it.
 *
 * The row is locked first and the ledger summed after: a batch that holds the row's lock has committed by then and is in
 * the sum; one that has not come to the row yet will find the new `spend_since`.
 * @returns the new spend, undefined when there is no such row
 */
export async function resetSpend(
  trx: Transaction<Tables>,
  store: Pick<Store, 'dialect'>,
  { table, key, since, base = 0 }: SpendReset,
): Promise<number | undefined> {
  const columns = spendTables.find(entry => entry.table === table)?.key ?? []
  const matches = (names: readonly string[]) =>
    sql.join(
      names.map((name, index) => sql`${sql.ref(name)} = ${key[index] ?? ''}`),
      sql` and `,
    )
  const target = sql.table(table)
  const lock = store.dialect === 'postgres' ? sql` for update` : sql``
  const present = await sql<{ n: number }>`select 1 as n from ${target} where ${matches(columns)}${lock}`.execute(trx)
  if (present.rows.length === 0) return undefined
  const summed =
    table === 'tags'
      ? await sql<{ cost: number }>`
          select cast(coalesce(sum(cost), 0) as bigint) as cost from ledger
          where started_at >= ${since} and tags like ${tagPattern(key[0] ?? '')} escape '\\'`.execute(trx)
      : await sql<{ cost: number }>`
          select cast(coalesce(sum(cost), 0) as bigint) as cost from ledger
          where ${matches(ledgerColumns[table])} and started_at >= ${since}`.execute(trx)
  const spend = base + (summed.rows[0]?.cost ?? 0)
  await sql`update ${target} set spend = ${spend}, spend_base = ${base}, spend_since = ${since} where ${matches(columns)}`.execute(
    trx,
  )
  return spend
}

/** The tag as it stands in a JSON list. */
const tagPattern = (tag: string): string => `%${JSON.stringify(tag).replace(/[\\%_]/g, '\\$&')}%`
