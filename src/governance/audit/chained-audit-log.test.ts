import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../platform/store/open-store.ts'
import type { Store } from '../../platform/store/store.ts'
import { alice, metric, silent, testLog, updated } from './audit.fixtures.ts'
import type { AuditEvent } from './audit-log.ts'
import { ChainedAuditLog } from './chained-audit-log.ts'
import { verifyStore } from './verify-store.ts'

let store: Store
beforeEach(async () => {
  store = await openStore({ kind: 'memory' })
})
afterEach(() => store.close())

const denied = (objectId: string): AuditEvent => ({ actor: alice, action: 'denied', objectKind: 'route', objectId })
const rows = () => store.db.selectFrom('audit').selectAll().orderBy('seq').execute()

describe('the audit log', () => {
  it('holds what no column could: NUL, half characters, secrets, endless texts', async () => {
    const { audit } = testLog(store)
    await audit.record(
      updated('a\0b\ud800', {
        actor: { name: `x${'😀'.repeat(1000)}`, token: undefined, address: undefined },
        after: { 'n\0\udc00': 'v\0\ud83d', big: 'y'.repeat(1e6), api_key: 'sk-abcdefghijkl' },
      }),
    )
    const [row] = await rows()
    expect(row!.object_id).toBe('a\uFFFDb\uFFFD')
    expect(JSON.stringify(row)).not.toContain('abcdefghijkl')
    expect(JSON.stringify(row).length).toBeLessThan(6000)
    expect(await verifyStore(store.db)).toMatchObject({ valid: true, records: 1 })
  })

  it('goes with the transaction it is given, forth and back', async () => {
    const { audit } = testLog(store)
    await audit.record(updated('before'))
    const failing = store.db.transaction().execute(async trx => {
      await audit.recordIn(trx, updated('x'), updated('y'))
      throw new Error('the change failed')
    })
    await expect(failing).rejects.toThrow('the change failed')
    await store.db.transaction().execute(trx => audit.recordIn(trx, updated('after'), updated('last')))
    expect((await rows()).map(({ seq, object_id }) => [seq, object_id])).toEqual([
      [1, 'before'],
      [2, 'after'],
      [3, 'last'],
    ])
    expect(await verifyStore(store.db)).toMatchObject({ valid: true, records: 3 })
  })

  it('takes many records of one transaction', async () => {
    const { audit } = testLog(store)
    const events = Array.from({ length: 333 }, (_, index) => updated(`team-${index}`))
    await store.db.transaction().execute(trx => audit.recordIn(trx, ...events))
    expect(await verifyStore(store.db)).toMatchObject({ valid: true, records: 333 })
  })

  it('writes denials together, and what was folded at the end', async () => {
    const { audit, snapshot } = testLog(store, { perActor: 3, total: 100, actors: 10, window: 3_600_000 })
    await Promise.all(Array.from({ length: 50 }, (_, index) => audit.record(denied(`/r/${index}`))))
    // The three that were not folded were awaited; the rest waits for the end of the window, here for the shutdown.
    expect((await rows()).map(({ outcome, object_id }) => [outcome, object_id])).toEqual([
      ['denied', '/r/0'],
      ['denied', '/r/1'],
      ['denied', '/r/2'],
    ])
    await audit.close()
    const summary = (await rows()).at(-1)!
    expect([summary.seq, summary.object_kind, JSON.parse(summary.details!)]).toMatchObject([
      4,
      'denials',
      { folded: 47 },
    ])
    expect(metric(snapshot(), 'routeiq_audit_denials_folded_total')).toBe(47)
    expect(metric(snapshot(), 'routeiq_audit_records_total', 'denied', 'denied')).toBe(4)
  })

  it('closes a window of denials by itself', async () => {
    const { audit } = testLog(store, { perActor: 1, total: 100, actors: 10, window: 50 })
    await Promise.all(Array.from({ length: 5 }, () => audit.record(denied('/x'))))
    while ((await rows()).length < 2) await new Promise(resolve => setTimeout(resolve, 10))
    expect(JSON.parse((await rows())[1]!.details!)).toMatchObject({ folded: 4 })
    await audit.close()
  })

  it('keeps denials while the store refuses, bounded, and writes each once', async () => {
    const { audit } = testLog(store, { perActor: 10_000, total: 10_000, actors: 10, window: 3_600_000 })
    await store.db.schema.alterTable('audit').renameTo('away').execute()
    await expect(audit.record(updated('a change'))).rejects.toThrow()
    const written: string[] = []
    const all = Array.from({ length: 1500 }, async (_, index) => {
      await audit.record(denied(`/r/${index}`))
      written.push(`/r/${index}`)
    })
    // 500 found no room and were folded at once.
    while (written.length < 500) await new Promise(resolve => setTimeout(resolve, 10))
    await new Promise(resolve => setTimeout(resolve, 700))
    expect(written).toHaveLength(500)
    await store.db.schema.alterTable('away').renameTo('audit').execute()
    await Promise.all(all)
    await audit.close()
    const found = await rows()
    expect(found).toHaveLength(1001)
    expect(new Set(found.map(({ object_id }) => object_id)).size).toBe(1001)
    expect(JSON.parse(found.at(-1)!.details!)).toMatchObject({ folded: 500 })
    expect(await verifyStore(store.db)).toMatchObject({ valid: true, records: 1001 })
  })

  it('does not write twice what a lost connection left in doubt', async () => {
    // The commit happens, but its answer is lost: once.
    let lost = false
    const doubtful = new Proxy(store.db, {
      get(db, name) {
        const value: unknown = Reflect.get(db, name, db)
        if (name !== 'transaction') return typeof value === 'function' ? value.bind(db) : value
        return () => ({
          execute: async (work: Parameters<ReturnType<typeof db.transaction>['execute']>[0]) => {
            const result = await db.transaction().execute(work)
            if (lost) return result
            lost = true
            throw new Error('connection lost during the commit')
          },
        })
      },
    })
    const { metrics } = testLog(store)
    const shaky: Store = { ...store, dialect: store.dialect, db: doubtful }
    const log = new ChainedAuditLog({ store: shaky, log: silent, metrics }, { enabled: true })
    await log.record(denied('/once'))
    expect([lost, (await rows()).map(({ object_id }) => object_id)]).toEqual([true, ['/once']])
    await log.close()
  })
})
