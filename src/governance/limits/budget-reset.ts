import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { Clock } from '../../platform/clock.ts'
import type { Lock, SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { SpendTable } from '../ledger/shipping/spend-sums.ts'
import { resetSpend } from '../ledger/spend-reset.ts'
import { parseDuration } from './durations.ts'
import { firstOf, type LimitSettings } from './limit-values.ts'
import type { Calendar } from './windows.ts'

interface Resetting {
  readonly table: string
  readonly key: readonly string[]
  /** Where its spend is; undefined: the row counts none of its own. */
  readonly spends: SpendTable | undefined
}

const spending = (table: SpendTable, ...key: readonly string[]): Resetting => ({ table, key, spends: table })

const tables: readonly Resetting[] = [
  spending('organizations', 'organization_id'),
  spending('teams', 'team_id'),
  spending('team_members', 'team_id', 'user_id'),
  spending('projects', 'project_id'),
  spending('users', 'user_id'),
  spending('keys', 'token'),
  spending('end_users', 'user_id'),
  spending('tags', 'name'),
  { table: 'budgets', key: ['budget_id'], spends: undefined },
]

interface DueRow {
  readonly first: string
  readonly second: string
  readonly reset_at: number | null
  readonly settings: string | null
  readonly budget: string | null
}

const batch = 200
/** Milliseconds the lock is held without being extended; a batch takes far less. */
const lockTime = 60_000
const durationWords = ['budget_duration', 'team_member_budget_duration']

export interface BudgetResetOptions {
  readonly store: Store
  readonly state: Pick<SharedState, 'lock'>
  readonly clock: Clock
  readonly log: Logger
  /** The calendar of the current configuration. */
  readonly calendar: () => Calendar
  /** Milliseconds between runs, drawn anew each time so that replicas do not meet. Default 597,000 and 605,000. */
  readonly minPause?: number
  readonly maxPause?: number
  readonly random?: () => number
}

/**
 * Moves budget windows on: rows whose `budget_reset_at` has passed begin again at zero and get the end of their next
 * window. Limits do not wait for it (counters end by themselves at the very moment); it keeps what the API shows and what
 * counters are seeded from. One replica at a time; what was missed while all were down is caught up with, at once for
 * however many windows.
 */
export class BudgetReset {
  readonly #options: BudgetResetOptions
  #timer: NodeJS.Timeout | undefined
  #adopted = false
  #closed = false

  constructor(options: BudgetResetOptions) {
    this.#options = options
  }

  start(): void {
    this.#schedule(1000)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** @returns rows that were reset; undefined when another process is at it */
  async run(): Promise<number | undefined> {
    const { state, store, clock, calendar } = this.#options
    const lock = await state.lock('budget-reset', lockTime)
    if (lock === undefined) return undefined
    try {
      let count = 0
      for (const place of tables) {
        if (!this.#adopted) await adopt(store.db, place, calendar(), clock.epoch())
        count += await this.#resetDue(place, lock)
      }
      this.#adopted = true
      return count
    } finally {
      await lock.release().catch(() => undefined)
    }
  }

  async #resetDue(place: Resetting, lock: Lock): Promise<number> {
    const { store, clock, calendar } = this.#options
    let count = 0
    for (;;) {
      const now = clock.epoch()
      const due = await dueRows(store.db, place, sql`t.budget_reset_at <= ${now}`)
      for (const row of due) {
        if (await store.db.transaction().execute(trx => reset(trx, store.dialect, place, row, calendar(), now))) count++
      }
      if (due.length < batch) return count
      if (!(await lock.extend(lockTime))) return count
    }
  }

  #schedule(pause: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.run()
        .then(count => {
          if (count !== undefined && count > 0) this.#options.log.info({ rows: count }, 'budget windows reset')
        })
        .catch((error: unknown) =>
          this.#options.log.warn({ err: error }, 'budget windows could not be reset; next try follows'),
        )
        .finally(() => this.#schedule(this.#pause()))
    }, pause).unref()
  }

  #pause(): number {
    const { minPause = 597_000, maxPause = 605_000, random = Math.random } = this.#options
    return minPause + random() * Math.max(0, maxPause - minPause)
  }
}

async function dueRows(db: Kysely<Tables>, place: Resetting, where: RawBuilder<unknown>): Promise<readonly DueRow[]> {
  const [first = '', second] = place.key
  const ofBudget = place.table === 'budgets' ? sql`null` : sql`b.settings`
  const join = place.table === 'budgets' ? sql`` : sql`left join budgets b on b.budget_id = t.budget_id`
  const { rows } = await sql<DueRow>`
    select t.${sql.ref(first)} as first, ${second === undefined ? sql`''` : sql`t.${sql.ref(second)}`} as second,
      t.budget_reset_at as reset_at, t.settings as settings, ${ofBudget} as budget
    from ${sql.table(place.table)} t ${join} where ${where} limit ${batch}
  `.execute(db)
  return rows
}

/** One row, under its lock. Calls that started in the new window before this ran stay counted. */
async function reset(
  trx: Transaction<Tables>,
  dialect: Store['dialect'],
  { table, key, spends }: Resetting,
  row: DueRow,
  calendar: Calendar,
  now: number,
): Promise<boolean> {
  const [first = '', second] = key
  const where =
    second === undefined
      ? sql`${sql.ref(first)} = ${row.first}`
      : sql`${sql.ref(first)} = ${row.first} and ${sql.ref(second)} = ${row.second}`
  const lock = dialect === 'postgres' ? sql` for update` : sql``
  const current = await sql<{ at: number | null }>`
    select budget_reset_at as at from ${sql.table(table)} where ${where}${lock}
  `.execute(trx)
  const ended = current.rows[0]?.at
  // Somebody was faster, or gave the object another window meanwhile.
  if (ended === undefined || ended === null || Number(ended) > now) return false
  const duration = durationOf(row)
  const window = duration === undefined ? undefined : calendar.window(duration, now)
  const since = Math.max(Number(ended), window?.start ?? 0)
  if (spends !== undefined) {
    const keys = second === undefined ? [row.first] : [row.first, row.second]
    await resetSpend(trx, { dialect }, { table: spends, key: keys, since })
  }
  await sql`update ${sql.table(table)} set budget_reset_at = ${window?.end ?? null} where ${where}`.execute(trx)
  return true
}

/** Objects with a budget period that no window was ever set for: imported ones, ones made by hand. Their spend stays. */
async function adopt(db: Kysely<Tables>, place: Resetting, calendar: Calendar, now: number): Promise<void> {
  const [first = '', second] = place.key
  const budget = place.table === 'budgets' ? sql`` : sql` or b.settings like '%budget_duration%'`
  const where = sql`t.budget_reset_at is null and (t.settings like '%budget_duration%'${budget})`
  let after = { first: '', second: '' }
  for (;;) {
    const seek =
      second === undefined
        ? sql`t.${sql.ref(first)} > ${after.first}`
        : sql`(t.${sql.ref(first)} > ${after.first} or (t.${sql.ref(first)} = ${after.first} and t.${sql.ref(second)} > ${after.second}))`
    const order = second === undefined ? sql`t.${sql.ref(first)}` : sql`t.${sql.ref(first)}, t.${sql.ref(second)}`
    const rows = await dueRows(db, place, sql`${where} and ${seek} order by ${order}`)
    for (const row of rows) {
      const duration = durationOf(row)
      if (duration === undefined) continue
      const at = calendar.window(duration, now).end
      const more = second === undefined ? sql`` : sql` and ${sql.ref(second)} = ${row.second}`
      await sql`
        update ${sql.table(place.table)} set budget_reset_at = ${at}
        where ${sql.ref(first)} = ${row.first}${more} and budget_reset_at is null
      `.execute(db)
    }
    const last = rows[rows.length - 1]
    if (last === undefined || rows.length < batch) return
    after = { first: last.first, second: last.second }
  }
}

function durationOf({ settings, budget }: DueRow): ReturnType<typeof parseDuration> {
  return parseDuration(firstOf(parsed(settings), ...durationWords) ?? firstOf(parsed(budget), ...durationWords))
}

function parsed(text: string | null): LimitSettings {
  if (text === null || text === '') return {}
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? (value as LimitSettings) : {}
}
