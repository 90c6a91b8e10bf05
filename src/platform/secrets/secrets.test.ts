import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FakeVault, fakeVault } from './backends/vault.fixtures.ts'
import type { Environment } from './call.ts'
import type { LiveSecret } from './live-secret.ts'
import { mergeSecrets } from './secret-status.ts'
import { type SecretLookup, Secrets, type SecretsOptions } from './secrets.ts'
import { configurationFor } from './services.fixtures.ts'
import type { KeyManagementSettings, SecretSettings } from './settings.ts'

let vault: FakeVault
let secrets: Secrets
let events: string[]
const opened: Secrets[] = []

const told: SecretsOptions = {
  rotated: (reference, reload) => events.push(`rotated ${reference}${reload ? ' reload' : ''}`),
  stale: (reference, problem) => events.push(`stale ${reference}: ${problem}`),
  recovered: reference => events.push(`recovered ${reference}`),
}

function make(options: SecretsOptions = {}): Secrets {
  const made = new Secrets({ ...told, random: () => 0.5, ...options })
  opened.push(made)
  return made
}

beforeEach(async () => {
  events = []
  vault = await fakeVault()
  secrets = make()
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map(each => each.close()))
  await vault.close()
})

function open(
  tree: unknown,
  settings: Partial<SecretSettings> = {},
  keys: Partial<KeyManagementSettings> = {},
  env: Environment = {},
): Promise<SecretLookup> {
  const environment = { HCP_VAULT_ADDR: vault.url, HCP_VAULT_TOKEN: vault.rootToken, ...env }
  return secrets.open(configurationFor(environment, { system: 'hashicorp_vault', ...settings }, keys), tree)
}

function found(lookup: SecretLookup, reference: string): LiveSecret {
  const result = lookup.find(reference)
  if (result?.kind !== 'found') throw new Error(`${reference}: ${JSON.stringify(result)}`)
  return result.secret
}

const reads = () => vault.requests.filter(({ path }) => path.includes('/data/')).map(({ path }) => path)

describe('loading', () => {
  it('reads every reference of the tree once, wherever it stands', async () => {
    vault.put('secret/A', { key: 'a' })
    const lookup = await open({ x: ['os.environ/A', { y: 'os.environ/A' }], z: 'os.environ/B', text: 'A' })
    expect(found(lookup, 'os.environ/A').reveal()).toBe('a')
    expect(lookup.find('os.environ/B')).toEqual({ kind: 'absent' })
    expect(lookup.find('os.environ/C')).toBeUndefined()
    expect(reads().sort()).toEqual(['/v1/secret/data/A', '/v1/secret/data/B'])
  })

  it('asks only for hosted keys, and for nothing with write_only', async () => {
    vault.put('secret/A', { key: 'a' })
    vault.put('secret/B', { key: 'b' })
    const hosted = await open(['os.environ/A', 'os.environ/B'], {}, { hosted_keys: ['A'] })
    expect([hosted.find('os.environ/A')?.kind, hosted.find('os.environ/B')?.kind]).toEqual(['found', 'absent'])
    const none = await open(['os.environ/A'], {}, { access_mode: 'write_only' })
    expect(none.find('os.environ/A')).toEqual({ kind: 'absent' })
    expect(reads()).toEqual(['/v1/secret/data/A'])
  })

  it('finds many values in one secret', async () => {
    vault.put('secret/all', { A: 'a', B: 'b' })
    const lookup = await open(['os.environ/A', 'os.environ/B', 'os.environ/C'], {}, { primary_secret_name: 'all' })
    expect([found(lookup, 'os.environ/A').reveal(), found(lookup, 'os.environ/B').reveal()]).toEqual(['a', 'b'])
    expect(lookup.find('os.environ/C')).toEqual({ kind: 'absent' })
    expect(reads()).toEqual(['/v1/secret/data/all'])
  })

  it('says what failed, per reference', async () => {
    vault.broken = 500
    const lookup = await open(['os.environ/A'])
    expect(lookup.find('os.environ/A')).toEqual({
      kind: 'failed',
      problem: 'hashicorp_vault: A: it is not available (500).',
    })
  })

  it('says that the manager itself cannot be used', async () => {
    const lookup = await open(['os.environ/A'], {}, {}, { HCP_VAULT_TOKEN: '' })
    expect(lookup.problem).toContain('HCP_VAULT_TOKEN')
  })

  it('keeps the very same secret over reloads, and what it had when the backend is away', async () => {
    vault.put('secret/A', { key: 'a' })
    const first = await open(['os.environ/A'])
    first.adopt()
    vault.put('secret/A', { key: 'b' })
    const second = await open(['os.environ/A', 'os.environ/X'])
    expect(found(second, 'os.environ/A')).toBe(found(first, 'os.environ/A'))
    expect(found(first, 'os.environ/A').reveal()).toBe('b')
    second.adopt()
    vault.broken = 503
    const third = await open(['os.environ/A'])
    expect(found(third, 'os.environ/A').reveal()).toBe('b')
    expect(events).toEqual([
      'rotated os.environ/A',
      'stale os.environ/A: hashicorp_vault: A: it is not available (503).',
    ])
  })

  it('reads what is included later, once, and keeps it current', async () => {
    vault.put('secret/A', { key: 'a' })
    vault.put('secret/B', { key: 'b' })
    const lookup = await open(['os.environ/A'], { pollInterval: 50 })
    lookup.adopt()
    await lookup.include([{ api_key: 'os.environ/B', other: 'os.environ/A' }])
    expect(found(lookup, 'os.environ/B').reveal()).toBe('b')
    vault.put('secret/B', { key: 'b2' })
    await expect.poll(() => found(lookup, 'os.environ/B').reveal()).toBe('b2')
    expect(events).toEqual(['rotated os.environ/B'])
  })

  it('reads a secret of its own for another manager', async () => {
    vault.put('secret/A', { key: 'a' })
    vault.put('other/A', { key: 'other' })
    const first = await open(['os.environ/A'])
    first.adopt()
    const second = await open(['os.environ/A'], {}, {}, { HCP_VAULT_MOUNT_NAME: 'other' })
    expect(found(second, 'os.environ/A').reveal()).toBe('other')
    expect(found(first, 'os.environ/A').reveal()).toBe('a')
    second.discard()
  })
})

describe('while in force', () => {
  it('secrets are polled, and changes told with whether they need a reload', async () => {
    vault.put('secret/A', { key: 'a' })
    vault.put('secret/B', { key: 'b' })
    const lookup = await open(['os.environ/A', 'os.environ/B'], { pollInterval: 50 })
    lookup.needsReload('os.environ/B')
    lookup.adopt()
    vault.put('secret/A', { key: 'a2' })
    await expect.poll(() => found(lookup, 'os.environ/A').reveal()).toBe('a2')
    vault.put('secret/B', { key: 'b2' })
    await expect.poll(() => found(lookup, 'os.environ/B').reveal()).toBe('b2')
    expect(events).toEqual(['rotated os.environ/A', 'rotated os.environ/B reload'])
  })

  it('one that is deleted, or whose backend is away, stays in use; this is told once', async () => {
    vault.put('secret/A', { key: 'a' })
    const lookup = await open(['os.environ/A'], { pollInterval: 20 })
    lookup.adopt()
    vault.secrets.get('/secret/A')?.push(null)
    await expect.poll(() => events).toEqual(['stale os.environ/A: it is no longer there'])
    const before = reads().length
    await expect.poll(() => reads().length).toBeGreaterThan(before + 2)
    expect(found(lookup, 'os.environ/A').reveal()).toBe('a')
    expect(secrets.status()).toMatchObject([{ reference: 'os.environ/A', problem: 'it is no longer there' }])
    vault.put('secret/A', { key: 'a2' })
    await expect.poll(() => events.at(-1)).toBe('rotated os.environ/A')
    expect(events).toEqual([
      'stale os.environ/A: it is no longer there',
      'recovered os.environ/A',
      'rotated os.environ/A',
    ])
  })

  it('files are watched', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'routeiq-secrets-'))
    const path = join(dir, 'key')
    writeFileSync(path, 'one\n')
    const lookup = await open({ api_key: `file${path}` }, { system: 'local', fileDirs: [dir] })
    lookup.adopt()
    writeFileSync(path, 'two\n')
    await expect.poll(() => found(lookup, `file${path}`).reveal(), { timeout: 5000 }).toBe('two')
    expect(events).toEqual([`rotated file${path}`])
  })

  it('a token is replaced before it ends', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'routeiq-secrets-'))
    const jwt = (seconds: number) =>
      ['{}', JSON.stringify({ exp: Math.floor(Date.now() / 1000) + seconds, n: seconds }), 's']
        .map(part => Buffer.from(part).toString('base64url'))
        .join('.')
    const env: Record<string, string> = { HCP_VAULT_TOKEN: 't', T: jwt(4) }
    const lookup = await secrets.open(configurationFor(env, { fileDirs: [dir] }), ['oidc/env/T'])
    lookup.adopt()
    env['T'] = jwt(3600)
    await expect.poll(() => found(lookup, 'oidc/env/T').reveal(), { timeout: 6000 }).toBe(env['T'])
  })

  it('a push reads at once, even where a read is under way', async () => {
    vault.put('secret/A', { key: 'a' })
    const lookup = await open(['os.environ/A'])
    lookup.adopt()
    const under = secrets.refresh()
    vault.put('secret/A', { key: 'b' })
    await Promise.all([under, secrets.refresh()])
    expect(found(lookup, 'os.environ/A').reveal()).toBe('b')
  })

  it('nothing is read any more after the end', async () => {
    vault.put('secret/A', { key: 'a' })
    const lookup = await open(['os.environ/A'], { pollInterval: 20 })
    lookup.adopt()
    await secrets.close()
    const before = reads().length
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(reads().length).toBe(before)
  })
})

describe('a vendor’s refusal', () => {
  it('causes one read for all who were refused together', async () => {
    vault.put('secret/A', { key: 'a' })
    const lookup = await open(['os.environ/A'])
    lookup.adopt()
    const secret = found(lookup, 'os.environ/A')
    const refused = secret.inUse
    vault.put('secret/A', { key: 'b' })
    const before = reads().length
    const renewed = await Promise.all(Array.from({ length: 50 }, () => secret.renew(refused)))
    expect(new Set(renewed.map(each => each?.reveal()))).toEqual(new Set(['b']))
    expect(reads().length).toBe(before + 1)
  })

  it('causes fewer and fewer reads while the value is simply wrong', async () => {
    let now = 0
    secrets = make({ now: () => now })
    vault.put('secret/A', { key: 'wrong' })
    const lookup = await open(['os.environ/A'])
    lookup.adopt()
    const secret = found(lookup, 'os.environ/A')
    const before = reads().length
    for (now = 0; now < 60_000; now += 100) expect(await secret.renew(secret.inUse)).toBeUndefined()
    // At 0, 1, 3, 7, 15, 31 seconds.
    expect(reads().length - before).toBe(6)
  })
})

describe('virtual keys', () => {
  it('are stored under their prefix where the settings say so', async () => {
    const keys = {
      store_virtual_keys: true,
      access_mode: 'read_and_write',
      prefix_for_stored_virtual_keys: 'team/',
    } as const
    ;(await open([], {}, keys)).adopt()
    expect(await secrets.storeVirtualKey('alias', 'sk-virtual')).toBe(true)
    expect(vault.secrets.get('/secret/team/alias')).toEqual([{ key: 'sk-virtual' }])
    expect(await secrets.removeVirtualKey('alias')).toBe(true)
    expect(vault.secrets.get('/secret/team/alias')?.at(-1)).toBeNull()
  })

  it('are not otherwise', async () => {
    ;(await open([], {}, { access_mode: 'read_and_write' })).adopt()
    expect(await secrets.storeVirtualKey('alias', 'sk-virtual')).toBe(false)
    expect(vault.secrets.size).toBe(0)
  })
})

it('the state of several processes is told as one', () => {
  const status = (read: string, problem: string | null) => ({
    reference: 'os.environ/A',
    system: 'hashicorp_vault',
    read_at: read,
    changed_at: null,
    expires_at: null,
    problem,
  })
  expect(mergeSecrets([[status('2', null)], [status('1', null)], [status('3', 'away')]])).toEqual([status('3', 'away')])
  expect(mergeSecrets([[status('2', null)], [status('1', null)]])).toEqual([status('1', null)])
})
