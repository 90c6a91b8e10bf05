import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore, type PostgresOptions } from '../../src/platform/store/open-store.ts'
import { ensurePartitions, expireBodies, expireLedger } from '../../src/platform/store/retention.ts'
import { type Store, StoreUnavailable } from '../../src/platform/store/store.ts'
import { inTransaction } from '../../src/platform/store/transaction.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import { killStoreProcesses, startStoreProcess } from './store-process.ts'
import { ledgerRow, rows } from './store-rows.ts'

describe.skipIf(!services.postgres)('the store on PostgreSQL', () => {
  let server: Service
  let store: Store
  let schemas = 0

  beforeAll(async () => {
    server = await startPostgres({ maxConnections: 20 })
  })
  afterEach(async () => {
    killStoreProcesses()
    await store.close()
  })
  afterAll(() => server.stop())

  const freshUrl = (): string => `${server.url}?schema=s${++schemas}`
  const open = async (options: Partial<PostgresOptions> = {}, url = freshUrl()): Promise<Store> => {
    store = await openStore({ kind: 'postgres', url: new Secret(url), ...options })
    return store
  }
  const read = () => store.db.selectFrom('settings').selectAll().execute()
  const write = (name: string) =>
    store.db
      .insertInto('settings')
      .values({ ...rows.settings, name })
      .execute()
  const outage = async (work: Promise<unknown>): Promise<void> => expect(work).rejects.toBeInstanceOf(StoreUnavailable)
  const asAdmin = async (text: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }

  describe('outages', () => {
    it('is unavailable while the server is down and recovers under use', async () => {
      const changes: boolean[] = []
      await open({ onAvailability: available => void changes.push(available) })
      await write('before')
      const seen = new Set<string>()
      let written = 0
      let stop = false
      const work = Promise.all(
        Array.from({ length: 8 }, async (_, worker) => {
          while (!stop) {
            await write(`${worker}-${written}-${Math.random()}`).then(
              () => written++,
              error => seen.add(error instanceof Error ? error.name : String(error)),
            )
            await new Promise(resolve => setTimeout(resolve, 5))
          }
        }),
      )
      await expect.poll(() => written).toBeGreaterThan(20)
      await server.kill()
      await expect.poll(() => store.available).toBe(false)
      await outage(read())
      await outage(inTransaction(store, trx => trx.selectFrom('settings').selectAll().execute()))
      await server.start()
      await expect.poll(() => store.available, { timeout: 10_000 }).toBe(true)
      const after = written
      await expect.poll(() => written).toBeGreaterThan(after + 20)
      stop = true
      await work
      expect([...seen]).toEqual(['StoreUnavailable'])
      expect((await read()).length).toBe(written + 1)
      expect(changes).toEqual([false, true])
    })

    it('does not wait for ever for a server that is frozen', async () => {
      await open({ statementTimeoutMs: 300, socketTimeoutMs: 400, connectTimeoutMs: 400 })
      await write('before')
      const backend = async () =>
        (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(store.db)).rows[0]?.pid
      const before = await backend()
      server.pause()
      await outage(read())
      expect(store.available).toBe(false)
      const started = performance.now()
      for (let attempt = 0; attempt < 20; attempt++) await outage(read())
      // Known to be lost: nobody waits for a connection, each of which would take the 400 ms.
      expect(performance.now() - started).toBeLessThan(4000)
      server.resume()
      await expect.poll(() => store.available, { timeout: 10_000 }).toBe(true)
      expect(await read()).toHaveLength(1)
      // The connection that still waits for an answer is not used again.
      expect(await backend()).not.toBe(before)
    })

    it('calls a server without free connections unavailable', async () => {
      const url = freshUrl()
      await open({ poolSize: 2 }, url)
      await store.close()
      const others: pg.Client[] = []
      for (;;) {
        const client = new pg.Client({ connectionString: server.url })
        const refused = await client.connect().then(
          () => false,
          () => true,
        )
        if (refused) break
        others.push(client)
      }
      const full = openStore({ kind: 'postgres', url: new Secret(url) })
      await expect(full).rejects.toThrow(/too many clients/)
      await outage(full)
      await open({ unreachableAtStart: 'carry_on' }, url)
      expect(store.available).toBe(false)
      for (const client of others) await client.end()
      await expect.poll(() => store.available, { timeout: 10_000 }).toBe(true)
      expect(await read()).toEqual([])
    })

    it('starts before the server does, when told to carry on', async () => {
      const url = freshUrl()
      await server.kill()
      const refused = openStore({ kind: 'postgres', url: new Secret(url) })
      await expect(refused).rejects.toThrow(/ECONNREFUSED/)
      await outage(refused)
      await open({ unreachableAtStart: 'carry_on' }, url)
      await outage(read())
      await server.start()
      await expect.poll(() => store.available, { timeout: 10_000 }).toBe(true)
      expect(await read()).toEqual([])
    })

    it('survives connections that are cut one by one', async () => {
      await open()
      await Promise.all([read(), read(), read()])
      const cut = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'routeiq'`
      expect(await asAdmin(cut)).not.toEqual([])
      // Idle connections leave the pool without anybody having asked for one.
      await expect
        .poll(() => asAdmin(`select 1 from pg_stat_activity where application_name = 'routeiq' and state = 'active'`))
        .toEqual([])
      await expect.poll(() => read().catch(error => error.name)).toEqual([])
      const inside = store.db.transaction().execute(async trx => {
        await trx.insertInto('settings').values(rows.settings).execute()
        await asAdmin(cut)
        await trx
          .insertInto('settings')
          .values({ ...rows.settings, name: 'second' })
          .execute()
      })
      await outage(inside)
      await expect.poll(() => read().catch(error => error.name)).toEqual([])
    })

    it('knows a slow statement, a busy pool and a standby from an outage', async () => {
      await open({ statementTimeoutMs: 200, poolSize: 1, connectTimeoutMs: 300 })
      const late = sql`select pg_sleep(5)`.execute(store.db)
      await expect(late).rejects.toThrow(/statement timeout/)
      await expect(late).rejects.not.toBeInstanceOf(StoreUnavailable)
      expect(store.available).toBe(true)
      const holding = store.db.transaction().execute(() => new Promise(resolve => setTimeout(resolve, 700)))
      await outage(read())
      expect(store.available).toBe(true)
      await holding
      const standby = store.db
        .transaction()
        .setAccessMode('read only')
        .execute(trx => trx.insertInto('settings').values(rows.settings).execute())
      await outage(standby)
      await expect.poll(() => store.available).toBe(true)
    })

    it('says why it cannot connect, and never with which password', async () => {
      await open()
      const attempt = async (url: string): Promise<string> => {
        const error = await openStore({ kind: 'postgres', url: new Secret(url) }).then(
          other => other.close(),
          (thrown: Error) => thrown,
        )
        expect(error).toBeInstanceOf(StoreUnavailable)
        return (error as Error).message
      }
      expect(await attempt(server.url.replace(/postgres$/, 'nothing'))).toMatch(/database "nothing" does not exist/)
      expect(await attempt(server.url.replace('postgres@', 'nobody:sesame@'))).toMatch(/role "nobody" does not exist/)
      expect(await attempt(`${server.url}?sslmode=require`)).toMatch(/does not support SSL/)
      expect(await attempt('postgres://a:sesame@host.invalid/x')).toMatch(/ENOTFOUND|EAI_AGAIN/)
    })
  })

  describe('schema', () => {
    it('is made by whichever of four processes comes first', async () => {
      const url = freshUrl()
      const processes = [1, 2, 3, 4].map(() => startStoreProcess('open', url))
      const ends = await Promise.all(processes.map(({ ended }) => ended))
      expect(ends, processes.map(process => process.output()).join('\n')).toEqual([0, 0, 0, 0])
      await open({}, url)
      expect(await read()).toEqual([])
    })

    it('asks for the rights it needs', async () => {
      await open()
      await asAdmin('create role plain login')
      const url = server.url.replace('postgres@', 'plain@')
      await expect(openStore({ kind: 'postgres', url: new Secret(`${url}?schema=mine`) })).rejects.toThrow(
        /may not make the tables.*create schema mine authorization/,
      )
      await asAdmin('create schema mine authorization plain')
      const other = await openStore({ kind: 'postgres', url: new Secret(`${url}?schema=mine`) })
      await other.close()
    })

    it('sets nothing at connect behind a pooler', async () => {
      await asAdmin('create database pooled')
      await open({}, `${server.url.replace(/postgres$/, 'pooled')}?pgbouncer=true`)
      const { rows } = await sql`select schemaname, current_setting('statement_timeout') as timeout
        from pg_tables where tablename = 'ledger'`.execute(store.db)
      expect(rows).toEqual([{ schemaname: 'public', timeout: '0' }])
      const other = await openStore({ kind: 'postgres', url: new Secret(`${server.url}?schema=plainly`) })
      const set = await sql`select schemaname, current_setting('statement_timeout') as timeout
        from pg_tables where tablename = 'ledger' and schemaname = 'plainly'`.execute(other.db)
      await other.close()
      expect(set.rows).toEqual([{ schemaname: 'plainly', timeout: '30s' }])
    })

    it('loses no count of two processes that write at once', async () => {
      const url = freshUrl()
      await open({}, url)
      await write('counter')
      await store.db.updateTable('settings').set({ revision: 0 }).execute()
      const processes = [1, 2].map(() => startStoreProcess('count', url, 100))
      expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0])
      expect(await store.db.selectFrom('settings').select('revision').execute()).toEqual([{ revision: 200 }])
    })
  })

  describe('partitions', () => {
    const month = (year: number, number: number): number => Date.UTC(year, number - 1, 15)
    const partitions = async (table = 'ledger'): Promise<string[]> => {
      const { rows } = await sql<{ name: string }>`
        select relname as name from pg_inherits join pg_class on oid = inhrelid
        where inhparent = ${table}::regclass order by 1`.execute(store.db)
      return rows.map(({ name }) => name)
    }
    const ids = async (table: string): Promise<number[]> => {
      const { rows } = await sql<{ cost: number }>`select cost from ${sql.table(table)} order by cost`.execute(store.db)
      return rows.map(({ cost }) => cost)
    }

    it('exist for this month and two more, whoever makes them', async () => {
      await open()
      expect(await partitions()).toHaveLength(4)
      await Promise.all([1, 2, 3, 4].map(() => ensurePartitions(store, month(2031, 11))))
      const names = await partitions()
      expect(names.filter(name => name.includes('203'))).toEqual(['ledger_2031_11', 'ledger_2031_12', 'ledger_2032_01'])
      expect(await partitions('ledger_bodies')).toContain('ledger_bodies_2032_01')
    })

    it('take over the rows that came before them, and keep them unique', async () => {
      await open()
      const row = ledgerRow(1, { started_at: month(2030, 5) })
      await store.db
        .insertInto('ledger')
        .values([row, ledgerRow(2, { started_at: month(2030, 9) })])
        .execute()
      expect(await ids('ledger_default')).toEqual([1, 2])
      await ensurePartitions(store, month(2030, 4))
      expect([await ids('ledger_2030_05'), await ids('ledger_default')]).toEqual([[1], [2]])
      const again = await store.db
        .insertInto('ledger')
        .values(row)
        .onConflict(conflict => conflict.columns(['id', 'started_at']).doNothing())
        .executeTakeFirstOrThrow()
      expect(again.numInsertedOrUpdatedRows).toBe(0n)
    })

    it('go as a whole when all of them is over', async () => {
      await open()
      await ensurePartitions(store, month(2030, 1))
      const started = [month(2029, 1), month(2030, 1), month(2030, 2), month(2030, 3), month(2040, 1)]
      await store.db
        .insertInto('ledger')
        .values(started.map((started_at, index) => ledgerRow(index, { started_at })))
        .execute()
      expect(await expireLedger(store, month(2030, 2))).toBe(1)
      expect(await partitions()).not.toContain('ledger_2030_01')
      // February is not over at its fifteenth: its rows stay together.
      expect(await ids('ledger')).toEqual([2, 3, 4])
    })
  })

  it('removes bodies when their time is over, and then their months', async () => {
    await open()
    const now = Date.UTC(2030, 3, 10)
    await ensurePartitions(store, Date.UTC(2030, 1, 1))
    const body = (id: string, started_at: number, expires_at: number) => ({
      ...rows.ledger_bodies,
      id,
      started_at,
      expires_at,
    })
    await store.db
      .insertInto('ledger_bodies')
      .values([
        body('a', Date.UTC(2030, 1, 20), now - 1),
        body('b', Date.UTC(2030, 2, 20), now - 1),
        body('c', Date.UTC(2030, 2, 20), now + 1),
        body('d', Date.UTC(2030, 3, 9), now - 1),
      ])
      .execute()
    expect(await expireBodies(store, now)).toBe(3)
    const left = await store.db.selectFrom('ledger_bodies').select('id').execute()
    expect(left).toEqual([{ id: 'c' }])
    const { rows: months } = await sql<{ name: string }>`
      select relname as name from pg_inherits join pg_class on oid = inhrelid
      where inhparent = 'ledger_bodies'::regclass and relname like '%2030%' order by 1`.execute(store.db)
    expect(months.map(({ name }) => name)).toEqual(['ledger_bodies_2030_03', 'ledger_bodies_2030_04'])
  })
})
