import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { openStore } from '../../platform/store/open-store.ts'
import type { Store } from '../../platform/store/store.ts'
import { metric, silent, type TestLog, testLog, updated } from './audit.fixtures.ts'
import { checkSignature, makeCheckpoint, parseCheckpoint, readPublicKey, readSigningKey } from './checkpoint.ts'
import { keptCheckpoint, retainedFrom } from './kept-checkpoints.ts'
import { applyRetention } from './retention.ts'
import { AuditUpkeep, type UpkeepSettings } from './upkeep.ts'
import { verifyStore } from './verify-store.ts'

const { privateKey: key, publicKey } = generateKeyPairSync('ed25519')

let store: Store
let state: MemoryState
let log: TestLog
let now: number
beforeEach(async () => {
  store = await openStore({ kind: 'memory' })
  state = new MemoryState()
  log = testLog(store)
  now = Date.now()
})
afterEach(async () => {
  await log.audit.close()
  await state.close()
  await store.close()
})

const clock = { now: () => now, epoch: () => now }
const upkeep = (settings: Partial<UpkeepSettings>) =>
  new AuditUpkeep(
    { store, state, metrics: log.metrics, log: silent, clock },
    { key: undefined, interval: 1000, retention: undefined, sinks: [], ...settings },
  )
const record = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index++) await log.audit.record(updated(`t${index}`))
}
const breaks = (): unknown => metric(log.snapshot(), 'routeiq_audit_chain_breaks_total')

describe('checkpoints', () => {
  it('say where the chain is, signed, and only when it has moved', async () => {
    const work = upkeep({ key })
    await work.turn()
    expect(await keptCheckpoint(store.db)).toBeUndefined()
    await record(3)
    await work.turn()
    const first = (await keptCheckpoint(store.db))!
    expect([first.seq, checkSignature(first, publicKey)]).toEqual([3, 'valid'])
    now += 1000
    await work.turn()
    expect(await keptCheckpoint(store.db)).toEqual(first)
    await record(1)
    await work.turn()
    expect(await keptCheckpoint(store.db)).toMatchObject({ seq: 4 })
    expect(await verifyStore(store.db, { publicKey })).toMatchObject({ valid: true, checkpoints: 1 })
  })

  it('show that the end was cut off or rewritten, and are not made for such a chain', async () => {
    const work = upkeep({ key })
    await record(5)
    await work.turn()
    const { hash } = (await store.db.selectFrom('audit').select('hash').where('seq', '=', 5).executeTakeFirst())!
    await store.db.deleteFrom('audit').where('seq', '>', 3).execute()
    expect(await verifyStore(store.db)).toMatchObject({ valid: false, break: { kind: 'truncated_tail', seq: 4 } })
    // What is appended now makes the chain long enough again, but it is another one.
    await record(4)
    expect(await verifyStore(store.db)).toMatchObject({ valid: false, break: { kind: 'rewritten', seq: 5 } })
    await work.turn()
    expect([breaks(), await keptCheckpoint(store.db)]).toMatchObject([1, { seq: 5, hash }])
  })

  it('are one process’s work at a time', async () => {
    await record(1)
    const held = await state.lock('audit-upkeep', 60_000)
    await upkeep({ key }).turn()
    expect(await keptCheckpoint(store.db)).toBeUndefined()
    await held!.release()
    await upkeep({ key }).turn()
    expect(await keptCheckpoint(store.db)).toMatchObject({ seq: 1 })
  })

  it('are read back from JSON, with keys in both forms', () => {
    const seed = key.export({ type: 'pkcs8', format: 'der' }).subarray(-32).toString('base64')
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')
    for (const text of [seed, key.export({ type: 'pkcs8', format: 'pem' }).toString()]) {
      const signed = makeCheckpoint({ seq: 7, hash: 'v1:x', at: 5 }, readSigningKey(text))
      expect(parseCheckpoint(JSON.stringify(signed))).toEqual(signed)
      for (const form of [raw, publicKey.export({ type: 'spki', format: 'pem' }).toString()]) {
        expect(checkSignature(signed, readPublicKey(form))).toBe('valid')
      }
      expect(checkSignature(signed, undefined)).toBe('unchecked')
      expect(checkSignature({ ...signed, seq: 8 }, createPublicKey(key))).toBe('invalid')
    }
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
    for (const bad of ['', 'x', rsa.toString(), seed.slice(4)]) expect(readSigningKey(bad), bad).toBeUndefined()
    for (const bad of ['', '{}', '[]', '{"version":2,"seq":1,"hash":"a","at":1}', '{"version":1,"seq":"1"}']) {
      expect(parseCheckpoint(bad), bad).toBeUndefined()
    }
  })
})

describe('retention', () => {
  const days = 86_400_000
  const age = (through: number, by: number) =>
    store.db
      .updateTable('audit')
      .set({ at: now - by })
      .where('seq', '<=', through)
      .execute()
  const seqs = async () =>
    (await store.db.selectFrom('audit').select('seq').orderBy('seq').execute()).map(({ seq }) => seq)

  it('removes what is old, says so, and leaves a chain that verifies from a signed mark', async () => {
    await record(10)
    await upkeep({ key }).turn()
    const whole = await verifyStore(store.db)
    // Times are part of the hashes: the clock moves on instead of the records being made older.
    expect(whole.valid).toBe(true)
    now += 2.1 * days
    await upkeep({ key, retention: 2 * days }).turn()
    // Too few are old enough to be worth a record.
    expect(await seqs()).toHaveLength(10)
    now += days
    await upkeep({ key, retention: 2 * days }).turn()
    const left = await store.db.selectFrom('audit').selectAll().orderBy('seq').execute()
    expect(left.map(({ seq, object_kind }) => [seq, object_kind])).toEqual([
      [10, 'team'],
      [11, 'audit'],
    ])
    expect(left[1]).toMatchObject({ action: 'deleted', actor: 'system:retention', object_id: 'through 9' })
    expect(checkSignature((await retainedFrom(store.db))!, publicKey)).toBe('valid')
    expect(await verifyStore(store.db, { publicKey })).toMatchObject({
      valid: true,
      first: 10,
      last: 11,
      checkpoints: 1,
    })

    // Without the mark, or with another one, it does not verify.
    const mark = (await retainedFrom(store.db))!
    const forge = (value: object) =>
      store.db
        .updateTable('settings')
        .set({ value: JSON.stringify(value) })
        .where('name', '=', 'audit.retained_from')
        .execute()
    await forge(makeCheckpoint({ ...mark, hash: 'v1:00' }, generateKeyPairSync('ed25519').privateKey))
    expect(await verifyStore(store.db, { publicKey })).toMatchObject({ break: { kind: 'bad_checkpoint', seq: 9 } })
    expect(await verifyStore(store.db)).toMatchObject({ break: { kind: 'unlinked', seq: 10 } })
    await store.db.deleteFrom('settings').where('name', '=', 'audit.retained_from').execute()
    expect(await verifyStore(store.db)).toMatchObject({ break: { kind: 'truncated_head', seq: 1 } })
  })

  it('waits for every sink, keeps young records and always the last one', async () => {
    await record(10)
    const request = { key: undefined, now, before: now - 1, sinks: [] as string[] }
    const cursor = (sink: string, seq: number) =>
      store.db.insertInto('sink_cursors').values({ sink, seq, hash: null, pending_seq: null, updated_at: 0 }).execute()
    await age(10, 5)
    await cursor('fast', 10)
    await cursor('slow', 4)
    expect(await applyRetention(store, { ...request, sinks: ['fast', 'slow', 'new'] })).toBe(0)
    // The record at a sink's cursor stays: by it the sink's place is recognised.
    expect(await applyRetention(store, { ...request, sinks: ['fast', 'slow'] })).toBe(3)
    expect(await seqs()).toEqual([4, 5, 6, 7, 8, 9, 10, 11])
    expect(await applyRetention(store, { ...request, before: now - 10 })).toBe(0)
    expect(await applyRetention(store, request)).toBe(7)
    expect(await applyRetention(store, { ...request, before: now + 10_000 })).toBe(1)
    expect(await seqs()).toEqual([12, 13])
  })
})
