import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeBody } from '../../src/governance/ledger/bodies/body-line.ts'
import { encodeRecord } from '../../src/governance/ledger/journal/record-line.ts'
import { anyId, keyRow, managed, record } from '../../src/governance/ledger/ledger.fixtures.ts'
import { failed } from '../../src/governance/ledger/shipping/ledger-row.ts'
import { type Batch, shipBatch } from '../../src/governance/ledger/shipping/ship-batch.ts'
import { CursorMoved } from '../../src/governance/ledger/shipping/sink.ts'
import { SqliteSink } from '../../src/governance/ledger/shipping/sqlite-sink.ts'
import type { SpendRecord } from '../../src/governance/ledger/spend-record.ts'
import { resetSpend } from '../../src/governance/ledger/spend-reset.ts'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import { type Store, StoreUnavailable } from '../../src/platform/store/store.ts'
import type { DailySpendRow } from '../../src/platform/store/tables.ts'
import { inTransaction } from '../../src/platform/store/transaction.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'

const day = 86_400_000
const noon = Date.UTC(2026, 10, 23, 12)

const stores = [
  { name: 'SQLite', available: true },
  { name: 'SQLite, on a connection of its own', available: true },
  { name: 'PostgreSQL', available: services.postgres },
]

describe.each(stores)('on $name', ({ name, available }) => {
  if (!available) return it.skip('is not installed')
  let postgres: Service | undefined
  let store: Store
  let segment = 0
  let databases = 0

  let folder = ''
  const sinks = new Map<Store, SqliteSink>()

  /** As the thread ships: from the lines of a journal. */
  async function shipTo(store: Store, batch: Batch, now: number): Promise<number> {
    const sink = sinks.get(store)
    if (sink === undefined) return shipBatch(store, batch, now)
    const texts = [...batch.records.map(encodeRecord), ...batch.bodies.map(encodeBody)]
    const stretch = { ...batch, lines: texts.map(json => ({ json, end: batch.to })) }
    for (;;) {
      try {
        return sink.ship(stretch, now).fresh
      } catch (error) {
        // It waits without a promise, and whoever holds the lock is in this very thread.
        if (!(error instanceof StoreUnavailable)) throw error
        await pause(5)
      }
    }
  }

  /** Empty. */
  async function newStore(): Promise<Store> {
    if (name === 'SQLite, on a connection of its own') {
      const path = join(folder, `${++databases}.db`)
      const store = await openStore({ kind: 'sqlite', path })
      sinks.set(store, new SqliteSink(path, 10))
      return store
    }
    if (postgres === undefined) return openStore({ kind: 'memory' })
    const url = `${postgres.url}?schema=s${++databases}`
    return openStore({ kind: 'postgres', url: new Secret(url) })
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'routeiq-shipping-'))
    if (name === 'PostgreSQL') postgres = await startPostgres()
    store = await newStore()
  })
  afterAll(async () => {
    await store.close()
    await postgres?.stop()
    for (const sink of sinks.values()) sink.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const ship = (records: readonly SpendRecord[], changes: Partial<Batch> = {}): Promise<number> =>
    shipTo(store, { segment: `s${++segment}`, from: 0, to: 10, records, bodies: [], ...changes }, noon)

  const spendOf = async (token: string): Promise<number | undefined> =>
    (await store.db.selectFrom('keys').select('spend').where('token', '=', token).executeTakeFirst())?.spend

  async function addKey(token: string, changes: object = {}): Promise<void> {
    await store.db
      .insertInto('keys')
      .values({ ...keyRow(token), ...changes })
      .execute()
  }

  describe('a batch', () => {
    it('is one row per record, with every field where it is looked for', async () => {
      const given = record({
        callId: 'mine',
        caller: { token: 'tk', userId: 'u', endUser: 'e', address: '10.0.0.1' },
        tags: ['a', 'b'],
        metadata: { team: 'x' },
        fallbacks: 2,
        cacheHit: true,
      })
      expect(await ship([given])).toBe(1)
      const row = await store.db.selectFrom('ledger').selectAll().where('id', '=', given.id).executeTakeFirstOrThrow()
      expect(row).toMatchObject({
        call_id: 'mine',
        started_at: given.startedAt,
        ended_at: given.endedAt,
        date: '2026-11-23',
        status: 200,
        error: null,
        token: 'tk',
        user_id: 'u',
        team_id: null,
        end_user: 'e',
        model: 'gpt-4o-mini',
        model_group: 'fast',
        cost: 5750,
        input_tokens: 100,
        cache_hit: 1,
        tags: '["a","b"]',
      })
      expect(JSON.parse(row.details)).toEqual({
        requested_model: 'fast',
        cost_lines: [
          ['input', 100, 1500],
          ['output', 50, 4250],
        ],
        latency: { total: 120.5, upstream: 118.25, overhead: 2.25 },
        attempts: 1,
        fallbacks: 2,
        stream: false,
        address: '10.0.0.1',
        metadata: { team: 'x' },
      })
    })

    it('shipped again, from anywhere, adds nothing', async () => {
      await addKey('again')
      const records = Array.from({ length: 100 }, () => record({ cost: 3, caller: { token: 'again' } }))
      const batch = { segment: 'twice', from: 0, to: 500, records, bodies: [] }
      expect(await shipTo(store, batch, noon)).toBe(100)
      const moved = await shipTo(store, batch, noon).catch((error: unknown) => error)
      expect(moved).toBeInstanceOf(CursorMoved)
      expect((moved as CursorMoved).at).toBe(500)
      // Another file with the same records, some new ones among them: a copied journal, a restored store.
      const more = [
        ...records.slice(50),
        ...Array.from({ length: 7 }, () => record({ cost: 3, caller: { token: 'again' } })),
      ]
      expect(await ship(more)).toBe(7)
      expect(await ship([more[0]!, more[0]!])).toBe(0)
      expect(await spendOf('again')).toBe(321)
      const { requests } = await store.db
        .selectFrom('daily_spend')
        .select(eb => eb.fn.sum<number>('requests').as('requests'))
        .where('token', '=', 'again')
        .where('entity', '=', 'all')
        .executeTakeFirstOrThrow()
      expect(requests).toBe(107)
    })

    it('that fails in the middle leaves nothing behind, the cursor neither', async () => {
      await addKey('half')
      const good = record({ caller: { token: 'half' } })
      const bad = record({ cost: 1e300 })
      const batch = { segment: 'half', from: 0, to: 10, records: [good, bad], bodies: [] }
      await expect(shipTo(store, batch, noon)).rejects.toThrow(/1e\+300/)
      expect(await spendOf('half')).toBe(0)
      expect(await shipTo(store, { ...batch, records: [good] }, noon)).toBe(1)
      expect(await spendOf('half')).toBe(good.cost)
    })

    it('counts calls that no group answered under one name, whatever callers ask for', async () => {
      const lost = ['a', 'b', 'c'].map(model =>
        record({
          model,
          modelGroup: undefined,
          upstreamModel: undefined,
          provider: undefined,
          deploymentId: undefined,
          status: 404,
          error: 'model_not_found',
          caller: { userId: 'inventor' },
          cost: 0,
        }),
      )
      await ship(lost)
      const rows = await store.db.selectFrom('daily_spend').selectAll().where('entity_id', '=', 'inventor').execute()
      expect(rows).toMatchObject([{ model: 'unknown', model_group: '', requests: 3, failed_requests: 3 }])
      const errors = await store.db
        .selectFrom('daily_errors')
        .selectAll()
        .where('error', '=', 'model_not_found')
        .execute()
      expect(errors).toEqual([
        { date: '2026-11-23', error: 'model_not_found', status: 404, model_group: '', deployment_id: '', requests: 3 },
      ])
    })

    it('creates end users with their first cost, and no other objects', async () => {
      await ship([
        record({ caller: { endUser: 'new', userId: 'nobody', teamId: 'none', token: 'deleted' }, tags: ['untold'] }),
        record({ caller: { endUser: 'free' }, cost: 0 }),
      ])
      await ship([record({ caller: { endUser: 'new' }, cost: 1 })])
      const users = await store.db.selectFrom('end_users').select(['user_id', 'spend', 'blocked']).execute()
      expect(users).toContainEqual({ user_id: 'new', spend: 5751, blocked: 0 })
      expect(users.map(user => user.user_id)).not.toContain('free')
      expect(await store.db.selectFrom('users').selectAll().where('user_id', '=', 'nobody').execute()).toEqual([])
      expect(await store.db.selectFrom('tags').selectAll().execute()).toEqual([])
    })

    it('remembers when a key was last used, also by calls that cost nothing', async () => {
      await addKey('active')
      await ship([record({ startedAt: noon, caller: { token: 'active' }, cost: 0 })])
      await ship([record({ startedAt: noon - 5000, caller: { token: 'active' }, cost: 0 })])
      const row = await store.db
        .selectFrom('keys')
        .select('last_active_at')
        .where('token', '=', 'active')
        .executeTakeFirst()
      expect(row?.last_active_at).toBe(noon + 120)
    })
  })

  describe('a reset of spend', () => {
    const reset = (token: string, since: number, base?: number): Promise<number | undefined> =>
      inTransaction(store, trx => resetSpend(trx, store, { table: 'keys', key: [token], since, base }))

    it('is not disturbed by calls that started before it and arrive after it', async () => {
      await addKey('late')
      const at = (startedAt: number, cost: number): SpendRecord =>
        record({ startedAt, cost, caller: { token: 'late' } })
      await ship([at(noon - 10, 100), at(noon - 5, 200)])
      expect(await reset('late', noon)).toBe(0)
      await ship([at(noon - 1, 1000)])
      expect(await spendOf('late')).toBe(0)
      // Early, late and in time in one batch.
      await ship([at(noon - 1, 5000), at(noon, 1), at(noon + 1, 2), at(noon - 2, 7000)])
      expect(await spendOf('late')).toBe(3)
    })

    it('that runs after the window has ended loses nothing of the new window', async () => {
      await addKey('slow')
      const at = (startedAt: number, cost: number): SpendRecord =>
        record({ startedAt, cost, caller: { token: 'slow' } })
      await ship([at(noon - 1, 100), at(noon, 7), at(noon + 50, 8)])
      expect(await reset('slow', noon, 500)).toBe(515)
      await ship([at(noon + 60, 1)])
      expect(await spendOf('slow')).toBe(516)
    })

    it('of nothing says so', async () => {
      expect(await reset('nobody', noon)).toBeUndefined()
    })

    it('of a tag finds its calls by the whole tag', async () => {
      await store.db
        .insertInto('tags')
        .values({ name: 'a"%', budget_id: null, spend: 0, budget_reset_at: null, ...managed })
        .execute()
      await ship([
        record({ startedAt: noon, cost: 1, tags: ['a"%'] }),
        record({ startedAt: noon - 1, cost: 10, tags: ['a"%', 'a"%'] }),
        record({ startedAt: noon, cost: 100, tags: ['a"%b', 'a"', 'xa"%'] }),
      ])
      const spend = await inTransaction(store, trx =>
        resetSpend(trx, store, { table: 'tags', key: ['a"%'], since: noon }),
      )
      expect(spend).toBe(1)
    })
  })

  describe('replicas', () => {
    it('that ship at the same time, with resets between, neither deadlock nor lose a call', async () => {
      const tokens = Array.from({ length: 12 }, (_, index) => `r${index}`)
      for (const token of tokens) await addKey(token)
      let clock = noon
      const replica = async (): Promise<void> => {
        for (let round = 0; round < 15; round++) {
          const records = Array.from({ length: 40 }, () => {
            clock++
            const token = tokens[Math.floor(Math.random() * tokens.length)] as string
            const tags = Math.random() < 0.5 ? ['ra', 'rb'] : ['rb', 'rc']
            // Some arrive long after they started.
            const startedAt = clock - (Math.random() < 0.3 ? 400 : 0)
            return record({
              startedAt,
              cost: 1 + Math.floor(Math.random() * 50),
              caller: { token, endUser: token },
              tags,
            })
          })
          await ship(records)
        }
      }
      const resets = async (): Promise<void> => {
        for (let round = 0; round < 30; round++) {
          const token = tokens[round % tokens.length] as string
          const since = clock - Math.floor(Math.random() * 200)
          await inTransaction(store, trx => resetSpend(trx, store, { table: 'keys', key: [token], since, base: round }))
        }
      }
      await Promise.all([replica(), replica(), replica(), resets()])
      const rows = await store.db.selectFrom('ledger').select(['token', 'cost', 'started_at']).execute()
      for (const token of tokens) {
        const key = await store.db.selectFrom('keys').selectAll().where('token', '=', token).executeTakeFirstOrThrow()
        const counting = rows.filter(row => row.token === token && row.started_at >= key.spend_since)
        expect(key.spend, token).toBe(key.spend_base + sum(counting, row => row.cost))
        const end = await store.db
          .selectFrom('end_users')
          .select('spend')
          .where('user_id', '=', token)
          .executeTakeFirst()
        const own = rows.filter(row => row.token === token)
        expect(end?.spend, token).toBe(sum(own, row => row.cost))
      }
    })
  })

  describe('sums', () => {
    const few = (prefix: string) => fc.option(fc.constantFrom(`${prefix}1`, `${prefix}2`), { nil: undefined, freq: 2 })
    const anyRecord = fc
      .record({
        startedAt: fc.integer({ min: noon - 2 * day, max: noon + 2 * day }),
        token: few('pk'),
        userId: few('pu'),
        teamId: few('pt'),
        organizationId: few('po'),
        projectId: few('pp'),
        agentId: few('pa'),
        endUser: few('pe'),
        tags: fc.array(fc.constantFrom('p-x', 'p-y', 'p-z'), { maxLength: 3 }),
        cost: fc.integer({ min: 0, max: 1_000_000 }),
        input: fc.nat(1000),
        output: fc.nat(1000),
        modelGroup: few('pg'),
        status: fc.constantFrom(200, 200, 429, 499),
        cacheHit: fc.boolean(),
        total: fc.nat(5000),
      })
      .map(({ input, output, total, modelGroup, cost, status, tags, startedAt, cacheHit, ...caller }) =>
        record({
          startedAt,
          cost,
          status,
          tags,
          cacheHit,
          modelGroup,
          upstreamModel: modelGroup,
          caller,
          tokens: { input, output, cacheRead: 1, cacheWrite: 2, reasoning: 3 },
          latency: { total, upstream: 0, overhead: 0, ttft: undefined },
        }),
      )

    it('equal the ledger, whatever the records, the batches and the repetitions', async () => {
      const fresh = await newStore()
      for (const [table, columns, ids] of [
        ['keys', undefined, ['pk1', 'pk2']],
        ['teams', { team_alias: null, organization_id: null, blocked: 0 }, ['pt1', 'pt2']],
        [
          'users',
          {
            user_email: null,
            user_alias: null,
            sso_user_id: null,
            user_role: 'internal_user',
            password_hash: null,
            blocked: 0,
          },
          ['pu1', 'pu2'],
        ],
        ['tags', {}, ['p-x', 'p-y']],
      ] as const) {
        for (const id of ids) {
          const own = { keys: 'token', teams: 'team_id', users: 'user_id', tags: 'name' }[table]
          const row =
            table === 'keys'
              ? keyRow(id)
              : { ...columns, [own]: id, budget_id: null, spend: 0, budget_reset_at: null, ...managed }
          await fresh.db
            .insertInto(table)
            .values(row as never)
            .execute()
        }
      }
      for (const team_id of ['pt1', 'pt2']) {
        const member = {
          team_id,
          user_id: 'pu1',
          role: 'user',
          budget_id: null,
          spend: 0,
          budget_reset_at: null,
          settings: '{}',
          created_at: 0,
        }
        await fresh.db.insertInto('team_members').values(member).execute()
      }
      const all: SpendRecord[] = []
      let number = 0
      await fc.assert(
        fc.asyncProperty(fc.array(anyRecord, { maxLength: 90 }), fc.nat(30), async (records, repeated) => {
          const again = all.slice(-repeated)
          const named = records.map(given => ({ ...given, id: anyId() }))
          all.push(...named)
          const batch = { segment: `p${++number}`, from: 0, to: 1, records: [...named, ...again], bodies: [] }
          await shipTo(fresh, batch, noon)
          await expectSums(fresh, all)
        }),
        { numRuns: 25 },
      )
      await fresh.close()
    })

    /** Sums without keys, and of every id, are the sums by key added up. */
    async function expectTotals(fresh: Store, sums: readonly DailySpendRow[]): Promise<void> {
      const every = new Map<string, Record<string, string | number>>()
      const add = (into: Map<string, Record<string, string | number>>, row: Record<string, string | number>): void => {
        const { date, entity, entity_id, token = '', model, model_group, provider, route, ...numbers } = row
        const key = JSON.stringify({ date, entity, entity_id, token, model, model_group, provider, route })
        const known = into.get(key)
        const both = Object.entries(numbers).map(([name, value]) => [name, Number(value) + Number(known?.[name] ?? 0)])
        into.set(key, Object.fromEntries(both))
      }
      const totals = new Map<string, Record<string, string | number>>()
      const nothing = { model: '', model_group: '', provider: '', route: '' }
      for (const row of sums) {
        if (row.entity.startsWith('every_')) continue
        const { token: _, ...called } = row
        if (row.entity !== 'all') add(totals, { ...called, ...nothing })
        if (row.entity === 'all') add(totals, called)
        else if (!['user', 'team', 'team_member'].includes(row.entity)) {
          add(totals, { ...called, entity: `every_${row.entity}`, entity_id: '' })
        }
        if (row.entity === 'tag' || row.entity === 'end_user') {
          add(every, { ...row, entity: `every_${row.entity}`, entity_id: '' })
        }
      }
      const found = (list: readonly object[]): Map<string, Record<string, string | number>> => {
        const map = new Map<string, Record<string, string | number>>()
        for (const row of list) add(map, row as Record<string, string | number>)
        return map
      }
      expect(found(sums.filter(row => row.entity.startsWith('every_')))).toEqual(every)
      expect(found(await fresh.db.selectFrom('daily_totals').selectAll().execute())).toEqual(totals)
    }

    async function expectSums(fresh: Store, all: readonly SpendRecord[]): Promise<void> {
      const total = (of: readonly SpendRecord[]) => ({
        requests: of.length,
        failed_requests: of.filter(failed).length,
        cost: sum(of, given => given.cost),
        input_tokens: sum(of, given => given.tokens.input),
        output_tokens: sum(of, given => given.tokens.output),
        cache_read_tokens: of.length,
        cache_write_tokens: 2 * of.length,
        reasoning_tokens: 3 * of.length,
        cache_hits: of.filter(given => given.cacheHit).length,
        cached_output_tokens: sum(of, given => (given.cacheHit ? given.tokens.output : 0)),
        duration_ms: sum(of, given => given.latency.total),
      })
      const members: Record<string, (given: SpendRecord) => readonly (string | undefined)[]> = {
        all: () => [''],
        user: given => [given.caller.userId ?? ''],
        team: given => [given.caller.teamId ?? ''],
        team_member: ({ caller: { teamId, userId } }) => [teamId && userId && `${teamId}/${userId}`],
        organization: given => [given.caller.organizationId],
        project: given => [given.caller.projectId],
        agent: given => [given.caller.agentId],
        end_user: given => [given.caller.endUser],
        tag: given => given.tags,
      }
      const rows = await fresh.db.selectFrom('daily_spend').selectAll().execute()
      const ledger = await fresh.db.selectFrom('ledger').select(['id', 'cost', 'date']).execute()
      expect(ledger).toHaveLength(all.length)
      for (const [entity, idsOf] of Object.entries(members)) {
        const expected = new Map<string, SpendRecord[]>()
        for (const given of all) {
          const date = new Date(given.startedAt).toISOString().slice(0, 10)
          for (const id of new Set(idsOf(given))) {
            if (id === undefined) continue
            const key = [
              date,
              id,
              given.caller.token ?? '',
              given.modelGroup ?? 'unknown',
              given.modelGroup ?? '',
            ].join()
            expected.set(key, [...(expected.get(key) ?? []), given])
          }
        }
        const found = rows.filter(row => row.entity === entity)
        expect(found).toHaveLength(expected.size)
        for (const { date, entity: _, entity_id, token, model, model_group, provider, route, ...sums } of found) {
          expect([provider, route]).toEqual(['openai', '/v1/chat/completions'])
          expect(sums).toEqual(total(expected.get([date, entity_id, token, model, model_group].join()) ?? []))
        }
      }
      await expectTotals(fresh, rows)
      for (const [table, column, idsOf] of [
        ['keys', 'token', (given: SpendRecord) => [given.caller.token]],
        ['teams', 'team_id', (given: SpendRecord) => [given.caller.teamId]],
        ['users', 'user_id', (given: SpendRecord) => [given.caller.userId]],
        ['end_users', 'user_id', (given: SpendRecord) => [given.caller.endUser]],
        ['tags', 'name', (given: SpendRecord) => given.tags],
      ] as const) {
        const spends = await fresh.db
          .selectFrom(table)
          .select([column as never, 'spend'])
          .execute()
        for (const row of spends as unknown as Record<string, string | number>[]) {
          const own = all.filter(given => (idsOf(given) as readonly unknown[]).includes(row[column]))
          expect(row['spend'], `${table} ${row[column]}`).toBe(sum(own, given => given.cost))
        }
      }
      for (const row of await fresh.db.selectFrom('team_members').selectAll().execute()) {
        const own = all.filter(({ caller }) => caller.teamId === row.team_id && caller.userId === row.user_id)
        expect(row.spend).toBe(sum(own, given => given.cost))
      }
      const ends = await fresh.db.selectFrom('end_users').select('user_id').execute()
      const costly = new Set(all.filter(given => given.cost > 0).map(given => given.caller.endUser))
      costly.delete(undefined)
      expect(new Set(ends.map(end => end.user_id))).toEqual(costly)
    }
  })
})

const sum = <T>(list: readonly T[], of: (item: T) => number): number =>
  list.reduce((total, item) => total + of(item), 0)
