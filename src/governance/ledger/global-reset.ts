import type { Kysely } from 'kysely'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { rulesOf } from '../limits/rules.ts'
import type { Calendar } from '../limits/windows.ts'
import { parseSettings } from '../objects/settings.ts'
import { resetCounters } from './reset-counters.ts'

const tables = ['keys', 'teams'] as const
const page = 500

/** `/global/spend/reset`, in the transaction of the change: every key and team begins again at zero. The ledger stays. */
export async function resetAllSpend(trx: Kysely<Tables>, now: number): Promise<{ keys: number; teams: number }> {
  const counts = { keys: 0, teams: 0 }
  for (const table of tables) {
    const { numUpdatedRows } = await trx
      .updateTable(table)
      .set({ spend: 0, spend_base: 0, spend_since: now })
      .executeTakeFirst()
    counts[table] = Number(numUpdatedRows)
  }
  return counts
}

/** And what limits count of them. @throws StateUnavailable */
export async function resetAllCounters(
  db: Kysely<Tables>,
  state: Pick<SharedState, 'assign'>,
  calendar: Calendar,
  now: number,
): Promise<void> {
  for (const [table, column, scope] of [
    ['keys', 'token', 'key'],
    ['teams', 'team_id', 'team'],
  ] as const) {
    let after = ''
    for (;;) {
      const rows = (await db
        .selectFrom(table)
        .leftJoin('budgets', 'budgets.budget_id', `${table}.budget_id` as never)
        .select([
          `${table}.${column} as id` as never,
          `${table}.settings as own` as never,
          `${table}.budget_reset_at as reset_at` as never,
          'budgets.settings as budget',
        ])
        .where(`${table}.${column}` as never, '>', after as never)
        .orderBy(`${table}.${column}` as never)
        .limit(page)
        .execute()) as unknown as { id: string; own: string; reset_at: number | null; budget: string | null }[]
      for (const row of rows) {
        const settings = { ...parseSettings(row.budget ?? undefined), ...parseSettings(row.own) }
        await resetCounters(state, calendar, rulesOf(scope, row.id, settings, row.reset_at ?? undefined), 0, now)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < page) break
      after = last.id
    }
  }
}
