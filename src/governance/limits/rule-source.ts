import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { Recent } from '../../platform/recent.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Enforcement } from './enforcement.ts'
import type { LimitRule } from './limit-rule.ts'
import type { LimitSettings } from './limit-values.ts'
import { rulesOf } from './rules.ts'

/** Limits of what a request names: its end user and its tags. The same list as long as nothing changes. */
export interface RuleSource {
  /** At once where it is known. @throws StoreUnavailable; GatewayError 403 for one who is blocked */
  ofEndUser(id: string, enforcement: Enforcement): readonly LimitRule[] | Promise<readonly LimitRule[]>
  ofTag(name: string, enforcement: Enforcement): readonly LimitRule[] | Promise<readonly LimitRule[]>
}

export interface StoreRuleSourceOptions {
  readonly store: Store
  readonly clock: Clock
  /** Milliseconds a look-up counts; a change that is pushed drops it earlier. Default 60,000. */
  readonly ttl?: number
  /** End users and tags remembered, each. Default 20,000. */
  readonly maxEntries?: number
}

interface Found {
  readonly rules: readonly LimitRule[]
  /** No call is made for whom this is. */
  readonly blocked: boolean
}

interface Entry extends Found {
  readonly enforcement: Enforcement
  readonly at: number
}

interface LimitedRow {
  readonly settings: string
  readonly budget_id: string | null
  readonly budget_reset_at: number | null
}

const none: readonly LimitRule[] = []

/** End users and tags by name, from the store, kept for a while. Names come from callers: bounded and cheap when unknown. */
export class StoreRuleSource implements RuleSource {
  readonly #store: Store
  readonly #clock: Clock
  readonly #ttl: number
  readonly #endUsers: Recent<Entry>
  readonly #tags: Recent<Entry>
  readonly #loading = new Map<string, Promise<Found>>()
  /** Grows with every change: a look-up that began before one is not kept. */
  #generation = 0

  constructor({ store, clock, ttl = 60_000, maxEntries = 20_000 }: StoreRuleSourceOptions) {
    this.#store = store
    this.#clock = clock
    this.#ttl = ttl
    this.#endUsers = new Recent(maxEntries)
    this.#tags = new Recent(maxEntries)
  }

  ofEndUser(id: string, enforcement: Enforcement): readonly LimitRule[] | Promise<readonly LimitRule[]> {
    const found = this.#find(this.#endUsers, 'end_user', id, enforcement, async () => {
      const row = await this.#store.db
        .selectFrom('end_users')
        .select(['settings', 'budget_id', 'budget_reset_at', 'blocked'])
        .where('user_id', '=', id)
        .executeTakeFirst()
      const { endUserDefaults, endUserBudgetId } = enforcement
      const own = await this.#joined(row, endUserBudgetId)
      // An end user nobody has set up has the default budget; one that has a budget of its own has only that.
      const hasBudget = own !== undefined && own.max_budget !== undefined && own.max_budget !== null
      const settings = { ...(hasBudget ? undefined : endUserDefaults), ...own }
      const rules = rulesOf('end_user', id, settings, row?.budget_reset_at ?? undefined)
      return { rules, blocked: row?.blocked === 1 }
    })
    return found instanceof Promise ? found.then(one => unblocked(one, id)) : unblocked(found, id)
  }

  ofTag(name: string, enforcement: Enforcement): readonly LimitRule[] | Promise<readonly LimitRule[]> {
    const found = this.#find(this.#tags, 'tag', name, enforcement, async () => {
      const row = await this.#store.db
        .selectFrom('tags')
        .select(['settings', 'budget_id', 'budget_reset_at'])
        .where('name', '=', name)
        .executeTakeFirst()
      const configured = enforcement.tagRules.get(name) ?? none
      const own = await this.#joined(row, undefined)
      if (own === undefined) return { rules: configured, blocked: false }
      // What was set through the API stands in for what the file says of the same counter.
      const rules = rulesOf('tag', name, own, row?.budget_reset_at ?? undefined)
      return { rules: rules.length === 0 ? configured : rules, blocked: false }
    })
    return found instanceof Promise ? found.then(({ rules }) => rules) : found.rules
  }

  /** A change in the control plane. Without an id: forget everything of the kind. */
  drop(kind: 'end_user' | 'tag' | 'all', id?: string): void {
    this.#generation++
    this.#loading.clear()
    for (const [cache, own] of [
      [this.#endUsers, 'end_user'],
      [this.#tags, 'tag'],
    ] as const) {
      if (kind !== 'all' && kind !== own) continue
      if (id !== undefined) {
        cache.delete(id)
        continue
      }
      // Asked for again, and kept for as long as the store is away. From a copy: setting an entry moves it to the front
      // of what is being walked, which then has no end.
      for (const [name, entry] of cache.entries()) cache.set(name, { ...entry, at: Number.NEGATIVE_INFINITY })
    }
  }

  #find(
    cache: Recent<Entry>,
    kind: string,
    id: string,
    enforcement: Enforcement,
    load: () => Promise<Found>,
  ): Found | Promise<Found> {
    const now = this.#clock.now()
    const entry = cache.get(id)
    const current = entry !== undefined && entry.enforcement === enforcement
    if (current && now - entry.at < this.#ttl) return entry
    const name = `${kind}:${id}`
    let loading = this.#loading.get(name)
    if (loading === undefined) {
      const generation = this.#generation
      loading = load()
        .then(({ rules, blocked }) => {
          const kept = current && sameRules(entry.rules, rules) ? entry.rules : rules
          const known = { rules: kept.length === 0 ? none : kept, blocked, enforcement, at: this.#clock.now() }
          if (generation === this.#generation) cache.set(id, known)
          return known
        })
        .finally(() => {
          if (generation === this.#generation) this.#loading.delete(name)
        })
      this.#loading.set(name, loading)
    }
    // Stale is better than nothing while the store is away.
    return current ? loading.catch(() => entry) : loading
  }

  /** The object's settings over those of its budget tier. */
  async #joined(row: LimitedRow | undefined, defaultBudget: string | undefined): Promise<LimitSettings | undefined> {
    const budgetId = row?.budget_id ?? defaultBudget
    const budget =
      budgetId === undefined
        ? undefined
        : await this.#store.db
            .selectFrom('budgets')
            .select('settings')
            .where('budget_id', '=', budgetId)
            .executeTakeFirst()
    if (row === undefined && budget === undefined) return undefined
    return { ...stated(budget?.settings), ...stated(row?.settings) }
  }
}

function unblocked({ rules, blocked }: Found, id: string): readonly LimitRule[] {
  if (!blocked) return rules
  throw new GatewayError(
    'permission_denied',
    `The end user '${id}' is blocked; an administrator lifts it with /customer/unblock.`,
    { param: 'user' },
  )
}

function stated(text: string | undefined): LimitSettings {
  const value: unknown = text === undefined || text === '' ? {} : JSON.parse(text)
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter(([, own]) => own !== null))
}

/** An unchanged list stays the same object, and so do the plans made of it. */
const sameRules = (a: readonly LimitRule[], b: readonly LimitRule[]): boolean => JSON.stringify(a) === JSON.stringify(b)
