import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FakeVault, fakeVault } from '../../src/platform/secrets/backends/vault.fixtures.ts'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done } from './setup.ts'

let upstream: Upstream
let vault: FakeVault
const ends: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  upstream = await startUpstream()
  vault = await fakeVault()
  vault.put('secret/VENDOR', { key: 'sk-of-vendor' })
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await upstream.close()
  await vault.close()
})

async function start(settings: Json, env: Record<string, string> = {}, workers = 1): Promise<Gateway> {
  const gateway = await startGateway({
    config: {
      model_list: [deployment('m', upstream, 'm', { api_key: 'os.environ/VENDOR' })],
      general_settings: { key_management_system: 'hashicorp_vault', key_management_settings: settings },
    },
    env: {
      HCP_VAULT_ADDR: vault.url,
      HCP_VAULT_APPROLE_ROLE_ID: vault.roleId,
      HCP_VAULT_APPROLE_SECRET_ID: vault.secretId,
      ...env,
    },
    args: workers === 1 ? [] : ['--num_workers', String(workers)],
  })
  ends.push(() => gateway.stop())
  return gateway
}

const storing = { store_virtual_keys: true, prefix_for_stored_virtual_keys: 'litellm/' }
const everySecond = { LITELLM_KEY_ROTATION_ENABLED: 'true', LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: '1' }

/** What the vault has of a key; null: deleted. */
const stored = (name: string) => {
  const versions = vault.secrets.get(`/secret/litellm/${name}`)
  return versions === undefined ? undefined : (versions.at(-1)?.['key'] ?? null)
}
const status = async (gateway: Gateway, key: string) => (await chat({ url: gateway.url, key }, 'm', 'hi')).status
const infoOf = async (gateway: Gateway, key: string) =>
  (await done(gateway, 'GET', `/key/info?key=${key}`))['info'] as Json

describe('keys in a secret manager', () => {
  it('are stored when they are made, follow the key, and go with it', async () => {
    const gateway = await start(storing)
    const named = await done(gateway, 'POST', '/key/generate', { key_alias: 'apps/billing', models: ['m'] })
    expect(stored('apps/billing')).toBe(named['key'])
    const nameless = await done(gateway, 'POST', '/key/generate', {})
    const name = `virtual-key-${nameless['token']}`
    expect(stored(name)).toBe(nameless['key'])
    expect(gateway.logs()).not.toContain(String(named['key']))
    // The name is where others look for it: it stays when alias and secret change.
    await done(gateway, 'POST', '/key/update', { key: named['key'], key_alias: 'renamed' })
    const next = await done(gateway, 'POST', '/key/regenerate', { key: named['key'] })
    expect(stored('apps/billing')).toBe(next['key'])
    expect(await status(gateway, String(next['key']))).toBe(200)
    expect(await status(gateway, String(named['key']))).toBe(401)
    await done(gateway, 'POST', '/key/delete', { keys: [next['key'], nameless['key']] })
    expect([stored('apps/billing'), stored(name)]).toEqual([null, null])
  })

  it('are not made or replaced while it does not take them; deleting goes on', async () => {
    const gateway = await start(storing)
    const key = String((await done(gateway, 'POST', '/key/generate', { key_alias: 'kept' }))['key'])
    vault.broken = 503
    const refused = await api(gateway, 'POST', '/key/generate', { key_alias: 'lost' })
    expect([refused.status, refused.json?.['error']]).toMatchObject([503, { code: 'store_unavailable' }])
    const list = await done(gateway, 'GET', '/key/list?key_alias=lost')
    expect(list['total_count']).toBe(0)
    const replaced = await api(gateway, 'POST', '/key/regenerate', { key, new_key: 'sk-never-comes-to-be' })
    expect(replaced.status).toBe(503)
    expect([await status(gateway, key), await status(gateway, 'sk-never-comes-to-be')]).toEqual([200, 401])
    await done(gateway, 'POST', '/key/delete', { keys: [key] })
    expect(await status(gateway, key)).toBe(401)
    await gateway.waitForLog(/a deleted key is left in the secret manager/)
    vault.broken = undefined
    expect(stored('kept')).toBe(key)
    await done(gateway, 'POST', '/key/generate', { key_alias: 'lost' })
  })

  it('never take the place of another secret', async () => {
    const gateway = await start({ ...storing, prefix_for_stored_virtual_keys: '' })
    for (const key_alias of ['../VENDOR', 'a/../../VENDOR', '/VENDOR', 'a//b', 'a b', '..', 'VENDOR']) {
      const answer = await api(gateway, 'POST', '/key/generate', { key_alias })
      expect(answer.status, `${key_alias} ${answer.text}`).toBe(400)
    }
    expect(vault.secrets.get('/secret/VENDOR')).toEqual([{ key: 'sk-of-vendor' }])
    expect([...vault.secrets.keys()]).toEqual(['/secret/VENDOR'])
    expect((await done(gateway, 'GET', '/key/list'))['total_count']).toBe(0)
  })
})

describe('keys with auto_rotate', () => {
  it('are replaced when their time comes, by one worker, and what the manager has always opens', async () => {
    const gateway = await start(storing, { ...everySecond, LITELLM_KEY_ROTATION_GRACE_PERIOD: '1h' }, 2)
    const made = await done(gateway, 'POST', '/key/generate', {
      key_alias: 'turning',
      auto_rotate: true,
      rotation_interval: '1s',
      max_budget: 5,
    })
    const first = String(made['key'])
    const still = await done(gateway, 'POST', '/key/generate', { key_alias: 'still', auto_rotate: true })
    let asked = 0
    const rotations = await eventually(async () => {
      for (let i = 0; i < 20; i++, asked++) expect(await status(gateway, String(stored('turning')))).toBe(200)
      const versions = vault.secrets.get('/secret/litellm/turning')?.length ?? 0
      return versions >= 3 ? versions - 1 : undefined
    }, 25_000)
    expect(asked).toBeGreaterThan(20)
    // It goes on turning: the newest secret is in the manager a moment before the key has it.
    const info = await eventually(async () => {
      const answer = await api(gateway, 'GET', `/key/info?key=${stored('turning')}`)
      return answer.status === 200 ? ((answer.json as Json)['info'] as Json) : undefined
    })
    // One version in the manager for each: two workers that rotate at once would make more.
    expect(info).toMatchObject({ key_alias: 'turning', max_budget: 5, auto_rotate: true })
    expect(Number(info['rotation_count'])).toBeGreaterThanOrEqual(rotations)
    expect((vault.secrets.get('/secret/litellm/turning')?.length ?? 0) - 1).toBeGreaterThanOrEqual(rotations)
    expect(await status(gateway, first), 'in its grace period').toBe(200)
    expect(stored('still'), 'due in 30 days').toBe(still['key'])
    const audit = await done(gateway, 'GET', '/audit?action=rotated&changed_by=system:key_rotation')
    expect(audit['total']).toBeGreaterThanOrEqual(rotations)
  })

  it('keep their secret while nothing takes a new one, which is said', async () => {
    const gateway = await start({}, everySecond)
    const key = String(
      (await done(gateway, 'POST', '/key/generate', { auto_rotate: true, rotation_interval: '1s' }))['key'],
    )
    await gateway.waitForLog(/due for rotation, but no secret manager/, 15_000)
    expect(await status(gateway, key)).toBe(200)
    expect((await infoOf(gateway, key))['rotation_count']).toBe(0)
  })
})
