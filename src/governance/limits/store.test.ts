import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../platform/clock.ts'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { openStore } from '../../platform/store/open-store.ts'
import type { Store } from '../../platform/store/store.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import { keyRow, managed, record } from '../ledger/ledger.fixtures.ts'
import { shipBatch } from '../ledger/shipping/ship-batch.ts'
import type { SpendRecord } from '../ledger/spend-record.ts'
import { BudgetReset } from './budget-reset.ts'
import type { Enforcement } from './enforcement.ts'
import { StoreRuleSource } from './rule-source.ts'
import { rulesOf } from './rules.ts'
import { StoreSpend } from './store-spend.ts'
import { Calendar } from './windows.ts'

const now = Date.UTC(2026, 10, 23, 12, 30)
const midnight = Date.UTC(2026, 10, 23)
const day = 86_400_000
const log = createLogger({ stream: { write() {} } })

class TestClock implements Clock {
  time = now
  now = (): number => this.time
  epoch = (): number => this.time
}

let store: Store
let clock: TestClock
let shipped = 0

beforeEach(async () => {
  store = await openStore({ kind: 'memory' })
  clock = new TestClock()
  shipped = 0
})
afterEach(() => store.close())

async function ship(...records: SpendRecord[]): Promise<void> {
  const batch = { segment: 's', from: shipped, to: shipped + 1, records, bodies: [] }
  shipped++
  await shipBatch(store, batch, clock.time)
}

const team = (team_id: string, more: object = {}) => ({
  team_id,
  team_alias: null,
  organization_id: null,
  budget_id: null,
  spend: 0,
  budget_reset_at: null,
  blocked: 0,
  ...managed,
  ...more,
})

describe('what was spent before a counter existed', () => {
  const spent = (rule: ReturnType<typeof rulesOf>[number], since?: number) =>
    new StoreSpend(store, clock).spent(rule, since)

  it('is the object’s own column while that counts the running window', async () => {
    await store.db
      .insertInto('keys')
      .values({ ...keyRow('k'), spend: 70 })
      .execute()
    const [ever] = rulesOf('key', 'k', { max_budget: 1 })
    const [daily] = rulesOf('key', 'k', { max_budget: 1, budget_duration: '1d' })
    expect(await spent(ever!)).toBe(70)
    expect(await spent(daily!, midnight), 'no window was ever set: the ledger knows').toBe(0)
    await store.db
      .updateTable('keys')
      .set({ budget_reset_at: midnight + day })
      .execute()
    expect(await spent(daily!, midnight)).toBe(70)
    clock.time = midnight + day
    expect(await spent(daily!, midnight + day), 'the window is over and nobody has reset the row yet').toBe(0)
    expect(await spent(rulesOf('key', 'unknown', { max_budget: 1 })[0]!)).toBe(0)
  })

  it('is summed from the ledger for every other window, whole days and the rest of the first one', async () => {
    const caller = {
      token: 'k',
      teamId: 't',
      userId: 'u',
      endUser: 'e',
      organizationId: 'o',
      projectId: 'p',
      agentId: 'a',
    }
    const call = (startedAt: number, cost: number, more: Partial<SpendRecord> = {}) =>
      record({ startedAt, cost, caller, tags: ['red', '10%_x'], ...more })
    await ship(
      call(midnight - day + 1000, 1),
      call(midnight - day + 3_600_000, 2),
      call(midnight, 4),
      call(now, 8, { modelGroup: 'slow', provider: 'anthropic', upstreamModel: 'claude' }),
      record({ startedAt: now, cost: 1000 }),
    )
    const scopes = [
      ['key', 'k'],
      ['team', 't'],
      ['user', 'u'],
      ['end_user', 'e'],
      ['organization', 'o'],
      ['project', 'p'],
      ['agent', 'a'],
      ['tag', '10%_x'],
      ['team_member', 't/u'],
    ] as const
    for (const [scope, id] of scopes) {
      const [rule] = rulesOf(scope, id, { budget_limits: [{ max_budget: 1, budget_duration: '2d' }] })
      const at = (since: number | undefined) => spent(rule!, since)
      expect(
        [await at(undefined), await at(midnight - day), await at(midnight - day + 1001), await at(midnight)],
        scope,
      ).toEqual([15, 15, 14, 12])
    }
    expect(await spent(rulesOf('global', '', { max_budget: 1 })[0]!, midnight)).toBe(1012)
    expect(await spent(rulesOf('provider', 'anthropic', { budget_limit: 1 })[0]!, midnight)).toBe(8)
    expect(await spent(rulesOf('deployment', 'd1', { max_budget: 1 })[0]!, midnight)).toBe(1012)
    expect(await spent(rulesOf('tag', 'blue', { max_budget: 1 })[0]!, midnight)).toBe(0)
    const ofModel = (model: string) => spent(rulesOf('key', 'k', { model_max_budget: { [model]: 1 } })[0]!, undefined)
    expect([await ofModel('slow'), await ofModel('fast'), await ofModel('anthropic/*'), await ofModel('gpt')]).toEqual([
      8, 7, 8, 0,
    ])
  })
})

describe('budget windows in the store', () => {
  const job = (state = new MemoryState({})) =>
    new BudgetReset({ store, state, clock, log, calendar: () => new Calendar() })
  const row = async () =>
    store.db
      .selectFrom('keys')
      .select(['spend', 'spend_since', 'spend_base', 'budget_reset_at'])
      .where('token', '=', 'k')
      .executeTakeFirstOrThrow()

  it('begin again at zero when they end, and keep what was spent since', async () => {
    const settings = JSON.stringify({ budget_duration: '1d' })
    await store.db
      .insertInto('keys')
      .values({ ...keyRow('k'), settings, budget_reset_at: midnight })
      .execute()
    await ship(
      record({ startedAt: midnight - 1000, cost: 500, caller: { token: 'k' } }),
      record({ startedAt: midnight + 1000, cost: 30, caller: { token: 'k' } }),
    )
    expect((await row()).spend).toBe(530)
    expect(await job().run()).toBe(1)
    expect(await row()).toEqual({ spend: 30, spend_base: 0, spend_since: midnight, budget_reset_at: midnight + day })
    expect(await job().run()).toBe(0)
    await ship(record({ startedAt: midnight - 500, cost: 7, caller: { token: 'k' } }))
    expect((await row()).spend, 'a late record of the old window').toBe(30)
  })

  it('are caught up with after days of downtime', async () => {
    const settings = JSON.stringify({ budget_duration: '1d' })
    await store.db
      .insertInto('keys')
      .values({ ...keyRow('k'), settings, budget_reset_at: midnight - 9 * day })
      .execute()
    await ship(
      record({ startedAt: midnight - 3 * day, cost: 500, caller: { token: 'k' } }),
      record({ startedAt: midnight + 1000, cost: 30, caller: { token: 'k' } }),
    )
    await job().run()
    expect(await row()).toMatchObject({ spend: 30, spend_since: midnight, budget_reset_at: midnight + day })
  })

  it('of an imported object end when they said they would, and follow the calendar from then on', async () => {
    const settings = JSON.stringify({ budget_duration: '30d' })
    const at = Date.UTC(2026, 10, 20, 9)
    await store.db
      .insertInto('keys')
      .values({ ...keyRow('k'), settings, budget_reset_at: at })
      .execute()
    await job().run()
    expect(await row()).toMatchObject({ spend_since: at, budget_reset_at: Date.UTC(2026, 11, 1) })
  })

  it('come from the budget tier where the object has none, in every table', async () => {
    const budget = { budget_id: 'b', budget_reset_at: midnight, ...managed, settings: '{"budget_duration":"7d"}' }
    await store.db.insertInto('budgets').values(budget).execute()
    await store.db
      .insertInto('teams')
      .values(team('t', { spend: 5, budget_id: 'b', budget_reset_at: midnight }))
      .execute()
    await store.db
      .insertInto('team_members')
      .values({
        team_id: 't',
        user_id: 'u',
        role: 'user',
        budget_id: 'b',
        spend: 5,
        budget_reset_at: 1,
        settings: '{}',
        created_at: 0,
      })
      .execute()
    await store.db
      .insertInto('keys')
      .values({ ...keyRow('k'), spend: 5, budget_reset_at: 1 })
      .execute()
    expect(await job().run()).toBe(4)
    const next = { budget_reset_at: Date.UTC(2026, 10, 30) }
    expect(await store.db.selectFrom('teams').selectAll().executeTakeFirst()).toMatchObject({ spend: 0, ...next })
    expect(await store.db.selectFrom('team_members').selectAll().executeTakeFirst()).toMatchObject({
      spend: 0,
      ...next,
    })
    expect(await store.db.selectFrom('budgets').selectAll().executeTakeFirst()).toMatchObject(next)
    expect(await row(), 'without a period there is no next window').toMatchObject({ budget_reset_at: null })
  })

  it('are set for objects that have a period and no window, more of them than one look takes', async () => {
    const settings = JSON.stringify({ budget_duration: '1d' })
    const many = Array.from({ length: 450 }, (_, i) => ({ ...keyRow(`k${i}`), settings, spend: 9 }))
    await store.db.insertInto('keys').values(many.slice(0, 225)).execute()
    await store.db.insertInto('keys').values(many.slice(225)).execute()
    const own = job()
    expect(await own.run()).toBe(0)
    const rows = await store.db.selectFrom('keys').select(['budget_reset_at', 'spend']).execute()
    expect(rows).toHaveLength(450)
    expect(rows.every(({ budget_reset_at, spend }) => budget_reset_at === midnight + day && spend === 9)).toBe(true)
    clock.time = midnight + day
    expect(await own.run()).toBe(450)
  })

  it('are moved by one process at a time', async () => {
    const settings = JSON.stringify({ budget_duration: '1d' })
    await store.db
      .insertInto('keys')
      .values({ ...keyRow('k'), settings, spend: 5, budget_reset_at: midnight })
      .execute()
    const state = new MemoryState({})
    const counts = await Promise.all([job(state).run(), job(state).run(), job(state).run()])
    expect(counts.filter(count => count !== undefined)).toEqual([1])
    const lock = await state.lock('budget-reset', 60_000)
    expect(await job(state).run()).toBeUndefined()
    await lock!.release()
    expect(await job(state).run()).toBe(0)
  })
})

describe('limits of end users and tags', () => {
  const enforcement = {
    endUserDefaults: { max_budget: 2 },
    endUserBudgetId: undefined,
    tagRules: new Map([['red', rulesOf('tag', 'red', { max_budget: 3 })]]),
  } as unknown as Enforcement
  const source = (ttl?: number) => new StoreRuleSource({ store, clock, ...(ttl === undefined ? {} : { ttl }) })
  const endUser = (user_id: string, more: object) => ({
    user_id,
    alias: null,
    budget_id: null,
    spend: 0,
    budget_reset_at: null,
    blocked: 0,
    ...managed,
    ...more,
  })

  it('come from the row, its budget tier, or the default', async () => {
    const budget = { budget_id: 'b', budget_reset_at: null, ...managed, settings: '{"max_budget":5,"rpm_limit":7}' }
    await store.db.insertInto('budgets').values(budget).execute()
    await store.db
      .insertInto('end_users')
      .values([
        endUser('own', { settings: '{"max_budget":1}' }),
        endUser('tier', { budget_id: 'b' }),
        endUser('bare', {}),
      ])
      .execute()
    const rules = source()
    const limits = async (id: string, of = enforcement) =>
      (await rules.ofEndUser(id, of)).map(({ metric, limit }) => [metric, limit])
    expect(await limits('own')).toEqual([['budget', 1e9]])
    expect(await limits('tier')).toEqual([
      ['requests', 7],
      ['budget', 5e9],
    ])
    expect(await limits('bare')).toEqual([['budget', 2e9]])
    expect(await limits('stranger')).toEqual([['budget', 2e9]])
    expect(await limits('stranger', { ...enforcement, endUserBudgetId: 'b' })).toEqual([
      ['requests', 7],
      ['budget', 5e9],
    ])
  })

  it('of tags: what was set through the API, else the config', async () => {
    const row = { name: 'red', budget_id: null, spend: 0, budget_reset_at: null, ...managed }
    expect(await source().ofTag('red', enforcement)).toMatchObject([{ limit: 3e9 }])
    expect(await source().ofTag('blue', enforcement)).toEqual([])
    await store.db
      .insertInto('tags')
      .values({ ...row, settings: '{"max_budget":4}' })
      .execute()
    expect(await source().ofTag('red', enforcement)).toMatchObject([{ limit: 4e9 }])
  })

  it('are looked up once, by all who ask at once, and stay the same list while nothing changes', async () => {
    const rules = source(1000)
    const asked = [rules.ofEndUser('e', enforcement), rules.ofEndUser('e', enforcement)]
    const [first, second] = await Promise.all(asked)
    expect(first).toBe(second)
    expect(rules.ofEndUser('e', enforcement), 'at once').toBe(first)
    clock.time += 1001
    expect(await rules.ofEndUser('e', enforcement)).toBe(first)
    await store.db
      .insertInto('end_users')
      .values(endUser('e', { settings: '{"max_budget":1}' }))
      .execute()
    rules.drop('end_user', 'e')
    expect(await rules.ofEndUser('e', enforcement)).toMatchObject([{ limit: 1e9 }])
  })
})
