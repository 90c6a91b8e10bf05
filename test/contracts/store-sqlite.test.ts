import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/platform/errors/gateway-error.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import { ensurePartitions, expireBodies, expireLedger } from '../../src/platform/store/retention.ts'
import { type Store, StoreUnavailable } from '../../src/platform/store/store.ts'
import { killStoreProcesses, startStoreProcess } from './store-process.ts'
import { ledgerRow, rows } from './store-rows.ts'

let folder = ''
let path = ''
let files = 0
let store: Store | undefined

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-sqlite-'))
})
beforeEach(() => {
  path = join(folder, `${++files}.db`)
})
afterEach(async () => {
  killStoreProcesses()
  await store?.close()
  store = undefined
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const open = async (options: { busyTimeoutMs?: number } = {}): Promise<Store> => {
  store = await openStore({ kind: 'sqlite', path, ...options })
  return store
}

/** Counts up for as long as nothing blocks the event loop. */
function heartbeat(): () => number {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  return () => {
    clearInterval(timer)
    return longest
  }
}

/** Seconds of work for SQLite, without a table. */
const slow = (steps: number) =>
  sql<{ n: number }>`select count(*) as n from (with recursive s(v) as
    (values(1) union all select v + 1 from s where v < ${steps}) select v from s)`

describe('several processes on one file', () => {
  it('loses no count of two that write at once', async () => {
    await (await open()).db
      .insertInto('settings')
      .values({ ...rows.settings, revision: 0 })
      .execute()
    const processes = [1, 2].map(() => startStoreProcess('count', path, 150))
    await Promise.all(processes.map(process => process.says(/ready/)))
    expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0])
    // The reader of this process sees what others have written.
    expect(await store?.db.selectFrom('settings').select('revision').execute()).toEqual([{ revision: 300 }])
  })

  it('lets a transaction that has read write later, whatever others do', async () => {
    const { db } = await open()
    await db.insertInto('settings').values(rows.settings).execute()
    const other = new DatabaseSync(path, { timeout: 0 })
    const attempt = db.transaction().execute(async trx => {
      await trx.selectFrom('settings').selectAll().execute()
      expect(() => other.exec('update settings set revision = 5')).toThrow(/locked/)
      await trx.updateTable('settings').set({ revision: 6 }).execute()
    })
    await attempt.finally(() => other.close())
    expect(await db.selectFrom('settings').select('revision').execute()).toEqual([{ revision: 6 }])
  })

  it('is made by whichever of four comes first', async () => {
    const processes = [1, 2, 3, 4].map(() => startStoreProcess('open', path))
    const ends = await Promise.all(processes.map(({ ended }) => ended))
    expect(ends, processes.map(process => process.output()).join('\n')).toEqual([0, 0, 0, 0])
    await open()
    const applied = await sql<{ id: number }>`select id from routeiq_migrations`.execute(store!.db)
    expect(applied.rows.map(({ id }) => id)).toEqual(applied.rows.map((_, index) => index + 1))
  })

  it('is consistent after a process was killed while writing', async () => {
    let written = 0
    for (let kill = 0; kill < 3; kill++) {
      rmSync(path, { force: true })
      for (const end of ['-wal', '-shm']) rmSync(path + end, { force: true })
      const writer = startStoreProcess('ledger', path)
      await writer.says(new RegExp(`wrote ${(kill + 1) * 150}\\n`))
      writer.kill()
      expect(await writer.ended).toBe('SIGKILL')
      const told = Number(/wrote (\d+)\n$/.exec(writer.output())?.[1])
      await open()
      const { count } = await store!.db
        .selectFrom('ledger')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      const { cost } = await store!.db.selectFrom('daily_spend').select('cost').executeTakeFirstOrThrow()
      expect([count % 50, cost]).toEqual([0, count])
      expect(count).toBeGreaterThanOrEqual(told)
      const check = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(store!.db)
      expect(check.rows).toEqual([{ integrity_check: 'ok' }])
      written += count
      await store!.close()
    }
    expect(written).toBeGreaterThanOrEqual(900)
  })

  it('forgets the transaction of a process that was killed inside it', async () => {
    const holder = startStoreProcess('hold', path, 60_000)
    await holder.says(/holding/)
    holder.kill()
    await holder.ended
    await open()
    expect(await store!.db.selectFrom('settings').selectAll().execute()).toEqual([])
    await store!.db.insertInto('settings').values(rows.settings).execute()
  })

  it('waits for a lock, then calls it an outage, then recovers', async () => {
    const changes: boolean[] = []
    store = await openStore({
      kind: 'sqlite',
      path,
      busyTimeoutMs: 200,
      onAvailability: available => void changes.push(available),
    })
    const holder = startStoreProcess('hold', path, 1500)
    await holder.says(/holding/)
    // Readers are not stopped by it, and do not see it.
    expect(await store.db.selectFrom('settings').selectAll().execute()).toEqual([])
    const write = store.db.insertInto('settings').values(rows.settings).execute()
    await expect(write).rejects.toThrow(StoreUnavailable)
    await expect(write).rejects.toThrow(/another process keeps it locked/)
    expect(store.available).toBe(false)
    await holder.says(/done/)
    await expect.poll(() => store?.available, { timeout: 10_000 }).toBe(true)
    await store.db.insertInto('settings').values(rows.settings).execute()
    expect(changes).toEqual([false, true])
  })
})

describe('retention', () => {
  it('removes old ledger rows in bounded steps', async () => {
    const { db } = await open()
    for (let start = 0; start < 5000; start += 500) {
      const batch = Array.from({ length: 500 }, (_, index) => ledgerRow(start + index))
      await db.insertInto('ledger').values(batch).execute()
    }
    const before = ledgerRow(4500).started_at
    await ensurePartitions(store!, before)
    expect(await expireLedger(store!, before, 1)).toBe(2000)
    expect(await expireLedger(store!, before)).toBe(2500)
    expect(await expireLedger(store!, before)).toBe(0)
    const left = await db
      .selectFrom('ledger')
      .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min('cost').as('first')])
      .execute()
    expect(left).toEqual([{ count: 500, first: 4500 }])
  })

  it('removes bodies when their time is over', async () => {
    const { db } = await open()
    const body = (id: string, expires_at: number) => ({ ...rows.ledger_bodies, id, expires_at })
    await db
      .insertInto('ledger_bodies')
      .values([body('a', 99), body('b', 100), body('c', 50)])
      .execute()
    expect(await expireBodies(store!, 100)).toBe(2)
    expect(await db.selectFrom('ledger_bodies').select('id').execute()).toEqual([{ id: 'b' }])
  })
})

describe('threads', () => {
  it('keeps the event loop and other work running beside a slow report', async () => {
    const { db } = await open()
    await db.insertInto('settings').values(rows.settings).execute()
    await db.selectFrom('settings').selectAll().execute()
    const stop = heartbeat()
    let reported = false
    const started = performance.now()
    const report = slow(20_000_000)
      .execute(db)
      .then(() => {
        reported = true
      })
    // Old enough to be known as slow.
    await new Promise(resolve => setTimeout(resolve, 100))
    await db.insertInto('ledger').values(ledgerRow(1)).execute()
    expect(await db.selectFrom('settings').select('revision').execute()).toEqual([{ revision: 1 }])
    expect(reported).toBe(false)
    await report
    // A loop that waits for the report would have stood still for as long as it took.
    expect(stop()).toBeLessThan((performance.now() - started) / 2)
  })

  it('gives an error for a result without bounds, and goes on', async () => {
    const { db } = await open()
    const endless = sql`select v, v from (with recursive s(v) as (values(1) union all select v + 1 from s limit 300000) select v from s)`
    await expect(endless.execute(db)).rejects.toThrow(/more than 200000 rows: read it page by page/)
    await db.insertInto('settings').values(rows.settings).execute()
    expect(await db.selectFrom('settings').selectAll().execute()).toEqual([rows.settings])
  })

  it('comes back when a thread runs out of memory', async () => {
    const { db } = await open()
    await db.insertInto('settings').values(rows.settings).execute()
    const huge = sql`select v, hex(randomblob(20000)) from
      (with recursive s(v) as (values(1) union all select v + 1 from s limit 150000) select v from s)`
    await expect(huge.execute(db)).rejects.toThrow(StoreUnavailable)
    await expect
      .poll(
        () =>
          db
            .selectFrom('settings')
            .selectAll()
            .execute()
            .catch(() => []),
        { timeout: 5000 },
      )
      .toEqual([rows.settings])
    await expect.poll(() => store?.available, { timeout: 5000 }).toBe(true)
  })

  it('sees columns that a newer program adds', async () => {
    const { db } = await open()
    await db.insertInto('settings').values(rows.settings).execute()
    expect(await db.selectFrom('settings').selectAll().execute()).toEqual([rows.settings])
    const other = new DatabaseSync(path)
    other.exec(`alter table settings add column added text not null default 'new'`)
    other.close()
    expect(await db.selectFrom('settings').selectAll().execute()).toEqual([{ ...rows.settings, added: 'new' }])
  })

  it('keeps no process alive that has nothing else to do', async () => {
    const program = `
      const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/platform/store/open-store.ts'))})
      const store = await openStore({ kind: 'sqlite', path: process.argv[1] })
      await store.db.selectFrom('settings').selectAll().execute()
      console.log('idle')`
    const { execFileSync } = await import('node:child_process')
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program, path], { timeout: 20_000 })
    expect(output.toString()).toBe('idle\n')
  })
})

describe('the file', () => {
  it('is for its owner only, and so is its log', async () => {
    const { db } = await open()
    await db.insertInto('settings').values(rows.settings).execute()
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600)
    await store?.close()
    // The last one to close moves the log into the file.
    expect(existsSync(`${path}-wal`)).toBe(false)
  })

  it('says what is wrong with a path', async () => {
    const attempt = (bad: string): Promise<Store> => openStore({ kind: 'sqlite', path: bad })
    await expect(attempt(join(folder, 'missing', 'x.db'))).rejects.toThrow(/ENOENT.*create its folder first/)
    mkdirSync(join(folder, 'a-folder.db'))
    await expect(attempt(join(folder, 'a-folder.db'))).rejects.toThrow(/EISDIR.*it is a folder/)
    await expect(attempt(join(folder, 'missing', 'x.db'))).rejects.toBeInstanceOf(GatewayError)
  })

  it('refuses a file that is no database, and leaves it alone', async () => {
    writeFileSync(path, 'these are not the pages of a database\n'.repeat(100))
    await expect(open()).rejects.toThrow(/not a database/)
    expect(statSync(path).size).toBe(3800)
  })

  it.skipIf(process.getuid?.() === 0)('refuses a file that it may not write', async () => {
    writeFileSync(path, '')
    chmodSync(path, 0o400)
    await expect(open()).rejects.toThrow(/EACCES.*must be able to write/)
  })
})
