import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fakeAws } from '../../src/platform/secrets/backends/aws.fixtures.ts'
import { type FakeVault, fakeVault } from '../../src/platform/secrets/backends/vault.fixtures.ts'
import { get, metric, reload } from '../control/setup.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, send } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'
import { type KeyedUpstream, keyedUpstream, load } from './secret-world.ts'

let upstream: KeyedUpstream
let vault: FakeVault
let folder: string
const ends: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  upstream = await keyedUpstream('sk-planted-0')
  vault = await fakeVault()
  folder = mkdtempSync(join(tmpdir(), 'routeiq-rotation-'))
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await upstream.close()
  await vault.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(config: Json, options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ ...options, config })
  ends.push(() => gateway.stop())
  return gateway
}

const entry = (group: string, apiKey?: string): Json => ({
  model_name: group,
  litellm_params: { model: `openai/${group}`, api_base: upstream.url, ...(apiKey && { api_key: apiKey }) },
})

/** No retries and no cooldown: only the renewal of the credential may save a call. */
const bare = { num_retries: 0, disable_cooldowns: true }

const inVault = (routeiq: Json = {}, more: Json = {}): Json => ({
  model_list: [entry('m', 'os.environ/UPSTREAM_KEY')],
  router_settings: bare,
  general_settings: { key_management_system: 'hashicorp_vault', ...more },
  routeiq: { secrets: { poll_interval_seconds: 3600, ...routeiq } },
})

const vaultEnv = () => ({
  HCP_VAULT_ADDR: vault.url,
  HCP_VAULT_APPROLE_ROLE_ID: vault.roleId,
  HCP_VAULT_APPROLE_SECRET_ID: vault.secretId,
})

const put = (key: string): void => vault.put('secret/UPSTREAM_KEY', { key })
const post = (gateway: Gateway, path: string) =>
  send(`${gateway.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${gateway.key}` }, body: {} })

describe('under load, no call fails while', () => {
  it('a mounted file rotates and the upstream takes only the newest key', async () => {
    const file = join(folder, 'key')
    writeFileSync(file, 'sk-planted-0\n')
    const gateway = await start({
      model_list: [entry('m', `file${file}`)],
      router_settings: bare,
      routeiq: { secrets: { poll_interval_seconds: 3600, file_dirs: [folder] } },
    })
    const calls = load(gateway, 'm')
    for (let round = 1; round <= 8; round++) {
      upstream.accepted.add(`sk-planted-${round}`)
      writeFileSync(file, `sk-planted-${round}\n`)
      // Every other round the old key ends before the watcher can have seen the new one.
      await delay(round % 2 === 0 ? 0 : 250)
      upstream.accepted.delete(`sk-planted-${round - 1}`)
      await expect.poll(() => upstream.seen.get(`sk-planted-${round}`) ?? 0, { timeout: 5000 }).toBeGreaterThan(10)
    }
    await calls.stop()
    expect(calls.failures).toEqual([])
    expect(calls.done).toBeGreaterThan(100)
    expect(upstream.refusals, 'the retry had something to do').toBeGreaterThan(0)
    expect(gateway.logs()).not.toContain('sk-planted')
  })

  it('a secret in Vault rotates; only the upstream’s 401 says so', async () => {
    put('sk-planted-0')
    const gateway = await start(inVault(), { env: vaultEnv() })
    const calls = load(gateway, 'm')
    for (let round = 1; round <= 5; round++) {
      put(`sk-planted-${round}`)
      upstream.accepted.clear()
      upstream.accepted.add(`sk-planted-${round}`)
      await expect.poll(() => upstream.seen.get(`sk-planted-${round}`) ?? 0, { timeout: 5000 }).toBeGreaterThan(20)
    }
    await calls.stop()
    expect(calls.failures).toEqual([])
    const reads = vault.requests.filter(({ path }) => path.endsWith('/data/UPSTREAM_KEY')).length
    expect(reads, 'read once at the start and once for each change').toBeLessThanOrEqual(8)
    const { text } = await get(gateway, '/metrics')
    expect(metric(text, 'routeiq_secret_rotations_total')).toBe(5)
  })

  it('the new key is not known to the upstream yet: the old one serves the grace period', async () => {
    put('sk-planted-0')
    const gateway = await start(inVault(), { env: vaultEnv() })
    const calls = load(gateway, 'm', 6)
    put('sk-planted-1')
    expect((await post(gateway, '/v1/routeiq/secrets/refresh')).status).toBe(200)
    await expect.poll(() => upstream.seen.get('sk-planted-1') ?? 0).toBeGreaterThan(0)
    const served = calls.done
    await expect.poll(() => calls.done).toBeGreaterThan(served + 100)
    await calls.stop()
    expect(calls.failures).toEqual([])
    // Not every call pays for it: once the new key was refused, the old one is sent first for a while.
    expect(upstream.refusals).toBeLessThan(20)
  })

  it('Vault is away, revokes every token, and comes back with another key', async () => {
    put('sk-planted-0')
    const gateway = await start(inVault({ poll_interval_seconds: 1 }), { env: vaultEnv() })
    const calls = load(gateway, 'm', 6)
    vault.broken = 503
    await gateway.waitForLog(/secret cannot be read/)
    vault.revokeAll()
    put('sk-planted-1')
    upstream.accepted.add('sk-planted-1')
    vault.broken = undefined
    await expect.poll(() => upstream.seen.get('sk-planted-1') ?? 0, { timeout: 10_000 }).toBeGreaterThan(10)
    await calls.stop()
    expect(calls.failures).toEqual([])
    expect(upstream.refusals, 'the poll was enough').toBe(0)
    await gateway.waitForLog(/secret can be read again/)
  })
})

describe('a rotated secret', () => {
  it('is taken by every worker at a push, under the same deployment id and config version', async () => {
    put('sk-planted-0')
    const gateway = await start(inVault(), { env: vaultEnv(), args: ['--num_workers', '2'] })
    const first = await chat(gateway, 'm', 'hi')
    put('sk-planted-1')
    upstream.accepted.add('sk-planted-1')
    const pushed = await post(gateway, '/v1/routeiq/secrets/refresh')
    expect([pushed.status, pushed.json]).toMatchObject([
      200,
      {
        status: 'refreshed',
        secrets: [{ reference: 'os.environ/UPSTREAM_KEY', system: 'hashicorp_vault', problem: null }],
      },
    ])
    expect(pushed.text).not.toContain('sk-planted')
    upstream.seen.clear()
    const answers = await Promise.all(Array.from({ length: 40 }, () => chat(gateway, 'm', 'hi')))
    expect([...upstream.seen.keys()]).toEqual(['sk-planted-1'])
    for (const name of ['x-litellm-model-id', 'x-routeiq-config-version']) {
      expect(new Set(answers.map(({ headers }) => headers[name]))).toEqual(new Set([first.headers[name]]))
    }
  })

  it('leaves calls in flight with the one they began with', async () => {
    put('sk-planted-0')
    const gateway = await start(inVault(), { env: vaultEnv() })
    let begun: (() => void) | undefined
    const first = new Promise<void>(resolve => {
      begun = resolve
    })
    const streaming = chatStream(gateway, 'm', 'hi', {}, { onEvent: () => begun?.() })
    await first
    put('sk-planted-1')
    await post(gateway, '/v1/routeiq/secrets/refresh')
    const answer = await streaming
    expect([answer.end, answer.events.at(-1)?.data]).toEqual(['clean', '[DONE]'])
    expect([...upstream.seen]).toEqual([['sk-planted-0', 1]])
  })

  it('that is the master key lets the new one in and the old one out', async () => {
    put('sk-planted-0')
    vault.put('secret/MASTER', { key: 'sk-planted-master-1' })
    const gateway = await start(inVault({ poll_interval_seconds: 1 }, { master_key: 'os.environ/MASTER' }), {
      env: vaultEnv(),
      args: ['--num_workers', '2'],
    })
    const status = async (key: string): Promise<number> =>
      (await send(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status
    expect(await status('sk-planted-master-1')).toBe(200)
    vault.put('secret/MASTER', { key: 'sk-planted-master-2' })
    const ofAll = async (key: string) => [...new Set(await Promise.all(Array.from({ length: 10 }, () => status(key))))]
    await expect.poll(() => ofAll('sk-planted-master-2'), { timeout: 15_000 }).toEqual([200])
    expect(await ofAll('sk-planted-master-1')).toEqual([401])
  })
})

describe('without a key in the config', () => {
  it('the vendor’s own variable is looked up in the secret manager, and follows', async () => {
    vault.put('secret/OPENAI_API_KEY', { key: 'sk-planted-0' })
    const config = { ...inVault(), model_list: [entry('m')] }
    const gateway = await start(config, { env: { ...vaultEnv(), OPENAI_API_KEY: 'sk-environment' } })
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
    vault.put('secret/OPENAI_API_KEY', { key: 'sk-planted-1' })
    upstream.accepted.clear()
    upstream.accepted.add('sk-planted-1')
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
    expect([...upstream.seen]).toEqual([
      ['sk-planted-0', 2],
      ['sk-planted-1', 1],
    ])
  })

  it('hosted_keys keeps other names in the environment', async () => {
    vault.put('secret/OPENAI_API_KEY', { key: 'sk-vault' })
    const config = {
      ...inVault({}, { key_management_settings: { hosted_keys: ['OTHER'] } }),
      model_list: [entry('m')],
    }
    const gateway = await start(config, { env: { ...vaultEnv(), OPENAI_API_KEY: 'sk-planted-0' } })
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
  })
})

describe('a config is refused', () => {
  it('with the place and the reason, when a secret is nowhere', async () => {
    put('sk-planted-0')
    const gateway = await start(inVault(), { env: vaultEnv() })
    const refused = async (apiKey: string): Promise<string> => {
      gateway.writeConfig({ ...inVault(), model_list: [entry('m', apiKey)] })
      const answer = await reload(gateway)
      expect(answer.status, apiKey).toBe(400)
      return answer.text
    }
    expect(await refused('os.environ/NOWHERE')).toMatch(/litellm_params.api_key.*NOWHERE is not set/)
    expect(await refused('file/etc/hostname')).toMatch(/file_dirs/)
    expect(await refused('oidc/nobody/x')).toMatch(/knows the providers/)
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
  })

  it('when the secret manager itself cannot be used', async () => {
    const starting = startGateway({ config: inVault(), env: { HCP_VAULT_ADDR: vault.url } })
    await expect(starting).rejects.toThrow(/key_management_system: hashicorp_vault: set HCP_VAULT_APPROLE_ROLE_ID/)
  })

  it('not when Vault is away but the environment has the variable; then it is a warning', async () => {
    vault.broken = 503
    const gateway = await start(inVault(), { env: { ...vaultEnv(), UPSTREAM_KEY: 'sk-planted-0' } })
    expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
    await gateway.waitForLog(/environment variable UPSTREAM_KEY is used instead/)
  })
})

it('reads from AWS with a signature, end to end', async () => {
  const aws = await fakeAws()
  ends.push(aws.close)
  aws.secrets.set('gateway', JSON.stringify({ UPSTREAM_KEY: 'sk-planted-0' }))
  const gateway = await start(
    {
      ...inVault(),
      general_settings: {
        key_management_system: 'aws_secret_manager',
        key_management_settings: { primary_secret_name: 'gateway', aws_region_name: aws.region },
      },
    },
    { env: { AWS_ENDPOINT_URL: aws.url, AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'aws-secret' } },
  )
  expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
  aws.secrets.set('gateway', JSON.stringify({ UPSTREAM_KEY: 'sk-planted-1' }))
  upstream.accepted.clear()
  upstream.accepted.add('sk-planted-1')
  expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
})

it('no planted secret shows in logs, metrics, errors or the state of secrets', async () => {
  // Of no known look, so that the scrubbing of finished log lines cannot hide a leak.
  put('zebra.planted.0')
  const file = join(folder, 'key')
  writeFileSync(file, 'zebra.planted.file')
  const config = {
    ...inVault({ file_dirs: [folder] }),
    model_list: [entry('m', 'os.environ/UPSTREAM_KEY'), entry('f', `file${file}`), entry('p', 'zebra.planted.plain')],
    litellm_settings: { set_verbose: true },
  }
  const gateway = await start(config, { env: vaultEnv(), args: ['--detailed_debug'] })
  upstream.accepted.clear()
  const seen: string[] = []
  for (const model of ['m', 'f', 'p']) {
    const answer = await chat(gateway, model, 'hi')
    expect(answer.status).toBe(401)
    seen.push(answer.text, JSON.stringify(answer.headers))
    seen.push((await get(gateway, `/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`)).text)
  }
  put('zebra.planted.1')
  seen.push((await post(gateway, '/v1/routeiq/secrets/refresh')).text)
  vault.broken = 500
  seen.push((await post(gateway, '/v1/routeiq/secrets/refresh')).text)
  for (const path of ['/metrics', '/v1/routeiq/secrets', '/health', '/v1/model/info'])
    seen.push((await get(gateway, path)).text)
  expect(seen.join('\n')).toContain('os.environ/UPSTREAM_KEY')
  expect(upstream.seen.size, 'they were sent').toBeGreaterThanOrEqual(3)
  const tokens = [vault.secretId, vault.rootToken, ...vault.tokens.keys()]
  for (const text of [...seen, gateway.logs()]) {
    expect(text).not.toContain('zebra.planted')
    for (const token of tokens) expect(text).not.toContain(token)
  }
})

it('a vault on a private address has to be allowed; what was refused is listed', async () => {
  const config = { ...inVault(), routeiq: { egress: { secrets: {} } } }
  const gateway = await start(config, { env: { ...vaultEnv(), UPSTREAM_KEY: 'sk-planted-0' } })
  expect((await chat(gateway, 'm', 'hi')).status).toBe(200)
  expect(vault.requests).toEqual([])
  const { denials } = (await get(gateway, '/v1/routeiq/egress/denials')).json as { denials: Json[] }
  expect(denials).toMatchObject([{ purpose: 'secrets', host: '127.0.0.1', reason: 'loopback' }])
})

it('is seen and pushed by administrators alone', async () => {
  const gateway = await start({ model_list: [] })
  for (const [method, path] of [
    ['GET', '/v1/routeiq/secrets'],
    ['POST', '/v1/routeiq/secrets/refresh'],
    ['GET', '/v1/routeiq/egress/denials'],
  ] as const) {
    const answer = await send(`${gateway.url}${path}`, { method, ...(method === 'POST' ? { body: {} } : {}) })
    expect([path, answer.status]).toEqual([path, 401])
  }
})
