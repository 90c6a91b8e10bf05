import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { TrustedProxies } from '../../authorization/trusted-proxies.ts'
import {
  json,
  LoopbackServer,
  loopbackDoors,
  newcomers,
  openPlane,
  TestClock,
  type TestPlane,
} from '../authentication.fixtures.ts'
import type { PresentedRequest } from '../presented.ts'
import type { Principal } from '../principal.ts'
import { TokenAdmission } from '../token-admission.ts'
import { OAuth2Authenticator } from './authenticator.ts'
import { Introspector } from './introspector.ts'
import { ProxyHeaderAuthenticator, readHeaderMappings } from './proxy-headers.ts'
import { readIntrospectionSettings } from './settings.ts'

const doors = loopbackDoors()
afterAll(() => doors.close())

let clock: TestClock
let idp: LoopbackServer
let world: TestPlane
let admission: TokenAdmission
let known: Record<string, unknown>
let status: number

beforeEach(async () => {
  clock = new TestClock()
  known = {}
  status = 200
  idp = await new LoopbackServer((request, response, body) => {
    if (request.url === '/introspect') {
      if (request.headers.authorization !== `Basic ${Buffer.from('client%3A1:s%26cret').toString('base64')}`) {
        json(response, { error: 'invalid_client' }, 401)
      } else json(response, known[new URLSearchParams(body).get('token') ?? ''] ?? { active: false }, status)
      return
    }
    const info = known[(request.headers.authorization ?? '').replace('Bearer ', '')]
    json(response, info ?? { error: 'invalid_token' }, info === undefined ? 401 : status)
  }).listen()
  world = await openPlane(clock)
  admission = new TokenAdmission({ plane: world.plane, clock, newcomers, ttl: 60_000, staleFor: 0, maxEntries: 100 })
})
afterEach(async () => {
  await world.close()
  await idp.close()
})

const introspector = (env: Record<string, string> = {}): Introspector =>
  new Introspector({
    settings: readIntrospectionSettings({
      OAUTH_TOKEN_INFO_ENDPOINT: `${idp.url}/introspect`,
      OAUTH_CLIENT_ID: 'client:1',
      OAUTH_CLIENT_SECRET: 's&cret',
      ...env,
    }),
    outbound: doors,
    clock,
    ttl: 60_000,
  })

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}

describe('introspection', () => {
  it('needs an active token, and says who it is', async () => {
    known['good'] = { active: true, sub: 'alice', role: 'proxy_admin_viewer', team_id: 't', email: 'a@x.com' }
    expect(await introspector().identify('good')).toMatchObject({
      proof: 'oauth2',
      userId: 'alice',
      teamId: 't',
      role: 'proxy_admin_viewer',
      userEmail: 'a@x.com',
      emailVerified: false,
    })
    for (const [name, info] of Object.entries({
      inactive: { active: false, sub: 'a' },
      silent: { sub: 'a' },
      text: { active: 'true', sub: 'a' },
      one: { active: 1, sub: 'a' },
    })) {
      known[name] = info
      expect(await refused(introspector().identify(name)), name).toContain('invalid_api_key')
    }
    expect(await refused(introspector().identify('unknown'))).toContain('invalid_api_key')
  })

  it('takes only roles that exist, and other field names when told', async () => {
    known['t'] = { active: true, uid: 'u', kind: 'superuser', group: 'g' }
    const by = introspector({
      OAUTH_USER_ID_FIELD_NAME: 'uid',
      OAUTH_USER_ROLE_FIELD_NAME: 'kind',
      OAUTH_USER_TEAM_ID_FIELD_NAME: 'group',
    })
    expect(await by.identify('t')).toMatchObject({ userId: 'u', teamId: 'g', role: undefined })
    known['n'] = { active: true, scope: 'x' }
    expect(await refused(by.identify('n'))).toContain("neither a user ('uid') nor a team")
  })

  it('keeps time and audience', async () => {
    known['old'] = { active: true, sub: 'a', exp: clock.seconds - 1 }
    known['early'] = { active: true, sub: 'a', nbf: clock.seconds + 60 }
    known['other'] = { active: true, sub: 'a', aud: 'other' }
    known['mine'] = { active: true, sub: 'a', aud: ['x', 'gateway'] }
    known['odd'] = { active: true, sub: 'a', exp: 'tomorrow' }
    const by = introspector({ OAUTH_AUDIENCE: 'gateway' })
    expect(await refused(by.identify('old'))).toContain('expired_key')
    expect(await refused(by.identify('odd'))).toContain('expired_key')
    expect(await refused(by.identify('early'))).toContain('nbf')
    expect(await refused(by.identify('other'))).toContain('audience')
    expect((await by.identify('mine')).userId).toBe('a')
  })

  it('asks once per whole token, for a bounded time, and shares one question', async () => {
    const start = 'x'.repeat(300)
    known[`${start}1`] = { active: true, sub: 'alice' }
    known[`${start}2`] = { active: true, sub: 'bob' }
    const by = introspector()
    await Promise.all([by.identify(`${start}1`), by.identify(`${start}1`)])
    expect((await by.identify(`${start}2`)).userId).toBe('bob')
    expect(idp.requests.length).toBe(2)
    known[`${start}1`] = { active: false }
    expect((await by.identify(`${start}1`)).userId).toBe('alice')
    clock.pass(61_000)
    expect(await refused(by.identify(`${start}1`))).toContain('invalid_api_key')
    expect(await refused(by.identify(`${start}1`))).toContain('invalid_api_key')
    expect(idp.requests.length).toBe(3)
  })

  it('never believes an answer beyond the end of the token', async () => {
    known['t'] = { active: true, sub: 'a', exp: clock.seconds + 5 }
    const by = introspector()
    await by.identify('t')
    clock.pass(6000)
    expect(await refused(by.identify('t'))).toContain('expired_key')
  })

  it('tells an outage from a bad token', async () => {
    known['t'] = { active: true, sub: 'a' }
    status = 500
    expect(await refused(introspector().identify('t'))).toContain('identity_unavailable')
    status = 429
    expect(await refused(introspector().identify('t'))).toContain('identity_unavailable')
    status = 200
    expect(await refused(introspector({ OAUTH_CLIENT_SECRET: 'wrong' }).identify('t'))).toContain(
      'identity_unavailable',
    )
    expect(
      await refused(introspector({ OAUTH_TOKEN_INFO_ENDPOINT: 'http://127.0.0.1:1/introspect' }).identify('t')),
    ).toContain('identity_unavailable')
  })

  it('has a token-info form', async () => {
    known['t'] = { sub: 'a' }
    known['bad'] = { error: 'invalid_token', sub: 'a' }
    known['off'] = { active: false, sub: 'a' }
    const by = introspector({ OAUTH_TOKEN_INFO_ENDPOINT: `${idp.url}/info` })
    expect((await by.identify('t')).userId).toBe('a')
    expect(idp.requests.at(-1)).toMatchObject({ method: 'GET', headers: { authorization: 'Bearer t' } })
    for (const token of ['bad', 'off', 'unknown'])
      expect(await refused(by.identify(token))).toContain('invalid_api_key')
  })

  it('lets in whom it names, and leaves keys alone', async () => {
    known['t'] = { active: true, sub: 'a', team_id: 't1' }
    const by = new OAuth2Authenticator(introspector(), admission)
    expect([by.accepts('sk-123'), by.accepts(undefined), by.accepts('t')]).toEqual([false, false, true])
    const found = await by.authenticate('t', { method: 'GET', headers: {}, address: '', peer: '' })
    expect(found).toMatchObject({ proof: 'oauth2', userId: 'a', teamId: 't1', role: 'internal_user', admin: false })
  })

  it('needs its settings', () => {
    expect(() => readIntrospectionSettings({})).toThrow('OAUTH_TOKEN_INFO_ENDPOINT')
    expect(() => readIntrospectionSettings({ OAUTH_TOKEN_INFO_ENDPOINT: 'https://x/introspect' })).toThrow(
      'OAUTH_CLIENT_ID',
    )
  })
})

describe('identity headers of a proxy', () => {
  const mappings = {
    user_id: 'X-Forwarded-User',
    user_email: 'X-Forwarded-Email',
    team_id: 'X-Team',
    models: 'X-Models',
  }
  const by = (ranges: readonly string[]) =>
    new ProxyHeaderAuthenticator(readHeaderMappings(mappings), () => new TrustedProxies(ranges), admission)
  const request = (headers: Record<string, string | string[]>, peer: string): PresentedRequest => ({
    method: 'GET',
    headers: headers as PresentedRequest['headers'],
    address: '10.0.0.1',
    peer,
  })
  const come = (headers: Record<string, string>, peer = '10.0.0.1'): Promise<Principal | undefined> =>
    by(['10.0.0.0/8']).authenticate(undefined, request(headers, peer))

  it('are believed from the other end of the socket only', async () => {
    expect(await come({ 'x-forwarded-user': 'alice', 'x-models': 'm1, m2' })).toMatchObject({
      userId: 'alice',
      role: 'internal_user',
      modelAccess: [{ models: ['m1', 'm2'] }],
    })
    for (const peer of ['192.0.2.1', '', '110.0.0.1', '::ffff:192.0.2.1']) {
      expect(await refused(come({ 'x-forwarded-user': 'alice', 'x-forwarded-for': '10.0.0.1' }, peer)), peer).toContain(
        'trusted_proxies',
      )
    }
    expect(await refused(by([]).authenticate(undefined, request({ 'x-forwarded-user': 'a' }, '10.0.0.1')))).toContain(
      'trusted_proxies',
    )
  })

  it('apply when they are there and no key is', () => {
    const way = by(['10.0.0.0/8'])
    expect(way.accepts(undefined, request({}, ''))).toBe(false)
    expect(way.accepts(undefined, request({ 'x-forwarded-user': 'a' }, ''))).toBe(true)
    expect(way.accepts('sk-1', request({ 'x-forwarded-user': 'a' }, ''))).toBe(false)
  })

  it('make one bearer per combination: no header changes what another request was given', async () => {
    const one = await come({ 'x-forwarded-user': 'alice', 'x-models': 'm1' })
    const two = await come({ 'x-forwarded-user': 'alice', 'x-models': 'm2' })
    expect([one?.modelAccess[0]?.models, two?.modelAccess[0]?.models]).toEqual([['m1'], ['m2']])
  })

  it.each([
    [{ user_role: 'X-Role' }, 'user_role cannot come from a header'],
    [{ user_id: 'X-User', max_budget: 'X-Budget' }, 'max_budget cannot'],
    [{ models: 'X-Models' }, 'must map user_id'],
    [{ user_id: 'bad header' }, 'name of a header'],
    ['x', 'say which header'],
  ])('%j is refused', (value, reason) => {
    expect(() => readHeaderMappings(value)).toThrow(reason)
  })
})
