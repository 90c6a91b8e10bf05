import { createHmac, createPublicKey, randomBytes } from 'node:crypto'
import { exportSPKI, type JWK } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import {
  json,
  LoopbackServer,
  loopbackDoors,
  TestClock,
  type TestIssuer,
  testIssuer,
} from '../authentication.fixtures.ts'
import { readJwtSettings } from './settings.ts'
import { JwtVerifier } from './verifier.ts'

let issuer: TestIssuer
let other: TestIssuer
let elliptic: TestIssuer
const doors = loopbackDoors()

beforeAll(async () => {
  issuer = await testIssuer('key-1')
  other = await testIssuer('key-2')
  elliptic = await testIssuer('key-ec', 'ES256')
})
afterAll(() => doors.close())

let clock: TestClock
let idp: LoopbackServer
let keys: JWK[]
let status: number

beforeEach(async () => {
  clock = new TestClock()
  keys = [issuer.publicJwk]
  status = 200
  idp = await new LoopbackServer((_request, response) => json(response, { keys }, status)).listen()
})
afterEach(() => idp.close())

const verifier = (env: Record<string, string> = {}, fields: Record<string, unknown> = {}): JwtVerifier => {
  const { settings } = readJwtSettings(
    { litellm_jwtauth: fields },
    { JWT_PUBLIC_KEY_URL: `${idp.url}/jwks`, JWT_AUDIENCE: 'gateway', JWT_ISSUER: 'https://idp', ...env },
  )
  return new JwtVerifier(settings, { outbound: doors, clock })
}

const claims = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  iss: 'https://idp',
  aud: 'gateway',
  sub: 'alice',
  iat: clock.seconds,
  exp: clock.seconds + 300,
  ...more,
})

/** The error's code and text. */
async function refused(token: string, by: JwtVerifier = verifier()): Promise<string> {
  const error = await by.verify(token).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const unsigned = (header: unknown, payload: unknown, signature = ''): string =>
  `${part(header)}.${part(payload)}.${signature}`

describe('a JWT', () => {
  it('is taken with the right signature, issuer, audience and time', async () => {
    const verified = await verifier().verify(await issuer.sign(claims()))
    expect(verified.claims).toMatchObject({ sub: 'alice' })
    expect(verified.issuer).toBeUndefined()
    keys = [issuer.publicJwk, elliptic.publicJwk]
    expect((await verifier().verify(await elliptic.sign(claims()))).claims['sub']).toBe('alice')
  })

  it('without a signature (alg none) is refused in every spelling', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined, 0, ['RS256']]) {
      for (const signature of ['', 'AAAA']) {
        expect(await refused(unsigned({ alg, kid: 'key-1' }, claims(), signature))).toContain('invalid_api_key')
      }
    }
    const [head, body] = (await issuer.sign(claims())).split('.')
    expect(await refused(`${head}.${body}.`)).toContain('not signed')
    expect(idp.requests).toEqual([])
  })

  it('signed with the public key as an HMAC secret is refused (RS/HS confusion)', async () => {
    const publicKey = createPublicKey({ key: issuer.publicJwk as never, format: 'jwk' })
    const secrets = [
      await exportSPKI(publicKey as never),
      publicKey.export({ type: 'pkcs1', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(issuer.publicJwk),
      issuer.publicJwk.n!,
    ]
    for (const [alg, digest] of [
      ['HS256', 'sha256'],
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
    ] as const) {
      for (const secret of secrets) {
        const start = `${part({ alg, kid: 'key-1', typ: 'JWT' })}.${part(claims())}`
        const signature = createHmac(digest, secret).update(start).digest('base64url')
        expect(await refused(`${start}.${signature}`)).toContain('must be signed with one of RS256')
      }
    }
  })

  it('whose HMAC key stands in the key set is refused all the same', async () => {
    const secret = randomBytes(32)
    keys = [issuer.publicJwk, { kty: 'oct', kid: 'key-1', k: secret.toString('base64url'), alg: 'HS256' }]
    const start = `${part({ alg: 'HS256', kid: 'key-1' })}.${part(claims())}`
    const token = `${start}.${createHmac('sha256', secret).update(start).digest('base64url')}`
    expect(await refused(token)).toContain('invalid_api_key')
  })

  it('signed by another key under the right key id is refused', async () => {
    expect(await refused(await other.sign(claims(), { kid: 'key-1' }))).toContain('its signature is wrong')
    const [head, , signature] = (await issuer.sign(claims())).split('.')
    expect(await refused(`${head}.${part(claims({ sub: 'mallory' }))}.${signature}`)).toContain(
      'its signature is wrong',
    )
  })

  it('that brings its own key (jwk, jku, x5u, x5c) gains nothing', async () => {
    const evil = await new LoopbackServer((_request, response) => json(response, { keys: [other.publicJwk] })).listen()
    for (const header of [
      { jwk: other.publicJwk },
      { jku: `${evil.url}/jwks` },
      { x5u: `${evil.url}/cert` },
      { x5c: ['MIIB'] },
      { jwk: other.publicJwk, kid: 'key-1' },
      { jku: `${evil.url}/jwks`, kid: `${evil.url}/jwks` },
    ]) {
      expect(await refused(await other.sign(claims(), header))).toContain('invalid_api_key')
    }
    expect(evil.requests).toEqual([])
    await evil.close()
  })

  it('whose key id is a path, an address or SQL is looked up as a name, and found nowhere', async () => {
    for (const kid of [
      '../../dev/null',
      '/dev/null',
      "x' UNION SELECT 'k'--",
      'http://127.0.0.1/k',
      'key-1\0',
      '',
      '__proto__',
      'constructor',
    ]) {
      expect(await refused(await other.sign(claims(), { kid })), kid).toContain('invalid_api_key')
    }
    expect(await refused(unsigned({ alg: 'RS256', kid: ['key-1'] }, claims(), 'AAAA'))).toContain('key id')
    expect(await refused(unsigned({ alg: 'RS256', kid: 'k'.repeat(300) }, claims(), 'AAAA'))).toContain('key id')
    expect(new Set(idp.requests.map(request => request.url))).toEqual(new Set(['/jwks']))
  })

  it('with critical extensions, an unencoded payload or the type of another token is refused', async () => {
    const header = { alg: 'RS256', kid: 'key-1' }
    expect(await refused(unsigned({ ...header, crit: ['exp'] }, claims(), 'AAAA'))).toContain('crit')
    expect(await refused(unsigned({ ...header, crit: [] }, claims(), 'AAAA'))).toContain('crit')
    expect(await refused(unsigned({ ...header, b64: false }, claims(), 'AAAA'))).toContain('b64')
    for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'kb+jwt', 'JWE', 7]) {
      expect(await refused(unsigned({ ...header, typ }, claims(), 'AAAA')), String(typ)).toContain('typ')
    }
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt']) {
      expect((await verifier().verify(await issuer.sign(claims(), { typ }))).claims['sub']).toBe('alice')
    }
  })

  it('is not read when it is none: parts, alphabet, JSON, size, depth', async () => {
    let deep: unknown = 1
    for (let level = 0; level < 20; level++) deep = { deep }
    for (const token of [
      'ey',
      'ey.ey',
      'ey.ey.ey.ey',
      'ey.ey.ey.ey.ey',
      `${part({ alg: 'RS256' })}.${part([])}.AAAA`,
      `${part([])}.${part(claims())}.AAAA`,
      `${part({ alg: 'RS256' })}.e30=.AAAA`,
      `${part({ alg: 'RS256' })}.not json.AAAA`,
      unsigned({ alg: 'RS256' }, claims({ deep }), 'AAAA'),
      unsigned({ alg: 'RS256', x: 'x'.repeat(3000) }, claims(), 'AAAA'),
      unsigned({ alg: 'RS256' }, claims({ x: 'x'.repeat(20_000) }), 'AAAA'),
    ]) {
      expect(await refused(token), token.slice(0, 60)).toContain('invalid_api_key')
    }
    expect(idp.requests).toEqual([])
  })

  it('for another audience or of another issuer is refused', async () => {
    expect(await refused(await issuer.sign(claims({ aud: 'other' })))).toContain('another audience')
    expect(await refused(await issuer.sign(claims({ aud: ['other', 'gateway2'] })))).toContain('another audience')
    expect(await refused(await issuer.sign(claims({ aud: undefined })))).toContain("has no 'aud'")
    expect(await refused(await issuer.sign(claims({ iss: 'https://idp/' })))).toContain('its issuer (iss)')
    expect(await refused(await issuer.sign(claims({ iss: undefined })))).toContain("has no 'iss'")
    expect((await verifier().verify(await issuer.sign(claims({ aud: ['x', 'gateway'] })))).claims['sub']).toBe('alice')
  })

  it('counts only in its time, with the leeway for clocks', async () => {
    const expired = await issuer.sign(claims({ exp: clock.seconds - 11 }))
    expect(await refused(expired)).toContain('expired_key')
    expect((await verifier().verify(await issuer.sign(claims({ exp: clock.seconds - 5 })))).claims['sub']).toBe('alice')
    expect(await refused(await issuer.sign(claims({ exp: clock.seconds - 5 })), verifier({}, { leeway: 0 }))).toContain(
      'expired_key',
    )
    expect(await refused(await issuer.sign(claims({ nbf: clock.seconds + 60 })))).toContain('not valid yet')
    expect(await refused(await issuer.sign(claims({ iat: clock.seconds + 60 })))).toContain('issued in the future')
    expect(await refused(await issuer.sign(claims({ exp: 'soon' })))).toContain("'exp'")
    expect(await refused(await issuer.sign(claims({ exp: undefined })))).toContain("has no 'exp'")
    const lasting = verifier({}, { require_expiry: false })
    expect((await lasting.verify(await issuer.sign(claims({ exp: undefined })))).claims['sub']).toBe('alice')
  })
})

describe('keys', () => {
  it('are fetched once, and again when they are old', async () => {
    const by = verifier({}, { public_key_ttl: 60 })
    const token = await issuer.sign(claims())
    await Promise.all([by.verify(token), by.verify(token), by.verify(token)])
    expect(idp.asked('/jwks')).toBe(1)
    clock.pass(59_000)
    await by.verify(token)
    expect(idp.asked('/jwks')).toBe(1)
    clock.pass(2000)
    await by.verify(token)
    expect(idp.asked('/jwks')).toBe(2)
  })

  it('that are new are found by one look, however many unknown ones are asked for', async () => {
    const by = verifier()
    await by.verify(await issuer.sign(claims()))
    keys = [issuer.publicJwk, other.publicJwk]
    expect((await by.verify(await other.sign(claims()))).claims['sub']).toBe('alice')
    expect(idp.asked('/jwks')).toBe(2)
    for (let guess = 0; guess < 20; guess++) await refused(await other.sign(claims(), { kid: `guess-${guess}` }), by)
    expect(idp.asked('/jwks')).toBe(2)
    clock.pass(31_000)
    await refused(await other.sign(claims(), { kid: 'late' }), by)
    expect(idp.asked('/jwks')).toBe(3)
  })

  it('that were withdrawn verify nothing after their time', async () => {
    const by = verifier({}, { public_key_ttl: 60 })
    await by.verify(await issuer.sign(claims()))
    keys = [other.publicJwk]
    clock.pass(61_000)
    expect(await refused(await issuer.sign(claims()), by)).toContain('no key of its issuer')
  })

  it('serve on for a while when the provider is away; then it is an outage, not a bad token', async () => {
    const by = verifier({}, { public_key_ttl: 60, public_key_stale_ttl: 120 })
    await by.verify(await issuer.sign(claims()))
    status = 500
    clock.pass(61_000)
    expect((await by.verify(await issuer.sign(claims()))).claims['sub']).toBe('alice')
    clock.pass(120_000)
    expect(await refused(await issuer.sign(claims()), by)).toContain('identity_unavailable')
    const asked = idp.asked('/jwks')
    for (let call = 0; call < 10; call++) await refused(await issuer.sign(claims()), by)
    expect(idp.asked('/jwks')).toBeLessThanOrEqual(asked + 1)
    status = 200
    clock.pass(6000)
    expect((await by.verify(await issuer.sign(claims()))).claims['sub']).toBe('alice')
  })

  it('that cannot be had at all are an outage', async () => {
    status = 503
    expect(await refused(await issuer.sign(claims()))).toContain('identity_unavailable')
    const gone = verifier({ JWT_PUBLIC_KEY_URL: 'http://127.0.0.1:1/jwks' })
    expect(await refused(await issuer.sign(claims()), gone)).toContain('identity_unavailable')
  })

  it('of several providers are all tried, also under one key id', async () => {
    const second = await new LoopbackServer((_request, response) =>
      json(response, { keys: [{ ...other.publicJwk, kid: 'key-1' }] }),
    ).listen()
    const by = verifier({ JWT_PUBLIC_KEY_URL: `${idp.url}/jwks, ${second.url}/jwks` })
    expect((await by.verify(await other.sign(claims(), { kid: 'key-1' }))).claims['sub']).toBe('alice')
    expect((await by.verify(await issuer.sign(claims()))).claims['sub']).toBe('alice')
    // One that is away hides nothing that another can decide.
    status = 500
    const late = verifier({ JWT_PUBLIC_KEY_URL: `${idp.url}/jwks,${second.url}/jwks` })
    expect((await late.verify(await other.sign(claims(), { kid: 'key-1' }))).claims['sub']).toBe('alice')
    await second.close()
  })

  it('may be named by a discovery document, and need no key id when there is one', async () => {
    idp.handler = (request, response) =>
      request.url === '/keys' ? json(response, { keys }) : json(response, { jwks_uri: `${idp.url}/keys` })
    const by = verifier({ JWT_PUBLIC_KEY_URL: `${idp.url}/.well-known/openid-configuration` })
    expect((await by.verify(await issuer.sign(claims(), { kid: undefined }))).claims['sub']).toBe('alice')
    keys = [other.publicJwk, issuer.publicJwk]
    clock.pass(700_000)
    expect((await by.verify(await issuer.sign(claims(), { kid: undefined }))).claims['sub']).toBe('alice')
  })
})

describe('listed issuers', () => {
  const fields = (): Record<string, unknown> => ({
    issuers: [
      { issuer: 'https://a', jwks_url: `${idp.url}/a`, audience: 'for-a' },
      { issuer: 'https://b', jwks_url: `${idp.url}/b`, disable_audience_validation: true },
    ],
  })

  it('vouch only for themselves, each with its own keys and audience', async () => {
    idp.handler = (request, response) =>
      json(response, { keys: [request.url === '/a' ? issuer.publicJwk : other.publicJwk] })
    const by = verifier({ JWT_PUBLIC_KEY_URL: '' }, fields())
    const a = await by.verify(await issuer.sign(claims({ iss: 'https://a', aud: 'for-a' })))
    expect(a.issuer?.issuer).toBe('https://a')
    await by.verify(await other.sign(claims({ iss: 'https://b', aud: 'anything' })))
    expect(await refused(await issuer.sign(claims({ iss: 'https://a' })), by)).toContain('another audience')
    // B's key says it is A.
    expect(await refused(await other.sign(claims({ iss: 'https://a', aud: 'for-a' })), by)).toContain(
      'no key of its issuer',
    )
    expect(await refused(await issuer.sign(claims({ iss: 'https://c' })), by)).toContain('not one of')
    expect(await refused(await issuer.sign(claims({ iss: undefined })), by)).toContain('not one of')
  })
})
