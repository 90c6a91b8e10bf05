import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Environment } from '../call.ts'
import { servicesFor } from '../services.fixtures.ts'
import { type FakeGoogle, fakeGoogle } from './google.fixtures.ts'
import { googleKms, googleSecretManager } from './google.ts'

let google: FakeGoogle
let env: Environment
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  google = await fakeGoogle()
  const file = join(mkdtempSync(join(tmpdir(), 'routeiq-google-')), 'account.json')
  writeFileSync(file, google.account)
  env = {
    GOOGLE_APPLICATION_CREDENTIALS: file,
    GOOGLE_SECRET_MANAGER_PROJECT_ID: google.project,
    GOOGLE_SECRET_MANAGER_ENDPOINT: google.url,
    GOOGLE_KMS_ENDPOINT: google.url,
    GOOGLE_KMS_RESOURCE_NAME: google.kmsKey,
    GCE_METADATA_HOST: `127.0.0.1:${google.port}`,
  }
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await google.close()
})

const services = (own: Environment = env) => {
  const made = servicesFor(own)
  ends.push(made.close)
  return made
}

describe('Secret Manager', () => {
  it('reads the latest version with a token for a signed assertion', async () => {
    google.secrets.set('OPENAI_API_KEY', ['old', 'sk-ünï'])
    const found = googleSecretManager(services())
    expect(await found.read('OPENAI_API_KEY')).toEqual({ text: 'sk-ünï' })
    expect(await found.read('OTHER')).toBeUndefined()
    expect(google.tokens.size).toBe(1)
  })

  it('reads with the account of the machine it runs on', async () => {
    google.secrets.set('K', ['v'])
    const { GOOGLE_APPLICATION_CREDENTIALS: _, ...machine } = env
    expect(await googleSecretManager(services(machine)).read('K')).toEqual({ text: 'v' })
  })

  it('fetches another token when one is refused', async () => {
    google.secrets.set('K', ['v'])
    const found = googleSecretManager(services())
    await found.read('K')
    google.tokens.clear()
    await expect(found.read('K')).rejects.toThrow(/identity \(401\)/)
    expect(await found.read('K')).toEqual({ text: 'v' })
  })

  it('refuses a key of another account', async () => {
    const other = await fakeGoogle()
    writeFileSync(env['GOOGLE_APPLICATION_CREDENTIALS'] ?? '', google.account.replace(google.url, other.url))
    await expect(googleSecretManager(services()).read('K')).rejects.toThrow(/token service/)
    await other.close()
  })

  it('creates, changes and removes under ids that Google takes', async () => {
    const found = googleSecretManager(services())
    await found.write?.('litellm/a', '1')
    await found.write?.('litellm/a', '2')
    expect([...google.secrets]).toEqual([['litellm-a', ['1', '2']]])
    expect(await found.read('litellm/a')).toEqual({ text: '2' })
    await found.remove?.('litellm/a')
    expect(google.secrets.size).toBe(0)
  })

  it('says which setting is missing', async () => {
    expect(() => googleSecretManager(services({}))).toThrow(/GOOGLE_SECRET_MANAGER_PROJECT_ID/)
    writeFileSync(env['GOOGLE_APPLICATION_CREDENTIALS'] ?? '', '{"type":"authorized_user"}')
    await expect(googleSecretManager(services()).read('K')).rejects.toThrow(/"authorized_user"/)
  })
})

describe('KMS', () => {
  it('opens what the environment holds', async () => {
    const found = googleKms(services({ ...env, MASTER: google.encrypt('sk-master') }))
    expect(await found.read('MASTER')).toEqual({ text: 'sk-master' })
    expect(await found.read('OTHER')).toBeUndefined()
  })

  it('refuses what is no ciphertext, and a key name that is none', async () => {
    await expect(googleKms(services({ ...env, MASTER: 'plain' })).read('MASTER')).rejects.toThrow(/base64 ciphertext/)
    expect(() => googleKms(services({ ...env, GOOGLE_KMS_RESOURCE_NAME: '../x' }))).toThrow(/GOOGLE_KMS_RESOURCE_NAME/)
  })
})
