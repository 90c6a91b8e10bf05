import { CompiledQuery, type Kysely, type KyselyPlugin } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '../../../platform/store/open-store.ts'
import type { Store } from '../../../platform/store/store.ts'
import type { Tables } from '../../../platform/store/tables.ts'
import { record } from '../ledger.fixtures.ts'
import { shipBatch } from '../shipping/ship-batch.ts'
import { activity, activityPerModel, cacheActivity, exceptions, gatewayActivity } from './activity.ts'
import { type ActivityQuery, dailyActivity, dailyActivityPage } from './daily-activity.ts'
import { entityNames } from './entity-names.ts'
import {
  groupedReport,
  keyReport,
  spendByMember,
  spendPerProvider,
  spendPerTag,
  spendPerTeam,
  spendSummary,
  topEndUsers,
  topKeys,
} from './global-reports.ts'
import { listLogs, newestLogs } from './logs.ts'
import type { Selection } from './sums-query.ts'

/**
 * How SQLite reads what reports ask for: not the time is looked at but the plan. test/governance/reports.test.ts does the
 * same for PostgreSQL.
 */
let store: Store

beforeAll(async () => {
  store = await openStore({ kind: 'memory' })
  const caller = { token: 'k', userId: 'u', teamId: 't', organizationId: 'o', endUser: 'c' }
  const calls = [1, 2, 3].map(number => record({ caller: { ...caller, token: `k${number}` }, tags: ['blue'] }))
  await shipBatch(store, { segment: 's', from: 0, to: 1, records: calls, bodies: [] }, day.to)
})
afterAll(() => store.close())

interface Asked {
  readonly plan: string
  readonly sql: string
}

async function plansOf(work: (db: Kysely<Tables>) => Promise<unknown>): Promise<Asked[]> {
  const queries: CompiledQuery[] = []
  const watch: KyselyPlugin = {
    transformQuery({ node, queryId }) {
      queries.push(store.db.getExecutor().compileQuery(node, queryId))
      return node
    },
    transformResult: async ({ result }) => result,
  }
  await work(store.db.withPlugin(watch))
  const asked: Asked[] = []
  for (const { sql, parameters } of queries) {
    const { rows } = await store.db.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]),
    )
    asked.push({ plan: rows.map(({ detail }) => detail).join('\n'), sql })
  }
  expect(asked.length).toBeGreaterThan(0)
  return asked
}

const range = { from: '2026-08-26', to: '2026-11-23' }
const everybody: Selection[] = [{ entity: 'all' }]
const of = (...selections: Selection[]) => ({ ...range, selections })
const shown = (entity: ActivityQuery['shown'], selection: Selection, more: Partial<ActivityQuery> = {}) => ({
  ...range,
  selections: [selection],
  shown: entity,
  keyLimit: 25,
  ...more,
})

const tags: Selection = { entity: 'tag' }
const reports: Record<string, (db: Kysely<Tables>) => Promise<unknown>> = {
  'daily activity of everybody': db =>
    dailyActivity(db, shown('user', { entity: 'all' }, { entitySelections: [{ entity: 'user' }] })),
  'daily activity of tags': db => dailyActivity(db, shown('tag', tags)),
  'daily activity of tags for a model': db => dailyActivity(db, shown('tag', tags, { model: 'gpt-4o-mini' })),
  'daily activity of customers': db => dailyActivity(db, shown('end_user', { entity: 'end_user' })),
  'daily activity of organizations': db => dailyActivity(db, shown('organization', { entity: 'organization' })),
  'daily activity of a team': db => dailyActivity(db, shown('team', { entity: 'team', ids: ['t'] })),
  'daily activity of all teams but one': db => dailyActivity(db, shown('team', { entity: 'team', excludeIds: ['t'] })),
  'daily activity of a key': db => dailyActivity(db, shown('user', { entity: 'all', tokens: ['k1'] })),
  'daily activity of customers of a key': db =>
    dailyActivity(db, shown('end_user', { entity: 'end_user', tokens: ['k1'] })),
  'pages of users': db => dailyActivityPage(db, shown('user', { entity: 'user' }), 3, 50),
  'pages of a user': db => dailyActivityPage(db, shown('user', { entity: 'user', ids: ['u'] }), 1, 50),
  'pages of customers for a model': db =>
    dailyActivityPage(db, shown('end_user', { entity: 'end_user' }, { model: 'gpt-4o-mini' }), 1, 50),
  activity: db => activity(db, of(...everybody)),
  'activity per model': db => activityPerModel(db, of(...everybody)),
  'cache activity': db => cacheActivity(db, of(...everybody), route => route),
  exceptions: db => exceptions(db, range.from, range.to, 'g'),
  'activity of the gateway': db => gatewayActivity(db, of(...everybody)),
  'top keys': db => topKeys(db, of(...everybody), 100),
  providers: db => spendPerProvider(db, of(...everybody)),
  teams: db => spendPerTeam(db, of({ entity: 'team' })),
  tags: db => spendPerTag(db, of(tags), 1000),
  customers: db => topEndUsers(db, of({ entity: 'end_user' }), 100),
  'spend per day': db => spendSummary(db, of(...everybody), [{ entity: 'user' }]),
  'report by key': db => keyReport(db, of(...everybody)),
  'report by team': db => groupedReport(db, of({ entity: 'team' }), 'team'),
  'report by customer': db => groupedReport(db, of({ entity: 'end_user' }), 'customer'),
  'report by member': db => spendByMember(db, of({ entity: 'team_member', ids: ['t/u'] })),
  'names of customers': db => entityNames(db, 'end_user', 100),
  'names of members': db => entityNames(db, 'team_member', 100, 't/'),
}

describe('reports', () => {
  it.each(Object.keys(reports))('%s: reads no call, and of the sums a stretch', async name => {
    for (const { plan, sql } of await plansOf(async db => reports[name]?.(db))) {
      expect(plan, sql).not.toMatch(/\bledger/)
      expect(plan, sql).not.toMatch(/^SCAN (daily_spend|daily_totals|daily_errors|t|d)\b/m)
      if (/daily_(spend|totals)/.test(plan)) expect(plan, sql).not.toMatch(/\(entity=\?\)$/m)
    }
  })
})

const day = { from: Date.UTC(2026, 10, 22), to: Date.UTC(2026, 10, 23) }
const paging = { page: 2, pageSize: 50, order: 'startTime', ascending: false } as const
const scope = { userId: 'u', token: 'k', teamIds: ['t'], organizationIds: [] }
const lists: Record<string, (db: Kysely<Tables>) => Promise<unknown>> = {
  'the newest': db => newestLogs(db, {}, undefined, 1000),
  'of a day': db => listLogs(db, day, undefined, paging),
  'of a key': db => listLogs(db, { ...day, token: 'k' }, undefined, paging),
  'of a customer and model': db => listLogs(db, { ...day, endUser: 'c', model: 'gpt-4o-mini' }, undefined, paging),
  'of a session': db => listLogs(db, { sessionId: 's' }, undefined, paging),
  'by its id': db => listLogs(db, { requestId: 'r' }, undefined, paging),
  'that failed': db => listLogs(db, { ...day, status: 'failure' }, undefined, paging),
  'that failed in some way': db => listLogs(db, { ...day, error: 'timeout' }, undefined, paging),
  'that cost that much': db => listLogs(db, { ...day, minCost: 5 }, undefined, paging),
  'that cost most': db => listLogs(db, day, undefined, { ...paging, order: 'spend' }),
  'of all that a caller sees': db => listLogs(db, day, scope, paging),
}

describe('lists of calls', () => {
  it.each(Object.keys(lists))('%s: reads along an index', async name => {
    for (const { plan, sql } of await plansOf(async db => lists[name]?.(db))) {
      expect(plan, sql).not.toMatch(/^SCAN ledger(?! USING INDEX ledger_by_started_at)/m)
      // Only what is put into another order may be sorted: the newest 10,000.
      if (name === 'of a day' || name === 'of a key') {
        expect(plan, sql).not.toMatch(/USE TEMP B-TREE FOR ORDER BY$/m)
      }
    }
  })
})
