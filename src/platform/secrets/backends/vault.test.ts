import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { caCertificate, clientCertificate, clientKey } from '../../security/tls.fixtures.ts'
import type { SecretBackend } from '../backend.ts'
import type { Environment } from '../call.ts'
import { servicesFor } from '../services.fixtures.ts'
import { type FakeVault, fakeVault } from './vault.fixtures.ts'
import { vaultBackend } from './vault.ts'

let vault: FakeVault
const ends: (() => unknown)[] = []

beforeEach(async () => {
  vault = await fakeVault()
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await vault.close()
})

function backend(env: Environment): SecretBackend {
  const services = servicesFor({ HCP_VAULT_ADDR: vault.url, ...env })
  const made = vaultBackend(services)
  ends.push(() => made.close?.(), services.close)
  return made
}

const approle = () => ({ HCP_VAULT_APPROLE_ROLE_ID: vault.roleId, HCP_VAULT_APPROLE_SECRET_ID: vault.secretId })
const logins = () => vault.requests.filter(({ path }) => path.endsWith('/login'))

describe('reading', () => {
  it('finds a secret under its name, in the mount, behind the prefix', async () => {
    vault.put('kv/team/gateway/OPENAI_API_KEY', { key: 'sk-1' })
    const found = backend({
      HCP_VAULT_TOKEN: vault.rootToken,
      HCP_VAULT_MOUNT_NAME: 'kv',
      HCP_VAULT_PATH_PREFIX: '/team/gateway/',
    })
    expect(await found.read('OPENAI_API_KEY')).toEqual({ text: 'sk-1' })
    expect(await found.read('OTHER')).toBeUndefined()
  })

  it('takes the newest version, and none when that was deleted', async () => {
    const found = backend({ HCP_VAULT_TOKEN: vault.rootToken })
    vault.put('secret/K', { key: 'old' })
    vault.put('secret/K', { key: 'new' })
    expect(await found.read('K')).toEqual({ text: 'new' })
    vault.secrets.get('/secret/K')?.push(null)
    expect(await found.read('K')).toBeUndefined()
  })

  it.each([
    [{ key: 'v', description: 'd' }, 'v'],
    [{ value: 'v' }, 'v'],
    [{ A: '1', B: '2' }, '{"A":"1","B":"2"}'],
  ])('of %j gives %s', async (data, text) => {
    vault.put('secret/K', data)
    expect(await backend({ HCP_VAULT_TOKEN: vault.rootToken }).read('K')).toEqual({ text })
  })

  it('uses one namespace for the login and another for secrets', async () => {
    vault.put('secret/K', { key: 'v' }, 'admin/team-a')
    const found = backend({
      ...approle(),
      HCP_VAULT_LOGIN_NAMESPACE: 'admin',
      HCP_VAULT_SECRET_NAMESPACE: 'admin/team-a',
    })
    expect(await found.read('K')).toEqual({ text: 'v' })
    expect([...vault.tokens.values()].map(({ namespace }) => namespace)).toEqual(['admin'])
  })

  it.each(['../../sys/raw', 'a/../b', '.'])('never climbs out of its mount: %s', async name => {
    await expect(backend({ HCP_VAULT_TOKEN: vault.rootToken }).read(name)).rejects.toThrow(/segment/)
    expect(vault.requests.filter(({ path }) => !path.includes('/auth/'))).toEqual([])
  })

  it('says what is wrong without a word of the answer', async () => {
    const found = backend({ HCP_VAULT_TOKEN: 'hvs.wrong-secret-token' })
    const denied = await found.read('K').catch(error => error)
    expect(denied).toMatchObject({ name: 'SecretUnavailable', message: expect.stringContaining('403') })
    expect(denied.message).not.toContain('hvs.')
    vault.broken = 503
    await expect(found.read('K')).rejects.toThrow(/not available \(503\)/)
  })
})

describe('identity', () => {
  it('is an AppRole: logged in once for all who ask together', async () => {
    vault.put('secret/K', { key: 'v' })
    const found = backend(approle())
    await Promise.all([found.read('K'), found.read('K'), found.read('K')])
    await found.read('K')
    expect(logins()).toHaveLength(1)
  })

  it('is logged in again when its token was revoked', async () => {
    vault.put('secret/K', { key: 'v' })
    const found = backend(approle())
    await found.read('K')
    vault.revokeAll()
    expect(await found.read('K')).toEqual({ text: 'v' })
    expect(logins()).toHaveLength(2)
  })

  it('with a wrong secret id is told as such', async () => {
    const found = backend({ ...approle(), HCP_VAULT_APPROLE_SECRET_ID: 'wrong' })
    await expect(found.read('K')).rejects.toThrow(/approle login/)
  })

  it('of Kubernetes is the service account token, read for each login', async () => {
    vault.put('secret/K', { key: 'v' })
    const file = join(mkdtempSync(join(tmpdir(), 'routeiq-vault-')), 'token')
    writeFileSync(file, 'wrong\n')
    const found = backend({ HCP_VAULT_KUBERNETES_ROLE: 'routeiq', HCP_VAULT_KUBERNETES_TOKEN_FILE: file })
    await expect(found.read('K')).rejects.toThrow(/kubernetes login/)
    writeFileSync(file, 'service-account-jwt\n')
    expect(await found.read('K')).toEqual({ text: 'v' })
  })

  it('is a client certificate, over TLS with a private CA', async () => {
    const secure = await fakeVault({ tls: true })
    ends.push(secure.close)
    secure.put('secret/K', { key: 'v' })
    const folder = mkdtempSync(join(tmpdir(), 'routeiq-vault-'))
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const env = {
      HCP_VAULT_ADDR: secure.url,
      HCP_VAULT_CACERT: file('ca.pem', caCertificate),
      HCP_VAULT_CLIENT_CERT: file('client.pem', clientCertificate),
      HCP_VAULT_CLIENT_KEY: file('client.key', clientKey),
      HCP_VAULT_CERT_ROLE: 'gateway',
    }
    expect(await backend(env).read('K')).toEqual({ text: 'v' })
    await expect(backend({ ...env, HCP_VAULT_CERT_ROLE: 'other' }).read('K')).rejects.toThrow(/cert login/)
    await expect(backend({ ...env, HCP_VAULT_CACERT: '' }).read('K')).rejects.toThrow(/connection failed/)
    expect(() => backend({ ...env, HCP_VAULT_CLIENT_KEY: join(folder, 'none') })).toThrow(/HCP_VAULT_CLIENT_KEY/)
  })

  it('is renewed before its lease ends, without another login', async () => {
    vault.leaseSeconds = 1
    vault.put('secret/K', { key: 'v' })
    const found = backend(approle())
    await found.read('K')
    await expect.poll(() => [...vault.tokens.values()][0]?.renewals, { timeout: 5000 }).toBeGreaterThanOrEqual(2)
    expect(await found.read('K')).toEqual({ text: 'v' })
    expect(logins()).toHaveLength(1)
  })

  it('has to be configured', () => {
    expect(() => backend({})).toThrow(/HCP_VAULT_APPROLE_ROLE_ID/)
  })
})

describe('writing', () => {
  it('stores under the name LiteLLM reads, and removes', async () => {
    const found = backend({ HCP_VAULT_TOKEN: vault.rootToken })
    await found.write?.('litellm/my-key', 'sk-virtual', { description: 'made here' })
    expect(vault.secrets.get('/secret/litellm/my-key')).toEqual([{ key: 'sk-virtual', description: 'made here' }])
    expect(await found.read('litellm/my-key')).toEqual({ text: 'sk-virtual' })
    await found.remove?.('litellm/my-key')
    expect(await found.read('litellm/my-key')).toBeUndefined()
  })
})

it('polls as often as its environment says', () => {
  expect(backend({ HCP_VAULT_TOKEN: 't', HCP_VAULT_REFRESH_INTERVAL: '30' }).pollInterval).toBe(30_000)
  expect(backend({ HCP_VAULT_TOKEN: 't' }).pollInterval).toBeUndefined()
})
