import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anyId, record } from '../../src/governance/ledger/ledger.fixtures.ts'
import type { LogFilter, LogScope } from '../../src/governance/ledger/reports/log-filter.ts'
import { listLogs } from '../../src/governance/ledger/reports/logs.ts'
import { shipBatch } from '../../src/governance/ledger/shipping/ship-batch.ts'
import type { SpendRecord } from '../../src/governance/ledger/spend-record.ts'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import type { Store } from '../../src/platform/store/store.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'

/**
 * Lists of calls read so many of them and no more; here so few that every list meets that bound. Whatever way a search
 * takes, it shows what going through all calls would, from the end it begins at to where it says that it stopped.
 */
const reach = { together: 300, apart: 500 }
const days = 12
const dayMs = 86_400_000
const from = Date.UTC(2026, 9, 25)
const to = from + days * dayMs - 1

const calls: SpendRecord[] = Array.from({ length: 2400 }, (_, i) => {
  const key = i % 7
  const failed = i % 40 === 3
  const refused = i % 90 === 5
  const startedAt = from + Math.floor((i / 2400) * days * dayMs)
  return record({
    id: anyId(),
    startedAt,
    endedAt: startedAt + 100,
    status: refused ? 403 : failed ? 502 : 200,
    error: refused ? 'model_denied' : failed ? 'upstream_error' : undefined,
    model: i % 3 === 0 ? 'slow' : 'fast',
    modelGroup: refused ? undefined : i % 3 === 0 ? 'slow' : 'fast',
    upstreamModel: refused || i % 50 === 6 ? undefined : i % 333 === 1 ? 'rare' : i % 3 === 0 ? 'slow-1' : 'fast-1',
    provider: refused || i % 50 === 6 ? undefined : 'openai',
    cost: i % 500 === 17 ? 9_000_000 : 1000 + i,
    tags: [...(i % 2 === 0 ? ['even'] : []), ...(i % 600 === 7 ? ['seldom', 'odd "tag"%'] : [])],
    caller: {
      // One of them is an administrator, whose calls belong to no key.
      token: key === 6 ? undefined : `token-${key}`,
      keyAlias: `alias-${key}`,
      userId: `user-${key % 3}`,
      teamId: `team-${key % 2}`,
      organizationId: key === 1 ? 'organization-1' : undefined,
      endUser: i % 11 === 0 ? `customer-${i % 5}` : undefined,
    },
  })
})

const failed = (call: SpendRecord): boolean => call.error !== undefined || call.status >= 400
const modelOf = (call: SpendRecord): string => call.upstreamModel ?? call.model

function meets(call: SpendRecord, filter: LogFilter, scope: LogScope | undefined): boolean {
  const { caller } = call
  const is = (wanted: unknown, value: unknown): boolean => wanted === undefined || wanted === value
  const own =
    scope === undefined ||
    caller.token === scope.token ||
    (scope.userId !== undefined && caller.userId === scope.userId) ||
    scope.teamIds.includes(caller.teamId ?? '') ||
    scope.organizationIds.includes(caller.organizationId ?? '')
  return (
    own &&
    call.startedAt >= (filter.from ?? 0) &&
    call.startedAt <= (filter.to ?? Number.POSITIVE_INFINITY) &&
    is(filter.token, caller.token) &&
    is(filter.userId, caller.userId) &&
    is(filter.teamId, caller.teamId) &&
    is(filter.endUser, caller.endUser) &&
    is(filter.keyAlias, caller.keyAlias) &&
    is(filter.model, modelOf(call)) &&
    is(filter.modelGroup, call.modelGroup) &&
    is(filter.error, call.error) &&
    is(filter.statusCode, call.status) &&
    (filter.status === undefined || (filter.status === 'failure') === failed(call)) &&
    call.cost >= (filter.minCost ?? 0) &&
    (filter.tag === undefined || call.tags.includes(filter.tag))
  )
}

const scope: LogScope = { userId: 'user-1', token: 'token-0', teamIds: [], organizationIds: ['organization-1'] }
const range = { from, to }
const searches: readonly (readonly [filter: LogFilter, scope?: LogScope])[] = [
  [range],
  [{ ...range, token: 'token-2' }],
  [{ ...range, model: 'rare' }],
  [{ ...range, model: 'fast-1' }],
  // Of calls that were refused, and of calls that no deployment answered.
  [{ ...range, model: 'slow' }],
  [{ ...range, model: 'fast' }],
  [{ ...range, model: 'no such' }],
  [{ ...range, modelGroup: 'slow' }],
  [{ ...range, tag: 'seldom' }],
  [{ ...range, tag: 'odd "tag"%' }],
  [{ ...range, tag: 'even' }],
  [{ ...range, tag: 'no such' }],
  [{ ...range, tag: 'even', model: 'rare' }],
  [{ ...range, tag: 'seldom', userId: 'user-1' }],
  [{ ...range, teamId: 'team-1', model: 'rare' }],
  [{ ...range, userId: 'user-0', modelGroup: 'fast', model: 'fast-1' }],
  [{ ...range, endUser: 'customer-1', model: 'fast-1' }],
  [{ ...range, status: 'failure' }],
  [{ ...range, status: 'failure', model: 'rare' }],
  [{ ...range, error: 'upstream_error' }],
  [{ ...range, statusCode: 502 }],
  [{ ...range, minCost: 8_000_000 }],
  [{ ...range, keyAlias: 'alias-3' }],
  [{ from: from + 3 * dayMs + 4_000_000, to: from + 8 * dayMs + 1_234_567, model: 'rare' }],
  [{ from: from + 3 * dayMs + 4_000_000, to: from + 8 * dayMs + 1_234_567, tag: 'even', userId: 'user-2' }],
  [{ model: 'rare' }],
  [range, scope],
  [{ ...range, model: 'rare' }, scope],
  [{ ...range, tag: 'seldom' }, scope],
  [{ ...range, minCost: 8_000_000 }, scope],
  [{ ...range, token: 'token-2' }, scope],
]

const stores = [
  { name: 'SQLite', available: true },
  { name: 'PostgreSQL', available: services.postgres },
]

describe.each(stores.filter(({ available }) => available))('searching calls on $name', ({ name }) => {
  let postgres: Service | undefined
  let store: Store

  beforeAll(async () => {
    if (name === 'PostgreSQL') postgres = await startPostgres()
    store = await openStore(
      postgres === undefined ? { kind: 'memory' } : { kind: 'postgres', url: new Secret(postgres.url) },
    )
    const size = 400
    for (let at = 0; at < calls.length; at += size) {
      const batch = { segment: `s${at}`, from: 0, to: 1, records: calls.slice(at, at + size), bodies: [] }
      await shipBatch(store, batch, to)
    }
  }, 30_000)
  afterAll(async () => {
    await store.close()
    await postgres?.stop()
  })

  const shownIds = (list: readonly SpendRecord[]): string[] => list.map(({ id }) => id)

  it.each([false, true])('shows what there is from one end to where it stopped; oldest first: %s', async ascending => {
    const ways = { whole: 0, stopped: 0 }
    for (const [filter, seenBy] of searches) {
      const what = JSON.stringify([filter, seenBy])
      const all = calls.filter(call => meets(call, filter, seenBy))
      if (!ascending) all.reverse()
      const page = await listLogs(
        store.db,
        filter,
        seenBy,
        { page: 1, pageSize: 5000, order: 'startTime', ascending },
        reach,
      )
      const stop = page.search_stopped_at === null ? undefined : Date.parse(page.search_stopped_at)
      const until = all.filter(
        call => stop === undefined || (ascending ? call.startedAt <= stop : call.startedAt >= stop),
      )
      // At the very moment of the stop there may be one more, or one less.
      const certain = until.filter(call => call.startedAt !== stop)
      const found = page.data.map(log => log.request_id)
      expect(found.slice(0, certain.length), what).toEqual(shownIds(certain))
      expect(found.length, what).toBeLessThanOrEqual(until.length)
      expect(page, what).toMatchObject({ total: found.length, total_is_capped: stop !== undefined })
      if (stop === undefined) ways.whole++
      else ways.stopped++

      // In pages, and in another order, they are the same calls.
      const second = await listLogs(
        store.db,
        filter,
        seenBy,
        { page: 2, pageSize: 7, order: 'startTime', ascending },
        reach,
      )
      expect(
        second.data.map(log => log.request_id),
        what,
      ).toEqual(found.slice(7, 14))
      if (ascending) continue
      const dearest = await listLogs(
        store.db,
        filter,
        seenBy,
        { page: 1, pageSize: 5000, order: 'spend', ascending },
        reach,
      )
      expect(dearest.data.map(log => log.request_id).sort(), what).toEqual([...found].sort())
      const costs = dearest.data.map(log => log.spend)
      expect(costs).toEqual([...costs].sort((a, b) => b - a))
    }
    // Rare models and tags are found where they are; rare costs are not.
    expect(ways.whole).toBeGreaterThan(10)
    expect(ways.stopped).toBeGreaterThan(4)
  })

  it.each([
    [{ ...range, model: 'rare' }, 8],
    [{ ...range, tag: 'seldom' }, 4],
    [{ ...range, model: 'no such' }, 0],
    [{ ...range, tag: 'no such' }, 0],
  ])('finds all of what is rare: %o', async (filter, count) => {
    expect(calls.filter(call => meets(call, filter, undefined))).toHaveLength(count)
    const page = await listLogs(
      store.db,
      filter,
      undefined,
      { page: 1, pageSize: 50, order: 'startTime', ascending: false },
      { together: 300, apart: 10_000 },
    )
    expect(page).toMatchObject({ total: count, search_stopped_at: null })
  })
})
