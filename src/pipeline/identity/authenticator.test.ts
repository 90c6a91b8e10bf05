import type { IncomingHttpHeaders } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Denial } from '../../governance/authentication/lookup.ts'
import { type Known, PrincipalCache } from '../../governance/authentication/principal-cache.ts'
import { tokenOf } from '../../governance/authentication/token-hash.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import { Authenticator, type StaticKeys, type TokenAuthenticator } from './authenticator.ts'
import { administrator, MasterKey } from './master-key.ts'

const keys: StaticKeys = {
  master: new MasterKey('sk-master'),
  admins: [new MasterKey('sk-admin', 'admin_key')],
  extraHeader: 'x-team-key',
}
const absent: Known = { principal: undefined, denial: undefined }

function gatewayWith(stored: Record<string, Known>, further: TokenAuthenticator[] = []) {
  const time = { now: 0, epoch: 1_000_000 }
  const clock = { now: () => time.now, epoch: () => time.epoch }
  const state = { down: false, loads: 0 }
  const byToken = new Map(Object.entries(stored).map(([key, known]) => [tokenOf(key), known]))
  const cache = new PrincipalCache({
    clock,
    load: async token => {
      state.loads++
      if (state.down) throw new StoreUnavailable('away')
      return byToken.get(token) ?? absent
    },
    ttl: 60_000,
    absentTtl: 5000,
    staleFor: 3_600_000,
    maxEntries: 10,
  })
  const authenticator = new Authenticator(cache, clock, further)
  const ask = async (headers: IncomingHttpHeaders) =>
    authenticator.authenticate(keys, { method: 'POST', headers, address: '127.0.0.1', peer: '127.0.0.1' })
  return { time, state, cache, authenticator, ask, byToken }
}

const holder = (key: string, changes: object = {}, denial?: Denial): Known => ({
  principal: { ...administrator('virtual_key', tokenOf(key)), role: 'internal_user', admin: false, ...changes },
  denial,
})

describe('the authenticator', () => {
  it.each([
    'authorization',
    'x-litellm-api-key',
    'api-key',
    'x-api-key',
    'x-goog-api-key',
    'ocp-apim-subscription-key',
    'x-team-key',
  ])('takes a key from %s, bare or as a bearer token', async header => {
    const { ask } = gatewayWith({ 'sk-a': holder('sk-a') })
    for (const value of ['sk-a', 'Bearer sk-a', 'bearer sk-a']) {
      expect(await ask({ [header]: value })).toMatchObject({ proof: 'virtual_key', token: tokenOf('sk-a') })
    }
    expect(await ask({ [header]: 'sk-master' })).toMatchObject({ proof: 'master_key', admin: true })
    expect(await ask({ [header]: 'sk-admin' })).toMatchObject({ proof: 'admin_key', admin: true })
    await expect(ask({ [header]: 'sk-wrong' })).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' })
  })

  it('knows no header that was not configured', async () => {
    const { ask } = gatewayWith({})
    for (const headers of [{}, { authorization: '' }, { 'x-other': 'sk-master' }]) {
      await expect(ask(headers)).rejects.toMatchObject({ status: 401, message: /^No API key given/ })
    }
  })

  it('says why a key that exists may not come in', async () => {
    const { ask, time } = gatewayWith({
      'sk-old': holder('sk-old', { expiresAt: 2_000_000 }),
      'sk-blocked': holder('sk-blocked', {}, 'key_blocked'),
      'sk-team': holder('sk-team', {}, 'team_blocked'),
    })
    await ask({ authorization: 'Bearer sk-old' })
    time.epoch = 2_000_000
    await expect(ask({ authorization: 'Bearer sk-old' })).rejects.toMatchObject({ status: 401, code: 'expired_key' })
    await expect(ask({ authorization: 'sk-blocked' })).rejects.toMatchObject({ status: 401, code: 'key_blocked' })
    await expect(ask({ authorization: 'sk-team' })).rejects.toMatchObject({
      message: /team of this API key is blocked/,
    })
  })

  it('answers a known key without asking, and without a promise', async () => {
    const { ask, state, authenticator } = gatewayWith({ 'sk-a': holder('sk-a') })
    await Promise.all([ask({ authorization: 'sk-a' }), ask({ authorization: 'sk-a' })])
    const again = authenticator.authenticate(keys, {
      method: 'POST',
      headers: { authorization: 'sk-a' },
      address: '',
      peer: '',
    })
    expect(again).not.toBeInstanceOf(Promise)
    expect(state.loads).toBe(1)
  })

  it('never takes an outage for a wrong key', async () => {
    const { ask, state, time } = gatewayWith({ 'sk-a': holder('sk-a') })
    await ask({ authorization: 'sk-a' })
    state.down = true
    time.now += 120_000
    expect(await ask({ authorization: 'sk-a' })).toMatchObject({ token: tokenOf('sk-a') })
    await expect(ask({ authorization: 'sk-new' })).rejects.toMatchObject({ status: 503, code: 'identity_unavailable' })
    time.now += 3_600_000
    await expect(ask({ authorization: 'sk-a' })).rejects.toMatchObject({ status: 503 })
  })

  it('remembers callers through missed messages while the store is away, and asks again when it can', async () => {
    const { ask, cache, byToken, state } = gatewayWith({ 'sk-a': holder('sk-a') })
    await ask({ authorization: 'sk-a' })
    state.down = true
    cache.invalidate({ kind: 'all', id: '' })
    expect(await ask({ authorization: 'sk-a' })).toMatchObject({ token: tokenOf('sk-a') })
    state.down = false
    byToken.set(tokenOf('sk-a'), holder('sk-a', {}, 'key_blocked'))
    await expect(ask({ authorization: 'sk-a' })).rejects.toMatchObject({ code: 'key_blocked' })
  })

  it('forgets a caller whose key, team or user changed, also while it is looked up', async () => {
    const { ask, cache, byToken, state } = gatewayWith({ 'sk-a': holder('sk-a', { teamId: 't' }) })
    const token = tokenOf('sk-a')
    await ask({ authorization: 'sk-a' })
    byToken.set(token, holder('sk-a', {}, 'key_blocked'))
    cache.invalidate({ kind: 'team', id: 'other' })
    await ask({ authorization: 'sk-a' })
    cache.invalidate({ kind: 'team', id: 't' })
    await expect(ask({ authorization: 'sk-a' })).rejects.toMatchObject({ code: 'key_blocked' })
    cache.invalidate({ kind: 'key', id: token })
    const loading = ask({ authorization: 'sk-a' }).catch(() => undefined)
    cache.invalidate({ kind: 'key', id: token })
    await loading
    const loads = state.loads
    await ask({ authorization: 'sk-a' }).catch(() => undefined)
    expect(state.loads).toBe(loads + 1)
  })

  it('a flood of wrong keys neither reaches the store each time nor pushes real callers out', async () => {
    const { ask, state } = gatewayWith({ 'sk-a': holder('sk-a') })
    await ask({ authorization: 'sk-a' })
    for (let n = 0; n < 100; n++) await ask({ authorization: `sk-${n}` }).catch(() => undefined)
    for (let n = 0; n < 100; n++) await ask({ authorization: 'sk-99' }).catch(() => undefined)
    expect(state.loads).toBe(101)
    await ask({ authorization: 'sk-a' })
    expect(state.loads).toBe(101)
  })

  it('asks further ways for what they accept, and takes no oversized credential', async () => {
    const way: TokenAuthenticator = {
      accepts: credential => credential?.startsWith('ey') === true,
      authenticate: async credential => (credential === 'ey.ok' ? administrator('jwt', 'subject') : undefined),
    }
    const { ask, state } = gatewayWith({}, [way])
    expect(await ask({ authorization: 'Bearer ey.ok' })).toMatchObject({ proof: 'jwt' })
    await expect(ask({ authorization: 'Bearer ey.no' })).rejects.toMatchObject({ code: 'invalid_api_key' })
    await expect(ask({ authorization: 'x'.repeat(20_000) })).rejects.toMatchObject({ status: 401 })
    expect(state.loads).toBe(0)
  })
})
