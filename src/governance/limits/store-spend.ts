import { sql } from 'kysely'
import type { Clock } from '../../platform/clock.ts'
import type { Store } from '../../platform/store/store.ts'
import { memberOf, type ServedNames, spentSince } from './ledger-sums.ts'
import type { LimitRule, Scope } from './limit-rule.ts'
import type { SpendSource } from './spend-source.ts'

/** Rows with a `spend` column, by scope. */
const tables: Readonly<Partial<Record<Scope, { readonly table: string; readonly key: readonly string[] }>>> = {
  key: { table: 'keys', key: ['token'] },
  team: { table: 'teams', key: ['team_id'] },
  team_member: { table: 'team_members', key: ['team_id', 'user_id'] },
  user: { table: 'users', key: ['user_id'] },
  organization: { table: 'organizations', key: ['organization_id'] },
  project: { table: 'projects', key: ['project_id'] },
  end_user: { table: 'end_users', key: ['user_id'] },
  tag: { table: 'tags', key: ['name'] },
}

/**
 * Spend before a counter existed: the object's own column where it counts the running window, else the ledger. What calls
 * in the last second have cost may not be in the books yet; it is in the counters of the processes that made them.
 */
export class StoreSpend implements SpendSource {
  readonly #store: Store
  readonly #clock: Clock
  readonly #served: ServedNames | undefined

  constructor(store: Store, clock: Clock, served?: ServedNames) {
    this.#store = store
    this.#clock = clock
    this.#served = served
  }

  async spent(rule: LimitRule, since: number | undefined): Promise<number> {
    const own = rule.inRow === true && rule.model === undefined ? await this.#column(rule) : undefined
    return own ?? spentSince(this.#store.db, rule, since, this.#served)
  }

  /** Undefined: there is no row, or its column still counts a window that has ended. */
  async #column({ scope, scopeId, window }: LimitRule): Promise<number | undefined> {
    const place = tables[scope]
    if (place === undefined) return undefined
    const ids = scope === 'team_member' ? memberOf(scopeId) : [scopeId]
    const where = sql.join(
      place.key.map((column, i) => sql`${sql.ref(column)} = ${ids[i] ?? ''}`),
      sql` and `,
    )
    const { rows } = await sql<{ spend: number; budget_reset_at: number | null }>`
      select spend, budget_reset_at from ${sql.table(place.table)} where ${where}
    `.execute(this.#store.db)
    const row = rows[0]
    if (row === undefined) return undefined
    if (window === undefined) return Number(row.spend)
    return row.budget_reset_at !== null && Number(row.budget_reset_at) > this.#clock.epoch()
      ? Number(row.spend)
      : undefined
  }
}
