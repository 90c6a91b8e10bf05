import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../../platform/store/open-store.ts'
import type { Store } from '../../../platform/store/store.ts'
import { chain } from '../audit.fixtures.ts'
import { parseLine } from '../record.ts'
import { confirm, isFollowed, plan, readCursor, rewind } from './cursor.ts'
import { gather } from './next-batch.ts'

let store: Store
const records = chain(350)
beforeEach(async () => {
  store = await openStore({ kind: 'memory' })
  await store.db.insertInto('audit').values(records).execute()
})
afterEach(() => store.close())

const at = (seq: number, pending?: number) => ({ seq, hash: undefined, pending })
const limits = { records: 1000, bytes: 1e9, wait: 0 }
const bounds = async (seq: number, more: object, pending?: number) => {
  const batch = await gather(store.db, at(seq, pending), { ...limits, ...more })
  return batch && [batch.first, batch.last, batch.records.length]
}

describe('a batch', () => {
  it('goes on after the cursor, up to its limits', async () => {
    expect(await bounds(0, {})).toEqual([1, 350, 350])
    expect(await bounds(0, { records: 100 })).toEqual([1, 100, 100])
    expect(await bounds(300, { records: 100 })).toEqual([301, 350, 50])
    expect(await bounds(350, {})).toBeUndefined()
    const [, last = 0] = (await bounds(0, { bytes: 10_000 })) ?? []
    const batch = (await gather(store.db, at(0), { ...limits, bytes: 10_000 }))!
    expect(Buffer.byteLength(batch.ndjson)).toBeLessThanOrEqual(10_000)
    expect([last > 5, last < 50]).toEqual([true, true])
    // One record that is larger than a batch may be still has to go.
    expect(await bounds(0, { bytes: 1 })).toEqual([1, 1, 1])
  })

  it('that was decided before has the end that was decided, whatever the limits are now', async () => {
    expect(await bounds(10, { records: 5, bytes: 1 }, 250)).toEqual([11, 250, 240])
  })

  it('is NDJSON of the very records', async () => {
    const batch = (await gather(store.db, at(347), limits))!
    expect(batch.ndjson.endsWith('\n')).toBe(true)
    expect(batch.ndjson.trimEnd().split('\n').map(parseLine)).toEqual(records.slice(347))
  })
})

describe('a cursor', () => {
  it('moves only by who knows where it is, and a plan is made once', async () => {
    const { db } = store
    const start = await readCursor(db, 's')
    expect(start).toEqual({ seq: 0, hash: undefined, pending: undefined })
    expect([await plan(db, 's', start, 10, 0), await plan(db, 's', start, 12, 0)]).toEqual([true, false])
    const planned = await readCursor(db, 's')
    expect(planned.pending).toBe(10)
    const batch = (await gather(db, planned, limits))!
    await confirm(db, 's', planned, batch, 0)
    expect(await readCursor(db, 's')).toEqual({ seq: 10, hash: records[9]!.hash, pending: undefined })
    // A second shipper that was slower: it had sent the same batch, and changes nothing.
    await confirm(db, 's', planned, { ...batch, last: 4 }, 0)
    expect((await readCursor(db, 's')).seq).toBe(10)
    expect(await plan(db, 's', planned, 20, 0)).toBe(false)
  })

  it('knows the record it stands at', async () => {
    const cursor = { seq: 10, hash: records[9]!.hash, pending: undefined }
    expect(await isFollowed(store.db, cursor)).toBe(true)
    expect(await isFollowed(store.db, { ...cursor, hash: records[8]!.hash })).toBe(false)
    expect(await isFollowed(store.db, { ...cursor, seq: 999 })).toBe(false)
    await rewind(store.db, 's', 0)
    expect((await readCursor(store.db, 's')).seq).toBe(0)
  })
})
