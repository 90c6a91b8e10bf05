import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { type FakeVault, fakeVault } from '../secrets/backends/vault.fixtures.ts'
import { LiveSecret } from '../secrets/live-secret.ts'
import { Secrets } from '../secrets/secrets.ts'
import { type LoadedConfig, loadConfig, parseConfig } from './load.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
})

const text = `
model_list:
  - model_name: m
    litellm_params: { model: openai/m, api_key: os.environ/KEY, api_base: os.environ/BASE }
  - model_name: n
    litellm_params: { model: openai/n }
router_settings: { default_litellm_params: { api_key: os.environ/DEFAULT } }
general_settings: { key_management_system: hashicorp_vault, master_key: os.environ/MASTER }
routeiq: { egress: { secrets: { allow_cidrs: [127.0.0.1/32] } } }
`

async function world(): Promise<{ vault: FakeVault; load(config?: string): Promise<LoadedConfig> }> {
  const vault = await fakeVault()
  const secrets = new Secrets()
  ends.push(vault.close, () => secrets.close())
  for (const [name, key] of Object.entries({ KEY: 'k1', BASE: 'https://one.example', DEFAULT: 'd1', MASTER: 'm1' })) {
    vault.put(`secret/${name}`, { key })
  }
  const file = join(mkdtempSync(join(tmpdir(), 'routeiq-references-')), 'config.yaml')
  const env = { HCP_VAULT_ADDR: vault.url, HCP_VAULT_TOKEN: vault.rootToken, MASTER: 'from-environment' }
  return {
    vault,
    async load(config = text) {
      writeFileSync(file, config)
      const loaded = await loadConfig(file, { env, secrets, unwrittenNames: () => ['OPENAI_API_KEY', 'KEY'] })
      loaded.secrets?.adopt()
      return loaded
    },
  }
}

it('credentials of deployments are live; everything else is the text it is now', async () => {
  const { load } = await world()
  const { config, liveEnv } = await load()
  const [m] = config.model_list
  expect(m?.litellm_params.api_key).toBeInstanceOf(LiveSecret)
  expect(m?.litellm_params.api_key?.reveal()).toBe('k1')
  expect(m?.litellm_params.api_base).toBe('https://one.example')
  expect(config.router_settings.default_litellm_params?.api_key).toBeInstanceOf(LiveSecret)
  expect(config.general_settings.master_key).not.toBeInstanceOf(LiveSecret)
  expect(config.general_settings.master_key?.reveal(), 'the manager comes before the environment').toBe('m1')
  expect([...liveEnv].map(([name, secret]) => [name, secret.reveal()])).toEqual([['KEY', 'k1']])
  expect(JSON.stringify(config)).not.toMatch(/k1|d1|m1"/)
})

it('a rotated credential is the same configuration, a rotated address is another', async () => {
  const { vault, load } = await world()
  const first = await load()
  vault.put('secret/KEY', { key: 'k2' })
  vault.put('secret/DEFAULT', { key: 'd2' })
  const second = await load()
  expect(second.hash).toBe(first.hash)
  expect(second.config.model_list[0]?.litellm_params.api_key).toBe(first.config.model_list[0]?.litellm_params.api_key)
  expect(first.config.model_list[0]?.litellm_params.api_key?.reveal()).toBe('k2')
  vault.put('secret/BASE', { key: 'https://two.example' })
  expect((await load()).hash).not.toBe(first.hash)
})

it('another reference is another configuration', async () => {
  const { vault, load } = await world()
  const first = await load()
  vault.put('secret/OTHER', { key: 'k1' })
  expect((await load(text.replace('os.environ/KEY', 'os.environ/OTHER'))).hash).not.toBe(first.hash)
})

it('a vault that is not allowed says so where the key is', async () => {
  const { load } = await world()
  await expect(load(text.replace('{ allow_cidrs: [127.0.0.1/32] }', '{}'))).rejects.toThrow(
    /api_key: hashicorp_vault: Connections to 127\.0\.0\.1 are not allowed.*routeiq\.egress\.secrets\.allow_hosts/,
  )
})

it('texts that only look like references are texts, where no credential is meant', () => {
  const { config } = parseConfig('model_list: [{ model_name: file/x, litellm_params: { model: openai/oidc/y } }]')
  expect(config.model_list[0]).toMatchObject({ model_name: 'file/x', litellm_params: { model: 'openai/oidc/y' } })
})

it('files and tokens are read for the config file alone, unless a lookup is given', async () => {
  const entry = (key: string) =>
    JSON.stringify({ model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m', api_key: key } }] })
  for (const key of ['file/etc/passwd', 'oidc/env/HOME']) expect(() => parseConfig(entry(key))).toThrow(/config file/)
  const { vault, load } = await world()
  vault.put('secret/LATER', { key: 'l1' })
  const { secrets } = await load()
  await secrets?.include({ api_key: 'os.environ/LATER' })
  const { config } = parseConfig(entry('os.environ/LATER'), { env: {}, lookup: secrets })
  expect(config.model_list[0]?.litellm_params.api_key).toBeInstanceOf(LiveSecret)
})
