import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Environment } from '../call.ts'
import { servicesFor } from '../services.fixtures.ts'
import { type FakeAzure, fakeAzure } from './azure.fixtures.ts'
import { azureKeyVault } from './azure-key-vault.ts'

let azure: FakeAzure
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  azure = await fakeAzure()
  azure.secrets.set('AZURE-API-KEY', 'v')
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await azure.close()
})

function vault(env: Environment) {
  const services = servicesFor({ AZURE_KEY_VAULT_URI: `${azure.url}/`, AZURE_AUTHORITY_HOST: azure.url, ...env })
  ends.push(services.close)
  return azureKeyVault(services)
}

const app = { AZURE_TENANT_ID: 'tenant-1', AZURE_CLIENT_ID: 'app-1' }

it('reads as an application, under the name that Key Vault knows', async () => {
  const found = vault({ ...app, AZURE_CLIENT_SECRET: 'app-secret' })
  expect(await found.read('AZURE_API_KEY')).toEqual({ text: 'v' })
  expect(await found.read('AZURE-API-KEY')).toEqual({ text: 'v' })
  expect(await found.read('OTHER')).toBeUndefined()
  expect(azure.tokens.size).toBe(1)
})

it('reads with a federated token (AKS workload identity)', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'routeiq-azure-')), 'token')
  writeFileSync(file, 'federated-jwt\n')
  expect(await vault({ ...app, AZURE_FEDERATED_TOKEN_FILE: file }).read('AZURE_API_KEY')).toEqual({ text: 'v' })
})

it('reads with a managed identity, of the machine and of App Service', async () => {
  expect(await vault({ AZURE_POD_IDENTITY_AUTHORITY_HOST: azure.url }).read('AZURE_API_KEY')).toEqual({ text: 'v' })
  const appService = { IDENTITY_ENDPOINT: `${azure.url}/app-service/token`, IDENTITY_HEADER: 'header-1' }
  expect(await vault(appService).read('AZURE_API_KEY')).toEqual({ text: 'v' })
})

it('fetches another token when one is refused', async () => {
  const found = vault({ ...app, AZURE_CLIENT_SECRET: 'app-secret' })
  await found.read('AZURE_API_KEY')
  azure.tokens.clear()
  await expect(found.read('AZURE_API_KEY')).rejects.toThrow(/identity \(401\)/)
  expect(await found.read('AZURE_API_KEY')).toEqual({ text: 'v' })
})

it('tells a wrong secret from a wrong address, and neither of them aloud', async () => {
  const wrong = await vault({ ...app, AZURE_CLIENT_SECRET: 'wrong-secret' })
    .read('K')
    .catch(error => error)
  expect(wrong.message).toMatch(/Entra ID: .*401/)
  expect(wrong.message).not.toContain('wrong-secret')
  expect(() => vault({ AZURE_KEY_VAULT_URI: 'my-vault' })).toThrow(/AZURE_KEY_VAULT_URI/)
})

it('writes and removes', async () => {
  const found = vault({ ...app, AZURE_CLIENT_SECRET: 'app-secret' })
  await found.write?.('litellm/a', '1')
  expect(azure.secrets.get('litellm-a')).toBe('1')
  await found.remove?.('litellm/a')
  await found.remove?.('litellm/a')
  expect(azure.secrets.has('litellm-a')).toBe(false)
})
