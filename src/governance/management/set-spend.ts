import type { Transaction } from 'kysely'
import type { Window } from '../../platform/shared-state/shared-state.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { resetSpend, type SpendReset } from '../ledger/spend-reset.ts'
import { parseDuration } from '../limits/durations.ts'
import type { Scope } from '../limits/limit-rule.ts'
import { counterOf, rulesOf } from '../limits/rules.ts'
import { parseSettings } from '../objects/settings.ts'
import type { Management } from './management.ts'

/** A row whose spend is set, and its place among the limits. */
export interface Spender {
  readonly table: SpendReset['table']
  /** Values of its key columns. */
  readonly key: readonly string[]
  readonly scope: Scope
  readonly scopeId: string
  readonly settings: string
  readonly resetAt: number | null
}

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

/** The counters that calls are judged by follow, after the change is committed. */
export async function assignSpend(management: Management, spender: Spender, nano: number): Promise<void> {
  const { calendar } = management.settings()
  const now = management.clock.epoch()
  const rules = rulesOf(spender.scope, spender.scopeId, parseSettings(spender.settings), spender.resetAt ?? undefined)
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
