import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type FakeGoogle, fakeGoogle } from './backends/google.fixtures.ts'
import type { Environment } from './call.ts'
import { type FakeServer, fakeServer } from './fake-server.fixtures.ts'
import { readOidcToken } from './oidc.ts'
import { parseReference } from './reference.ts'
import { servicesFor } from './services.fixtures.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
})

function read(text: string, env: Environment = {}, dirs: readonly string[] = [], key = 'api_key') {
  const reference = parseReference(text, true, key)
  if (reference?.kind !== 'oidc') throw new Error(`${text} is no oidc reference`)
  const services = servicesFor(env)
  ends.push(services.close)
  return readOidcToken(reference, services, dirs)
}

const jwt = (claims: object): string =>
  ['{"alg":"RS256"}', JSON.stringify(claims), 's'].map(part => Buffer.from(part).toString('base64url')).join('.')

const folder = (): string => mkdtempSync(join(tmpdir(), 'routeiq-oidc-'))

describe('tokens that are at hand', () => {
  it('come from a file in an allowed directory, with the time of their end', async () => {
    const dir = folder()
    const token = jwt({ exp: 2_000_000_000 })
    writeFileSync(join(dir, 'token'), `${token}\n`)
    const found = { text: token, expiresAt: 2_000_000_000_000 }
    expect(await read(`oidc/file/${join(dir, 'token')}`, {}, [dir])).toEqual(found)
    expect(await read(`oidc/file${join(dir, 'token')}`, {}, [dir])).toEqual(found)
    await expect(read(`oidc/file/${join(dir, 'token')}`, {}, ['/run/secrets'])).rejects.toThrow(/file_dirs/)
  })

  it('come from the environment', async () => {
    const path = join(folder(), 'token')
    writeFileSync(path, 'from-file')
    const env = {
      T: 'from-env',
      P: path,
      CIRCLE_OIDC_TOKEN: 'c1',
      CIRCLE_OIDC_TOKEN_V2: 'c2',
      AZURE_FEDERATED_TOKEN_FILE: path,
    }
    expect(await read('oidc/env/T', env)).toEqual({ text: 'from-env', expiresAt: undefined })
    expect((await read('oidc/env_path/P', env))?.text).toBe('from-file')
    expect((await read('oidc/circleci/', env))?.text).toBe('c1')
    expect((await read('oidc/circleci_v2/', env))?.text).toBe('c2')
    expect((await read('oidc/azure/https://x/.default', env))?.text).toBe('from-file')
    expect(await read('oidc/env/NONE', env)).toBeUndefined()
    await expect(read('oidc/env_path/NONE', env)).rejects.toThrow(/NONE is not set/)
  })
})

describe('tokens that are asked for', () => {
  it('google: of the machine’s account, for the audience', async () => {
    const google: FakeGoogle = await fakeGoogle()
    ends.push(google.close)
    const env = { GCE_METADATA_HOST: `127.0.0.1:${google.port}` }
    expect((await read('oidc/google/https://api.example/v1?x=1&y', env))?.text).toBe(
      'identity-for-https://api.example/v1?x=1&y',
    )
  })

  it('github: for the audience, with the job’s own token', async () => {
    const github: FakeServer = await fakeServer(({ headers, query }) => {
      const known = headers.authorization === 'Bearer job-token' && query.get('version') === '1'
      return known ? { body: { value: `token-for-${query.get('audience')}` } } : { status: 401 }
    })
    ends.push(github.close)
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/?version=1`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job-token',
    }
    expect((await read('oidc/github/https://api.example', env))?.text).toBe('token-for-https://api.example')
    await expect(read('oidc/github/x', { ...env, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'wrong' })).rejects.toThrow(/401/)
    await expect(read('oidc/github/x')).rejects.toThrow(/id-token: write/)
  })
})

it('azure_ad_token: a token of another provider is exchanged at Entra ID', async () => {
  const entra = await fakeServer(({ path, body }) => {
    const form = Object.fromEntries(new URLSearchParams(body))
    const sound =
      path === '/tenant-1/oauth2/v2.0/token' &&
      form['client_id'] === 'app-1' &&
      form['client_assertion'] === 'from-env' &&
      form['client_assertion_type'] === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' &&
      form['scope'] === 'https://cognitiveservices.azure.com/.default' &&
      form['grant_type'] === 'client_credentials'
    return sound ? { body: { access_token: 'entra-token', expires_in: 3599 } } : { status: 401 }
  })
  ends.push(entra.close)
  const env = { T: 'from-env', AZURE_TENANT_ID: 'tenant-1', AZURE_CLIENT_ID: 'app-1', AZURE_AUTHORITY_HOST: entra.url }
  const found = await read('oidc/env/T', env, [], 'azure_ad_token')
  expect(found?.text).toBe('entra-token')
  expect(found?.expiresAt).toBeGreaterThan(Date.now() + 3_000_000)
  expect((await read('oidc/env/T', env))?.text).toBe('from-env')
  await expect(read('oidc/env/T', { ...env, T: 'other' }, [], 'azure_ad_token')).rejects.toThrow(/401/)
  await expect(read('oidc/env/T', { T: 'x' }, [], 'azure_ad_token')).rejects.toThrow(/AZURE_TENANT_ID/)
})
