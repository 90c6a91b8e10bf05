import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../platform/clock.ts'
import { openStore } from '../../platform/store/open-store.ts'
import type { Store } from '../../platform/store/store.ts'
import type { StoreOptions } from '../../platform/store/store-options.ts'
import { createLogger, type Logger } from '../../platform/telemetry/logger.ts'
import { sealLine } from './journal/line.ts'
import { encodeRecord } from './journal/record-line.ts'
import { segmentName } from './journal/segments.ts'
import { keyRow, record } from './ledger.fixtures.ts'
import { type Ledger, type LedgerOptions, openLedger } from './ledger.ts'

let folder: string
let directory: string
let store: Store
let storeOptions: StoreOptions | undefined
let open: Ledger[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-ledger-'))
  directory = join(folder, 'journal')
  store = await openStore({ kind: 'sqlite', path: join(folder, 'store.db'), busyTimeoutMs: 50 })
  open = []
})
afterEach(async () => {
  for (const ledger of open) await ledger.close(1000)
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

function start(options: Partial<LedgerOptions> = {}): Ledger {
  const log = createLogger({ level: 'silent' })
  const ledger = openLedger({ directory, store, storeOptions, log, interval: 20, ...options })
  open.push(ledger)
  return ledger
}

const written = (ledger: Ledger, ...records: ReturnType<typeof record>[]): Promise<boolean[]> =>
  Promise.all(records.map(given => new Promise<boolean>(resolve => ledger.append(given, resolve))))

const rows = async (): Promise<number> =>
  Number(
    (
      await store.db
        .selectFrom('ledger')
        .select(eb => eb.fn.countAll<number>().as('n'))
        .executeTakeFirst()
    )?.n,
  )

const journalFiles = (): string[] => readdirSync(directory).filter(name => name.endsWith('.journal'))

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 20 s')
    await pause(20)
  }
}

describe.each([{ thread: 'the thread that appends' }, { thread: 'the thread of the store' }])(
  'shipped by $thread',
  ({ thread }) => {
    beforeEach(() => {
      const inThread = thread === 'the thread of the store'
      storeOptions = inThread ? { kind: 'sqlite', path: join(folder, 'store.db') } : undefined
    })

    it('brings what was appended into the store by itself, and leaves no files behind', async () => {
      const ledger = start()
      expect(await written(ledger, record(), record())).toEqual([true, true])
      await until(async () => (await rows()) === 2)
      await ledger.close(1000)
      expect(readdirSync(directory)).toEqual([])
      expect(await store.db.selectFrom('sink_cursors').selectAll().execute()).toEqual([])
    })

    it('waits out a store that is down, with its records on disk, and brings each of them once', async () => {
      await store.db.insertInto('keys').values(keyRow('k')).execute()
      const blocker = new DatabaseSync(join(folder, 'store.db'))
      blocker.exec('begin immediate')
      const ledger = start({ segmentBytes: 20_000 })
      for (let index = 0; index < 500; index++) await written(ledger, record({ cost: 2, caller: { token: 'k' } }))
      expect(await ledger.flush(300)).toBe(false)
      await until(() => ledger.backlog().oldestAt !== undefined)
      const backlog = ledger.backlog()
      expect(backlog.bytes).toBe(backlog.directoryBytes)
      expect(backlog.records).toBeGreaterThan(100)
      expect(backlog.oldestAt).toBe(record().endedAt)
      expect(journalFiles().length).toBeGreaterThan(5)
      blocker.exec('rollback')
      blocker.close()
      await until(async () => (await rows()) === 500)
      await until(() => ledger.backlog().bytes === 0)
      expect(ledger.backlog()).toMatchObject({ records: 0, oldestAt: undefined, shipped: 500, dropped: 0 })
      expect((await store.db.selectFrom('keys').select('spend').executeTakeFirst())?.spend).toBe(1000)
      await until(() => journalFiles().length === 1)
    })

    it('closes in time with the store down; the next start brings the rest', async () => {
      const blocker = new DatabaseSync(join(folder, 'store.db'))
      blocker.exec('begin immediate')
      const ledger = start()
      await written(ledger, record(), record(), record())
      await ledger.close(300)
      expect(statSync(join(directory, journalFiles()[0]!)).size).toBeGreaterThan(0)
      blocker.exec('rollback')
      blocker.close()
      start()
      await until(async () => (await rows()) === 3)
    })

    it('adopts what a killed process left, its torn last line apart', async () => {
      const dead = '00000000-0000-7000-8000-00000000dead'
      const [first, second, torn] = [record(), record(), record()].map(given => sealLine(encodeRecord(given)))
      const ledger = start()
      const path = join(directory, segmentName(dead, 3))
      writeFileSync(path, `${first}${second}${torn?.slice(0, 100)}`)
      await until(async () => (await rows()) === 2)
      expect(await ledger.flush(5000)).toBe(true)
      // It may still be written to, for all that can be known.
      expect(journalFiles()).toContain(segmentName(dead, 3))
      const old = new Date(Date.now() - 700_000)
      utimesSync(path, old, old)
      await until(() => !journalFiles().includes(segmentName(dead, 3)))
      expect(ledger.backlog().damaged).toBe(1)
      expect(await rows()).toBe(2)
    })

    it('reads on where the store says it is, also for files it has never seen', async () => {
      const ledger = start()
      await written(ledger, record(), record())
      await until(async () => (await rows()) === 2)
      await store.db.deleteFrom('ledger').execute()
      // A second process takes over: it must not bring again what retention removed.
      await pause(50)
      const name = journalFiles()[0]!
      const content = readFileSync(join(directory, name))
      await ledger.close(1000)
      writeFileSync(join(directory, name), content)
      await store.db
        .insertInto('sink_cursors')
        .values({ sink: `ledger:${name}`, seq: content.length, pending_seq: null, hash: null, updated_at: 0 } as never)
        .execute()
      appendFileSync(join(directory, name), sealLine(encodeRecord(record())))
      start()
      await until(async () => (await rows()) === 1)
      await pause(100)
      expect(await rows()).toBe(1)
    })

    it('shared by two, one ships for both, and the other goes on when it ends', async () => {
      const first = start()
      await until(() => readdirSync(directory).includes('shipper.lock'))
      const second = start()
      await written(first, record())
      await written(second, record())
      await until(async () => (await rows()) === 2)
      expect([first.backlog().shipped, second.backlog().shipped]).toEqual([2, 0])
      await first.close(1000)
      await written(second, record())
      await until(async () => (await rows()) === 3)
      expect(second.backlog().shipped).toBe(1)
    })

    it('without shipping only writes', async () => {
      const ledger = start({ ship: false })
      expect(await written(ledger, record())).toEqual([true])
      expect(await ledger.flush(1000)).toBe(false)
      expect(await rows()).toBe(0)
      start()
      await until(async () => (await rows()) === 1)
    })

    it.each(['refuse', 'drop'] as const)('keeps to its bound of disk with %s while the store is down', async onFull => {
      const blocker = new DatabaseSync(join(folder, 'store.db'))
      blocker.exec('begin immediate')
      const ledger = start({ maxBytes: 50_000, segmentBytes: 10_000, onFull })
      let taken = 0
      for (let index = 0; index < 1000; index++) {
        if (!ledger.accepting) break
        const [ok] = await written(ledger, record())
        if (ok === true) taken++
      }
      const bytes = journalFiles().reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
      expect(bytes).toBeGreaterThan(49_000)
      expect(bytes).toBeLessThan(51_000)
      expect(ledger.accepting).toBe(onFull === 'drop')
      expect(ledger.backlog().dropped).toBe(onFull === 'drop' ? 1000 - taken : 0)
      blocker.exec('rollback')
      blocker.close()
      await until(async () => (await rows()) === taken)
      await until(() => ledger.accepting && ledger.backlog().directoryBytes < 20_000)
      expect(await written(ledger, record())).toEqual([true])
    })

    it('a record the store refuses is set aside and holds up no other', async () => {
      const ledger = start()
      const records = Array.from({ length: 40 }, (_, index) => record(index === 17 ? { cost: 1e300 } : {}))
      await written(ledger, ...records)
      await until(async () => (await rows()) === 39)
      await until(() => ledger.backlog().bytes === 0)
      expect(ledger.backlog()).toMatchObject({ shipped: 39, rejected: 1 })
      const aside = readFileSync(join(directory, 'rejected.lines'), 'utf8')
      expect(JSON.parse(aside)).toMatchObject({ id: records[17]!.id, cost: 1e300 })
    })

    it('damaged lines are counted and left out; lines of a newer program are kept', async () => {
      const ledger = start()
      const damaged = '00000000-0000-7000-8000-00000000000a'
      const newer = '00000000-0000-7000-8000-00000000000b'
      const good = sealLine(encodeRecord(record()))
      const other = sealLine(encodeRecord(record()))
      writeFileSync(join(directory, segmentName(damaged, 0)), `${good.replace('fast', 'slow')}no line at all\n${other}`)
      writeFileSync(
        join(directory, segmentName(newer, 0)),
        `${sealLine(encodeRecord(record()))}${sealLine('[99,"?"]')}`,
      )
      await until(async () => (await rows()) === 2)
      await until(() => ledger.backlog().damaged === 2)
      const old = new Date(Date.now() - 700_000)
      for (const instance of [damaged, newer]) utimesSync(join(directory, segmentName(instance, 0)), old, old)
      await until(() => !journalFiles().includes(segmentName(damaged, 0)))
      await pause(100)
      expect(journalFiles()).toContain(segmentName(newer, 0))
      expect(ledger.backlog().bytes).toBeGreaterThan(0)
      expect(await ledger.flush(5000)).toBe(true)
    })

    it('notices that a file it writes to was taken away', async () => {
      const ledger = start({ clock: systemClock })
      await written(ledger, record())
      await until(async () => (await rows()) === 1)
      for (const name of journalFiles()) rmSync(join(directory, name))
      await until(() => ledger.backlog().directoryBytes === 0)
      await written(ledger, record())
      await until(async () => (await rows()) === 2)
    })
  },
)

describe('in the thread of the store', () => {
  it('nothing is shipped while a transaction is open there, nor does it wait for the other', async () => {
    const said: string[] = []
    const note = (_fields: object, message = ''): void => void said.push(message)
    const log = { ...createLogger({ level: 'silent' }), info: note, warn: note, error: note } as Logger
    const ledger = start({ log, storeOptions: { kind: 'sqlite', path: join(folder, 'store.db') } })
    await written(ledger, record())
    expect(await ledger.flush(10_000)).toBe(true)
    await store.db.transaction().execute(async trx => {
      await trx.insertInto('keys').values(keyRow('k')).execute()
      await written(ledger, record())
      expect(await ledger.flush(500)).toBe(false)
      // Waiting for the lock, the thread would not answer: it waits for a quarter of a second and longer.
      expect(await trx.selectFrom('ledger').select('id').execute()).toHaveLength(1)
    })
    expect(await ledger.flush(10_000)).toBe(true)
    expect(await rows()).toBe(2)
    expect(said).toEqual([])
  })

  it('shipping starts again when that ends, and ships what was left', async () => {
    const threads: Worker[] = []
    const seen = (worker: Worker): void => void threads.push(worker)
    process.on('worker', seen)
    const path = join(folder, 'other.db')
    const other = await openStore({ kind: 'sqlite', path })
    try {
      const ledger = start({ store: other, storeOptions: { kind: 'sqlite', path } })
      await written(ledger, record())
      expect(await ledger.flush(10_000)).toBe(true)
      expect(threads).toHaveLength(1)
      await threads[0]?.terminate()
      await written(ledger, record())
      // Asked while there is no thread: the next one is told.
      expect(await ledger.flush(20_000)).toBe(true)
      expect(await other.db.selectFrom('ledger').select('id').execute()).toHaveLength(2)
      expect(ledger.backlog()).toMatchObject({ shipped: 2, bytes: 0 })
      await ledger.close(5000)
    } finally {
      process.off('worker', seen)
      await other.close()
    }
  })
})
