import { type Kysely, sql } from 'kysely'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { parseDuration } from '../limits/durations.ts'
import { spentSince } from '../limits/ledger-sums.ts'
import type { LimitRule, Scope } from '../limits/limit-rule.ts'
import { counterOf, rulesOf } from '../limits/rules.ts'
import type { Calendar } from '../limits/windows.ts'
import { parseSettings } from '../objects/settings.ts'
import { type SpendTable, spendTables } from './shipping/spend-sums.ts'

/** The scope by which limits and the ledger know the rows of a table. */
const scopes: Readonly<Partial<Record<SpendTable, Scope>>> = {
  keys: 'key',
  teams: 'team',
  team_members: 'team_member',
  users: 'user',
  organizations: 'organization',
  projects: 'project',
  end_users: 'end_user',
  tags: 'tag',
}

/** All amounts are nano-dollars. */
export interface Reconciled {
  readonly scope: Scope
  readonly id: string
  /** The `spend` column. */
  readonly spend: number
  /** `spend_base` and what the ledger has since `spend_since`. */
  readonly ledger: number
  /** `spend` less `ledger`: 0. */
  readonly difference: number
  readonly counters: ReconciledCounter[]
}

export interface ReconciledCounter {
  readonly counter: string
  readonly used: number
  /** Held by calls under way. */
  readonly reserved: number
  /** What the ledger has for its window. */
  readonly ledger: number
  /** `used` less `ledger`; 0 while nobody calls. Null: the counter does not run, and is taken from the ledger when it does. */
  readonly difference: number | null
}

export interface ReconciliationDay {
  readonly date: string
  /** Calls and cost by the ledger, and by the daily sums. */
  readonly ledger: { readonly requests: number; readonly cost: number }
  readonly daily: { readonly requests: number; readonly cost: number }
  readonly difference: number
}

export interface ReconciliationOptions {
  readonly store: Store
  readonly state: Pick<SharedState, 'read'>
  readonly calendar: Calendar
  /** Epoch ms. */
  readonly now: number
}

interface SpendRow {
  readonly first: string
  readonly second: string
  readonly spend: number
  readonly spend_base: number
  readonly spend_since: number
  readonly budget_reset_at: number | null
  readonly settings: string | null
  readonly budget: string | null
}

/**
 * Holds three accounts of one table's rows against each other: the `spend` columns, the ledger, and the budget counters
 * of the shared state. They are equal whenever no call is under way and everything is shipped; a difference that stays is
 * a defect, or somebody wrote to the tables.
 * @param after key of the last row of the page before
 */
export async function reconcile(
  { store, state, calendar, now }: ReconciliationOptions,
  table: SpendTable,
  after: readonly string[] | undefined,
  limit: number,
): Promise<{ readonly rows: Reconciled[]; readonly next: readonly string[] | undefined }> {
  const scope = scopes[table]
  const key = spendTables.find(entry => entry.table === table)?.key ?? []
  if (scope === undefined) return { rows: [], next: undefined }
  const found = await spendRows(store.db, table, key, after, limit)
  const rows: Reconciled[] = []
  for (const row of found) {
    const id = key.length === 1 ? row.first : `${row.first}/${row.second}`
    const any = { scope, scopeId: id, model: undefined }
    const ledger = row.spend_base + (await spentSince(store.db, any, row.spend_since))
    const settings = { ...parseSettings(row.budget ?? undefined), ...parseSettings(row.settings ?? undefined) }
    const rules = rulesOf(scope, id, settings, row.budget_reset_at ?? undefined)
    const budgets = rules.filter(rule => rule.metric === 'budget')
    // A period that has ended is begun anew within minutes; the counter ended with it.
    const current = row.budget_reset_at === null || row.budget_reset_at > now ? ledger : undefined
    const counters = await reconcileCounters({ store, state, calendar, now }, budgets, current)
    rows.push({ scope, id, spend: row.spend, ledger, difference: row.spend - ledger, counters })
  }
  const last = found.length < limit ? undefined : found.at(-1)
  return { rows, next: last === undefined ? undefined : key.length === 1 ? [last.first] : [last.first, last.second] }
}

async function reconcileCounters(
  { store, state, calendar, now }: ReconciliationOptions,
  rules: readonly LimitRule[],
  /** What the ledger has for the period of the row; undefined: it is over. */
  ofRow: number | undefined,
): Promise<ReconciledCounter[]> {
  if (rules.length === 0) return []
  const values = await state.read(rules.map(counterOf))
  const counters: ReconciledCounter[] = []
  for (const [index, rule] of rules.entries()) {
    const { used, reserved } = values[index] ?? { used: 0, reserved: 0 }
    const duration = rule.window?.kind === 'calendar' ? parseDuration(rule.window.duration) : undefined
    const since = duration === undefined ? undefined : calendar.window(duration, now).start
    // A budget that the row counts begins again with it, also when its spend was set by hand in the middle of a window.
    const counted = rule.inRow === true && rule.model === undefined ? ofRow : undefined
    const ledger = counted ?? (await spentSince(store.db, rule, since))
    const running = used !== 0 || reserved !== 0
    counters.push({ counter: counterOf(rule), used, reserved, ledger, difference: running ? used - ledger : null })
  }
  return counters
}

async function spendRows(
  db: Kysely<Tables>,
  table: SpendTable,
  key: readonly string[],
  after: readonly string[] | undefined,
  limit: number,
): Promise<readonly SpendRow[]> {
  const [first = '', second] = key
  const names = sql.join(key.map(name => sql`t.${sql.ref(name)}`))
  const beyond = after === undefined ? sql`1 = 1` : sql`(${names}) > (${sql.join(after)})`
  const settings = table === 'organization_members' ? sql`null` : sql`t.settings`
  const { rows } = await sql<SpendRow>`
    select t.${sql.ref(first)} as first, ${second === undefined ? sql`''` : sql`t.${sql.ref(second)}`} as second,
      t.spend as spend, t.spend_base as spend_base, t.spend_since as spend_since,
      t.budget_reset_at as budget_reset_at, ${settings} as settings, b.settings as budget
    from ${sql.table(table)} t left join budgets b on b.budget_id = t.budget_id
    where ${beyond} order by ${names} limit ${limit}
  `.execute(db)
  return rows
}

/**
 * Holds the daily sums against the ledger, day by day. Reads every call of those days: ask for few, and for days that
 * retention has not reached.
 */
export async function reconcileDays(db: Kysely<Tables>, from: string, to: string): Promise<ReconciliationDay[]> {
  interface Day {
    readonly date: string
    readonly requests: number
    readonly cost: number
  }
  const start = Date.parse(`${from}T00:00:00Z`)
  const end = Date.parse(`${to}T00:00:00Z`) + 86_400_000
  const [ledger, daily] = await Promise.all([
    sql<Day>`
      select date, count(*) as requests, cast(coalesce(sum(cost), 0) as bigint) as cost from ledger
      where started_at >= ${start} and started_at < ${end} group by date`.execute(db),
    sql<Day>`
      select date, cast(sum(requests) as bigint) as requests, cast(sum(cost) as bigint) as cost from daily_spend
      where entity = 'all' and entity_id = '' and date >= ${from} and date <= ${to} group by date`.execute(db),
  ])
  const none = { requests: 0, cost: 0 }
  const byDate = (rows: readonly Day[]) => new Map(rows.map(({ date, requests, cost }) => [date, { requests, cost }]))
  const [a, b] = [byDate(ledger.rows), byDate(daily.rows)]
  return [...new Set([...a.keys(), ...b.keys()])].sort().map(date => {
    const [inLedger, inDaily] = [a.get(date) ?? none, b.get(date) ?? none]
    return { date, ledger: inLedger, daily: inDaily, difference: inLedger.cost - inDaily.cost }
  })
}
