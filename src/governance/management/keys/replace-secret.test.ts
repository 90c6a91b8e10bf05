import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../platform/clock.ts'
import { SecretUnavailable } from '../../../platform/secrets/backend.ts'
import { Secret } from '../../../platform/security/secret.ts'
import { MemoryState } from '../../../platform/shared-state/memory/memory-state.ts'
import { openStore } from '../../../platform/store/open-store.ts'
import type { Store } from '../../../platform/store/store.ts'
import { createLogger } from '../../../platform/telemetry/logger.ts'
import type { AuditEvent } from '../../audit/audit-log.ts'
import { lookUpKey } from '../../authentication/lookup.ts'
import { tokenOf } from '../../authentication/token-hash.ts'
import { Cipher } from '../../encryption/cipher.ts'
import { Governance } from '../../governance.ts'
import { keyRow } from '../../ledger/ledger.fixtures.ts'
import { Calendar } from '../../limits/windows.ts'
import type { Management } from '../management.ts'
import { KeySecrets, type VirtualKeyStore } from './key-secrets.ts'
import { Keys } from './keys.ts'
import { replaceSecret } from './replace-secret.ts'

const now = Date.UTC(2026, 10, 23)
const actor = { name: 'system:test', token: undefined, address: undefined }
const log = createLogger({ stream: { write() {} } })
const old = 'sk-old-secret-of-a-key'

let store: Store
let state: MemoryState
let audit: AuditEvent[]
let clock: Clock & { time: number }
const written = new Map<string, string>()
let onWrite: (name: string, secret: string) => Promise<void>

beforeEach(async () => {
  store = await openStore({ kind: 'memory' })
  state = new MemoryState()
  audit = []
  written.clear()
  onWrite = async () => undefined
  clock = { time: now, now: () => clock.time, epoch: () => clock.time }
  await store.db
    .insertInto('keys')
    .values({ ...keyRow(tokenOf(old)), key_alias: 'app', spend: 70 })
    .execute()
})
afterEach(async () => {
  await state.close()
  await store.close()
})

const manager = (): VirtualKeyStore => ({
  storesVirtualKeys: true,
  reservedForConfig: () => false,
  async storeVirtualKey(name, secret) {
    await onWrite(name, secret)
    written.set(name, secret)
    return true
  },
  removeVirtualKey: async name => written.delete(name),
})

function management(keyStore: VirtualKeyStore | undefined): Management {
  const governance = new Governance({
    store,
    state,
    clock,
    recordIn: async (_trx, event) => void audit.push(event),
    cache: { ttl: 1000, maxEntries: 10, staleFor: 1000 },
  })
  return {
    governance,
    clock,
    cipher: new Cipher(new Secret('sk-salt'), []),
    checkModel: async () => undefined,
    checkConfig: () => undefined,
    refresh: async () => undefined,
    keyStore,
    log,
    settings: () => ({
      defaultKeyParams: {},
      upperKeyParams: {},
      keyGeneration: {},
      keysNeedTeam: false,
      defaultUserParams: {},
      defaultTeamParams: {},
      calendar: new Calendar(),
    }),
  }
}

const opens = async (secret: string): Promise<boolean> =>
  (await lookUpKey(store.db, tokenOf(secret), clock.time)) !== undefined
const current = () => store.db.selectFrom('keys').selectAll().where('key_alias', '=', 'app').executeTakeFirstOrThrow()

describe('a new secret for a key', () => {
  const replace = async (secret: string, oldUntil: number | null = null, row = current()) => {
    const own = management(manager())
    const secrets = new KeySecrets(own.keyStore, log)
    return replaceSecret(own, secrets, actor, await row, { secret, oldUntil, expiresAt: null })
  }

  it('opens before anybody can read it, and the old one as long as it can be read', async () => {
    let seen: boolean[] = []
    onWrite = async (_name, secret) => {
      seen = [await opens(secret), await opens(old)]
    }
    const after = await replace('sk-new-secret')
    expect(seen).toEqual([true, true])
    expect([await opens('sk-new-secret'), await opens(old)]).toEqual([true, false])
    expect(written.get('app')).toBe('sk-new-secret')
    expect(after.spend).toBe(70)
    expect(await current()).toMatchObject({
      token: tokenOf('sk-new-secret'),
      spend: 70,
      spend_base: 70,
      spend_since: now,
    })
    expect(audit.map(({ action, objectId }) => [action, objectId])).toEqual([['rotated', tokenOf('sk-new-secret')]])
    expect(JSON.stringify(audit)).not.toContain('sk-new-secret')
    expect(await store.db.selectFrom('deprecated_keys').selectAll().execute()).toEqual([])
  })

  it('leaves the old one its grace period, through further replacements', async () => {
    await replace('sk-second-secret', now + 1000)
    await replace('sk-third-secret')
    expect([await opens(old), await opens('sk-second-secret'), await opens('sk-third-secret')]).toEqual([
      true,
      false,
      true,
    ])
    clock.time = now + 1000
    expect([await opens(old), await opens('sk-third-secret')]).toEqual([false, true])
  })

  it('leaves nothing behind when the manager refuses it', async () => {
    onWrite = async () => {
      throw new SecretUnavailable('vault: away')
    }
    await expect(replace('sk-new-secret')).rejects.toMatchObject({ code: 'store_unavailable' })
    expect([await opens('sk-new-secret'), await opens(old)]).toEqual([false, true])
    expect(audit).toEqual([])
  })

  it('is made once by two who replace the same key', async () => {
    // Without an alias nothing else would tell that there are two.
    const row = { ...(await current()), key_alias: null }
    await store.db.updateTable('keys').set({ key_alias: null }).execute()
    await replace('sk-first-of-two', null, Promise.resolve(row))
    await expect(replace('sk-second-of-two', null, Promise.resolve(row))).rejects.toMatchObject({ code: 'conflict' })
    expect([await opens('sk-first-of-two')]).toEqual([true])
    expect(await store.db.selectFrom('keys').select('token').execute()).toHaveLength(1)
  })
})

describe('keys whose rotation is due', () => {
  const due = async (token: string, changes: object = {}) =>
    store.db
      .insertInto('keys')
      .values({
        ...keyRow(token),
        key_alias: token,
        rotates_at: now - 1,
        settings: '{"rotation_interval":"1d"}',
        ...changes,
      })
      .execute()
  const tokens = async () => (await store.db.selectFrom('keys').select('token').execute()).map(({ token }) => token)

  it('are replaced one by one; one that fails holds up no other', async () => {
    await due('fails')
    await due('works')
    await due('later', { rotates_at: now + 1 })
    await due('blocked', { blocked: 1 })
    await due('expired', { expires_at: now - 1 })
    onWrite = async name => {
      if (name === 'fails') throw new SecretUnavailable('vault: not this one')
    }
    const keys = new Keys(management(manager()))
    expect(await keys.rotateDue(actor, '1h', async () => true)).toEqual({ replaced: 1, waiting: 0 })
    const left = await tokens()
    expect(left).toEqual(expect.arrayContaining(['fails', 'later', 'blocked', 'expired', tokenOf(old)]))
    expect(left).not.toContain('works')
    const rotated = await store.db.selectFrom('keys').selectAll().where('key_alias', '=', 'works').executeTakeFirst()
    expect(rotated).toMatchObject({ rotates_at: now + 86_400_000, token: tokenOf(written.get('works') ?? '') })
    expect(JSON.parse(rotated?.settings ?? '')).toMatchObject({ rotation_count: 1, secret_name: 'works' })
    expect(await lookUpKey(store.db, 'works', now + 3_599_999), 'in its grace period').toBeDefined()
    expect(await lookUpKey(store.db, 'works', now + 3_600_000)).toBeUndefined()
  })

  it('stay as they are where nobody takes the new secret, or the lock is gone', async () => {
    await due('waits')
    const before = await tokens()
    expect(await new Keys(management(undefined)).rotateDue(actor, undefined, async () => true)).toEqual({
      replaced: 0,
      waiting: 1,
    })
    const keys = new Keys(management(manager()))
    expect(await keys.rotateDue(actor, undefined, async () => false)).toEqual({ replaced: 0, waiting: 0 })
    expect(await tokens()).toEqual(before)
  })
})
