import type { Transaction } from 'kysely'
import type { Window } from '../../platform/shared-state/shared-state.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { resetSpend, type SpendReset } from '../ledger/spend-reset.ts'
import { parseDuration } from '../limits/durations.ts'
import type { Scope } from '../limits/limit-rule.ts'
import { counterOf, rulesOf } from '../limits/rules.ts'
import { parseSettings, type Settings } from '../objects/settings.ts'
import type { Management } from './management.ts'

/** A row whose spend is set, and its place among the limits. */
export interface Spender {
  readonly table: SpendReset['table']
  /** Values of its key columns. */
  readonly key: readonly string[]
  readonly scope: Scope
  readonly scopeId: string
  readonly settings: string
  /** Its budget tier. */
  readonly budgetId: string | null
  readonly resetAt: number | null
}

/** Objects whose spend is a column of their own, by table. */
const scopes = {
  teams: 'team',
  users: 'user',
  organizations: 'organization',
  projects: 'project',
  end_users: 'end_user',
  tags: 'tag',
} as const

/** A row of a managed object as something that spends; undefined: objects of its kind spend nothing. */
export function spenderOf(
  table: string,
  id: string,
  row: { readonly settings: string; readonly budget_id?: string | null; readonly budget_reset_at?: number | null },
): Spender | undefined {
  if (!isSpending(table)) return undefined
  return {
    table,
    key: [id],
    scope: scopes[table],
    scopeId: id,
    settings: row.settings,
    budgetId: row.budget_id ?? null,
    resetAt: row.budget_reset_at ?? null,
  }
}

const isSpending = (table: string): table is keyof typeof scopes => Object.hasOwn(scopes, table)

/**
 * Starts a new period of spend by hand, with this much in it: in the row, inside the transaction of the change. Calls
 * that started before belong to the old period, whenever they end.
 */
export async function setSpend(
  management: Management,
  trx: Transaction<Tables>,
  { table, key }: Spender,
  nano: number,
): Promise<void> {
  await resetSpend(trx, management.governance.store, { table, key, since: management.clock.epoch(), base: nano })
}

/**
 * The counters that calls are judged by follow, after the change is committed. For a new object too: its id may have been
 * another's, and an end user or a tag is counted before anybody makes an object of it.
 */
export async function assignSpend(management: Management, spender: Spender, nano: number): Promise<void> {
  const { calendar } = management.settings()
  const now = management.clock.epoch()
  const settings = { ...(await tierOf(management, spender.budgetId)), ...parseSettings(spender.settings) }
  const rules = rulesOf(spender.scope, spender.scopeId, settings, spender.resetAt ?? undefined)
  const items = rules
    .filter(rule => rule.metric === 'budget' && rule.model === undefined)
    .map(rule => {
      const duration = rule.window?.kind === 'calendar' ? parseDuration(rule.window.duration) : undefined
      const stated = spender.resetAt !== null && spender.resetAt > now ? spender.resetAt : undefined
      const window: Window =
        duration === undefined
          ? { kind: 'forever' }
          : { kind: 'until', at: stated ?? calendar.window(duration, now).end }
      return { key: counterOf(rule), value: nano, window }
    })
  // While shared state is away the counter is found again from the row when it is back.
  if (items.length > 0) await management.governance.state.assign(items).catch(() => undefined)
}

/** Limits of a budget tier; the object's own are laid over them. */
async function tierOf({ governance }: Management, id: string | null): Promise<Settings> {
  if (id === null) return {}
  const { db } = governance.store
  const row = await db.selectFrom('budgets').select('settings').where('budget_id', '=', id).executeTakeFirst()
  return parseSettings(row?.settings)
}
