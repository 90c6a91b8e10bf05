import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MemoryState } from '../../../platform/shared-state/memory/memory-state.ts'
import { openStore } from '../../../platform/store/open-store.ts'
import type { Store } from '../../../platform/store/store.ts'
import { createLogger } from '../../../platform/telemetry/logger.ts'
import { record } from '../ledger.fixtures.ts'
import { shipBatch } from '../shipping/ship-batch.ts'
import { nextRun, parseCron } from './cron.ts'
import { Retention, type RetentionSettings } from './retention.ts'

const day = 86_400_000
const now = Date.UTC(2026, 10, 23, 12)

describe('a cron line', () => {
  it.each([
    ['* * * * *', '2026-11-23T12:01'],
    ['0 4 * * *', '2026-11-24T04:00'],
    ['30 12 * * *', '2026-11-23T12:30'],
    ['*/20 13-14 * * *', '2026-11-23T13:00'],
    ['5/25 * * * *', '2026-11-23T12:05'],
    ['0 0 1 * *', '2026-12-01T00:00'],
    ['0 0 29 2 *', '2028-02-29T00:00'],
    ['0 0 * * 0', '2026-11-29T00:00'],
    ['0 0 * * 7', '2026-11-29T00:00'],
    ['0 0 * * 1-5', '2026-11-24T00:00'],
    // crontab(5): either the 13th or a Friday.
    ['0 0 13 * 5', '2026-11-27T00:00'],
    ['15,45 23 31 12 *', '2026-12-31T23:15'],
  ])('%s next fits %s', (line, expected) => {
    expect(new Date(nextRun(parseCron(line), now)!).toISOString().slice(0, 16)).toBe(expected)
  })

  it('that never fits says so', () => {
    expect(nextRun(parseCron('0 0 31 4 *'), now)).toBeUndefined()
  })

  it.each([
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    'a * * * *',
    '1,,2 * * * *',
    '@daily',
  ])('refuses %s', line => {
    expect(() => parseCron(line)).toThrow(RangeError)
  })
})

describe('retention', () => {
  let store: Store
  const state = new MemoryState()
  let settings: RetentionSettings
  let elapsed = 0

  beforeAll(async () => {
    store = await openStore({ kind: 'memory' })
  })
  afterAll(async () => {
    await state.close()
    await store.close()
  })

  const retention = (): Retention =>
    new Retention({
      store,
      state,
      clock: { now: () => elapsed, epoch: () => now },
      log: createLogger({ level: 'silent' }),
      settings: () => settings,
    })

  const ages = async (): Promise<number[]> => {
    const rows = await store.db.selectFrom('ledger').select('started_at').orderBy('started_at').execute()
    return rows.map(row => (now - row.started_at) / day)
  }

  async function fill(...days: readonly number[]): Promise<void> {
    await store.db.deleteFrom('ledger').execute()
    await store.db.deleteFrom('ledger_bodies').execute()
    const records = days.map(age => record({ startedAt: now - age * day }))
    const bodies = records.map(({ id, startedAt }) => ({
      id,
      started_at: startedAt,
      request: '{}',
      response: null,
      expires_at: startedAt + 5 * day,
    }))
    await shipBatch(store, { segment: `s${Math.random()}`, from: 0, to: 1, records, bodies }, now)
  }

  it('removes calls that are older than the period, and bodies whose time is over; sums stay', async () => {
    await fill(40, 31, 30.01, 29.99, 6, 1)
    settings = { period: 30 * day }
    expect(await retention().run()).toEqual({ records: 3, bodies: 5, complete: true })
    expect(await ages()).toEqual([29.99, 6, 1])
    const sums = await store.db.selectFrom('daily_spend').select('requests').where('entity', '=', 'all').execute()
    expect(sums.reduce((total, row) => total + row.requests, 0)).toBe(6)
  })

  it('without a period keeps calls for ever, but no bodies', async () => {
    await fill(4000, 1)
    settings = { period: undefined }
    expect(await retention().run()).toEqual({ records: 0, bodies: 1, complete: true })
    expect(await ages()).toEqual([4000, 1])
  })

  it('stops at its bounds of rows and of time, and goes on the next time', async () => {
    await fill(...Array.from({ length: 30 }, (_, index) => 50 + index))
    settings = { period: 30 * day, runBudget: 0 }
    expect(await retention().run()).toEqual({ records: 0, bodies: 0, complete: false })
    settings = { period: 30 * day, maxRows: 5 }
    expect(await retention().run()).toMatchObject({ complete: false })
    settings = { period: 30 * day }
    expect(await retention().run()).toMatchObject({ complete: true })
    expect(await ages()).toEqual([])
  })

  it('leaves the work to another process that is at it', async () => {
    await fill(40)
    settings = { period: 30 * day }
    const lock = await state.lock('ledger-retention', 10_000)
    expect(await retention().run()).toBeUndefined()
    expect(await ages()).toEqual([40])
    await lock?.release()
    expect(await retention().run()).toMatchObject({ records: 1 })
    elapsed++
  })

  it('forgets the cursors of journal files that are long gone', async () => {
    const cursor = { pending_seq: null, hash: null, seq: 5 }
    await store.db
      .insertInto('sink_cursors')
      .values([
        { sink: 'ledger:old', updated_at: now - 401 * day, ...cursor },
        { sink: 'ledger:young', updated_at: now - 399 * day, ...cursor },
        { sink: 'kafka', updated_at: now - 500 * day, ...cursor },
      ])
      .execute()
    settings = { period: undefined }
    await retention().run()
    const sinks = await store.db.selectFrom('sink_cursors').select('sink').where('seq', '=', 5).execute()
    expect(sinks.map(row => row.sink).sort()).toEqual(['kafka', 'ledger:young'])
  })
})
