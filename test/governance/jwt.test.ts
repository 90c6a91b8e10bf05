import { createHmac, createPublicKey } from 'node:crypto'
import type { OAuth2Server } from 'oauth2-mock-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { errorOf, startIdentityProvider, tokenOf } from './identity-world.ts'
import { api, done, newKey } from './setup.ts'

let upstream: Upstream
let idp: OAuth2Server
let gateway: Gateway

const config = (jwtauth: Json): Json => ({
  model_list: [deployment('m1', upstream, 'm1'), deployment('m2', upstream, 'm2'), deployment('m3', upstream, 'm3')],
  environment_variables: {
    JWT_PUBLIC_KEY_URL: `${idp.issuer.url}/jwks`,
    JWT_AUDIENCE: 'gateway',
    JWT_ISSUER: idp.issuer.url!,
  },
  general_settings: { enable_jwt_auth: true, litellm_jwtauth: jwtauth },
})
const fields = {
  user_id_jwt_field: 'sub',
  user_email_jwt_field: 'email',
  team_ids_jwt_field: 'groups',
  user_id_upsert: true,
}

beforeAll(async () => {
  upstream = await startUpstream()
  idp = await startIdentityProvider()
  gateway = await startGateway({ config: config(fields) })
})
afterAll(async () => {
  await gateway.stop()
  await idp.stop()
  await upstream.close()
})

const token = (claims: Json = {}, header: Json = {}): Promise<string> =>
  tokenOf(idp, { aud: 'gateway', sub: 'alice', ...claims }, header)
const ask = (key: string, model = 'm1', headers: Record<string, string> = {}): Promise<StreamAnswer> =>
  chat({ url: gateway.url, key }, model, 'hi', {}, { headers })

describe('JWTs at the door', () => {
  it('call models, and make their user', async () => {
    const answer = await ask(await token({ email: 'alice@x.com' }))
    expect(answer.status, answer.text).toBe(200)
    expect((await done(gateway, 'GET', '/user/info?user_id=alice'))['user_info']).toMatchObject({
      user_email: 'alice@x.com',
      sso_user_id: 'alice',
    })
    for (const header of ['x-api-key', 'x-litellm-api-key', 'api-key']) {
      expect((await send(`${gateway.url}/v1/models`, { headers: { [header]: await token() } })).status, header).toBe(
        200,
      )
    }
  })

  it('that prove nothing are refused: alg none, key confusion, own keys, kid tricks, other audience, issuer, time', async () => {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const good = await token()
    const [head, body, signature] = good.split('.') as [string, string, string]
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString())
    const jwk = ((await (await fetch(`${idp.issuer.url}/jwks`)).json()) as { keys: Json[] }).keys[0]!
    const pem = createPublicKey({ key: jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const confused = `${part({ alg: 'HS256', kid })}.${body}`
    const other = await startIdentityProvider()
    const foreign = (header: Json) => tokenOf(other, { ...claims, sub: 'mallory' }, header)
    const now = Math.floor(Date.now() / 1000)
    const bad: Record<string, string> = {
      'alg none': `${part({ alg: 'none', kid })}.${body}.`,
      'alg NoNe with signature': `${part({ alg: 'NoNe', kid })}.${body}.${signature}`,
      'public key as HMAC secret': `${confused}.${createHmac('sha256', pem).update(confused).digest('base64url')}`,
      'changed claims': `${head}.${part({ ...claims, sub: 'root', scope: 'litellm_proxy_admin' })}.${signature}`,
      'no signature': `${head}.${body}.`,
      'other issuer’s key under our kid': await foreign({ kid }),
      'kid is a path': await foreign({ kid: '../../../../dev/null' }),
      'kid is SQL': await foreign({ kid: "' UNION SELECT 1 --" }),
      'jku points elsewhere': await foreign({ jku: `${other.issuer.url}/jwks`, kid }),
      'jwk brought along': await foreign({
        jwk: ((await (await fetch(`${other.issuer.url}/jwks`)).json()) as { keys: Json[] }).keys[0],
      }),
      crit: `${part({ alg: 'RS256', kid, crit: ['x'] })}.${body}.${signature}`,
      'wrong audience': await token({ aud: 'another' }),
      'wrong issuer': await token({ iss: 'https://evil.example' }),
      expired: await token({ exp: now - 60 }),
      'not valid yet': await token({ nbf: now + 600 }),
      'from the future': await token({ iat: now + 600 }),
      'without end': await token({ exp: undefined }),
      'logout token': await token({}, { typ: 'logout+jwt' }),
    }
    for (const [what, wrong] of Object.entries(bad)) {
      for (const path of ['/v1/models', '/key/list', '/user/list']) {
        const answer = await send(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${wrong}` } })
        expect(answer.status, `${what} at ${path}: ${answer.text}`).toBe(401)
      }
    }
    await other.stop()
    expect((await ask(good)).status).toBe(200)
    expect(gateway.logs()).not.toContain(signature.slice(0, 40))
  })

  it('are told apart whole: one that begins alike is another one (CVE-2026-35030)', async () => {
    const good = await token({ sub: 'prefix-user', filler: 'x'.repeat(600) })
    expect((await ask(good)).status).toBe(200)
    for (const cut of [300, 400, good.length - 10, good.length - 1]) {
      const forged = good.slice(0, cut) + 'A'.repeat(good.length - cut)
      expect((await ask(forged)).status, String(cut)).toBe(good === forged ? 200 : 401)
    }
  })

  it('are nobody’s administrator without the scope, and administrate with it', async () => {
    const user = await token()
    expect((await api(gateway, 'POST', '/user/new', { user_id: 'x' }, user)).status).toBe(403)
    const admin = await token({ sub: 'root', scope: 'openid litellm_proxy_admin' })
    expect((await api(gateway, 'GET', '/user/list', undefined, admin)).status).toBe(200)
    expect((await ask(admin)).status).toBe(403)
  })
})

describe('teams of JWTs', () => {
  beforeAll(async () => {
    for (const [id, model] of [
      ['g1', 'm1'],
      ['g2', 'm2'],
    ]) {
      await done(gateway, 'POST', '/team/new', { team_id: id, team_alias: `Team ${id}`, models: [model] })
    }
  })

  it('are chosen by the model, or by the caller', async () => {
    const both = await token({ sub: 'bob', groups: ['g1', 'g2'] })
    expect((await ask(both, 'm1')).status).toBe(200)
    const other = await ask(both, 'm2')
    expect(other.status, other.text).toBe(200)
    expect(errorOf(await ask(both, 'm3')).code).toBe('model_access_denied')
    expect((await ask(both, 'm2', { 'x-litellm-team-id': 'Team g2' })).status).toBe(200)
    expect(errorOf(await ask(both, 'm1', { 'x-litellm-team-id': 'g2' })).code).toBe('model_access_denied')
    const foreign = await ask(await token({ sub: 'bob', groups: ['g1'] }), 'm2', { 'x-litellm-team-id': 'g2' })
    expect([foreign.status, errorOf(foreign).code]).toEqual([403, 'permission_denied'])
  })

  it('that are blocked let nobody in, at once', async () => {
    const one = await token({ sub: 'carol', groups: ['g2'] })
    expect((await ask(one, 'm2')).status).toBe(200)
    await done(gateway, 'POST', '/team/block', { team_id: 'g2' })
    expect(errorOf(await ask(one, 'm2')).code).toBe('key_blocked')
    await done(gateway, 'POST', '/team/unblock', { team_id: 'g2' })
    expect((await ask(one, 'm2')).status).toBe(200)
  })
})

describe('claims that stand for virtual keys', () => {
  it('act as the key that is registered, with its limits, until the mapping goes', async () => {
    await configure(
      gateway,
      config({ ...fields, virtual_key_claim_field: 'azp', unregistered_jwt_client_behavior: 'reject' }),
    )
    const key = await newKey(gateway, { models: ['m2'] })
    const client = await token({ azp: 'ci' })
    expect((await ask(client, 'm2')).status).toBe(403)
    const mapping = await done(gateway, 'POST', '/jwt/key/mapping/new', {
      jwt_claim_name: 'azp',
      jwt_claim_value: 'ci',
      key,
    })
    expect(mapping).toMatchObject({ jwt_claim_name: 'azp', is_active: true })
    expect(JSON.stringify(mapping)).not.toContain(key)
    expect((await ask(client, 'm2')).status).toBe(200)
    expect(errorOf(await ask(client, 'm1')).code).toBe('model_access_denied')
    expect(
      (await api(gateway, 'POST', '/jwt/key/mapping/new', { jwt_claim_name: 'azp', jwt_claim_value: 'ci', key }))
        .status,
    ).toBe(409)
    expect(
      (await api(gateway, 'POST', '/jwt/key/mapping/new', { jwt_claim_name: 'azp', jwt_claim_value: 'x', key }, key))
        .status,
    ).toBe(403)
    expect(await done(gateway, 'GET', '/jwt/key/mapping/list')).toMatchObject({
      total_count: 1,
      mappings: [{ id: mapping['id'] }],
    })
    await done(gateway, 'POST', '/jwt/key/mapping/update', { id: mapping['id'], is_active: false })
    expect((await ask(client, 'm2')).status).toBe(403)
    await done(gateway, 'POST', '/jwt/key/mapping/delete', { id: mapping['id'] })
    expect((await api(gateway, 'GET', `/jwt/key/mapping/info?id=${mapping['id']}`)).status).toBe(404)
    await configure(gateway, config(fields))
  })
})

describe('the configuration', () => {
  it('that cannot work is refused with the field, and the one before stays', async () => {
    for (const [wrong, reason] of [
      [{ user_id_jwt_fild: 'sub' }, 'user_id_jwt_fild'],
      [{ object_id_jwt_field: 'oid' }, 'role_mappings'],
      [{ custom_validate: './missing.js' }, 'custom_validate'],
    ] as const) {
      gateway.writeConfig(config(wrong as Json))
      const answer = await send(`${gateway.url}/config/reload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.key}` },
        body: {},
      })
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(reason)])
      expect((await ask(await token())).status).toBe(200)
    }
    await configure(gateway, config({ ...fields, public_key_ttl: 300 }))
  })

  it('switches JWTs off again', async () => {
    await configure(gateway, { ...config(fields), general_settings: {} })
    expect((await ask(await token())).status).toBe(401)
    await configure(gateway, config(fields))
    await eventually(async () => ((await ask(await token())).status === 200 ? true : undefined))
  })

  it('of a provider that is away makes an outage, not a refusal', async () => {
    const away = { ...config(fields), environment_variables: { JWT_PUBLIC_KEY_URL: 'http://127.0.0.1:1/jwks' } }
    await configure(gateway, away)
    const answer = await ask(await token())
    expect([answer.status, errorOf(answer).code]).toEqual([503, 'identity_unavailable'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    await configure(gateway, config(fields))
  })
})
