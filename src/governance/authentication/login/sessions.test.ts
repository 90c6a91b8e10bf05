import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { openPlane, TestClock, type TestPlane } from '../authentication.fixtures.ts'
import { Provisioning } from '../people.ts'
import type { PresentedRequest } from '../presented.ts'
import { tokenOf } from '../token-hash.ts'
import { beginLoginCookie, endSessionCookies, sessionCookie, sessionCookies } from './cookies.ts'
import { checkSameSite } from './cross-site.ts'
import { csrfTokenOf, isSessionToken, newSessionToken } from './session.ts'
import { SessionAuthenticator } from './session-authenticator.ts'
import { SessionStore } from './session-store.ts'

const hour = 3_600_000
let clock: TestClock
let world: TestPlane
let sessions: SessionStore
let authenticator: SessionAuthenticator

beforeEach(async () => {
  clock = new TestClock()
  world = await openPlane(clock)
  sessions = new SessionStore(world.plane, clock, { absolute: 24 * hour, idle: 8 * hour, cli: 24 * hour })
  authenticator = new SessionAuthenticator({
    plane: world.plane,
    sessions,
    clock,
    origins: () => ['https://gateway.example'],
  })
  world.plane.onNotice(notice => authenticator.invalidate(notice))
  await provision(by => by.createUser({ userId: 'alice', role: 'internal_user' }))
})
afterEach(() => world.close())

const actor = { name: 'test', token: undefined, address: undefined }
const provision = <T>(work: (by: Provisioning) => Promise<T>): Promise<T> =>
  world.plane.change(async trx => {
    const by = new Provisioning(trx, actor, clock.epoch())
    return { result: await work(by), audit: by.audit, notices: by.notices }
  })
const begin = async (more: object = {}): Promise<string> =>
  (await sessions.begin({ userId: 'alice', kind: 'browser', method: 'password', address: '192.0.2.1', ...more })).token
const request = (headers: Record<string, string> = {}, method = 'GET'): PresentedRequest => ({
  method,
  headers,
  address: '',
  peer: '',
})
const byBearer = (token: string) => authenticator.authenticate(token, request())
const byCookie = (token: string, headers: Record<string, string> = {}, method = 'GET') =>
  authenticator.authenticate(undefined, request({ cookie: `a=b; __Host-routeiq_session=${token}`, ...headers }, method))

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}

describe('a session', () => {
  it('is 256 random bits, and the store has only their hash', async () => {
    const token = await begin()
    expect(token).toMatch(/^sess-[\w-]{43}$/)
    const rows = await world.plane.store.db.selectFrom('sessions').selectAll().execute()
    expect(rows).toMatchObject([{ token: tokenOf(token), user_id: 'alice' }])
    expect(JSON.stringify([rows, world.audit])).not.toContain(token.slice(5))
    expect(newSessionToken()).not.toBe(newSessionToken())
  })

  it('stands for its user, by cookie and by bearer', async () => {
    const token = await begin()
    for (const found of [await byBearer(token), await byCookie(token)]) {
      expect(found).toMatchObject({ proof: 'session', userId: 'alice', role: 'internal_user', token: tokenOf(token) })
    }
  })

  it('that is unknown, malformed or a hash of one opens nothing', async () => {
    const token = await begin()
    for (const wrong of [
      newSessionToken(),
      tokenOf(token),
      `sess-${tokenOf(token).slice(0, 43)}`,
      `${token}x`,
      token.slice(0, -1),
      'sess-',
      '',
    ]) {
      expect(await byBearer(wrong)).toBeUndefined()
      expect(await byCookie(wrong)).toBeUndefined()
    }
  })

  it('ends after its time, however busy it is (CVE-2026-12772)', async () => {
    const token = await begin()
    for (let hours = 0; hours < 23; hours++) {
      expect(await byBearer(token)).toBeDefined()
      clock.pass(hour)
    }
    expect(await byBearer(token)).toBeDefined()
    clock.pass(hour + 1)
    expect(await byBearer(token)).toBeUndefined()
    expect(await world.plane.store.db.selectFrom('sessions').selectAll().execute()).toEqual([])
  })

  it('ends when nobody uses it', async () => {
    const token = await begin()
    clock.pass(8 * hour - 1000)
    expect(await byBearer(token)).toBeDefined()
    clock.pass(8 * hour - 1000)
    expect(await byBearer(token)).toBeDefined()
    clock.pass(8 * hour)
    expect(await byBearer(token)).toBeUndefined()
    const cli = await begin({ kind: 'cli' })
    clock.pass(23 * hour)
    expect(await byBearer(cli)).toBeDefined()
  })

  it('ends with the logout, everywhere', async () => {
    const token = await begin()
    const elsewhere = new SessionAuthenticator({ plane: world.plane, sessions, clock, origins: () => [] })
    await byBearer(token)
    await elsewhere.authenticate(token, request())
    const session = (await authenticator.session(token, request()))!
    await sessions.end(session, undefined)
    expect(await byBearer(token)).toBeUndefined()
    clock.pass(5000)
    expect(await elsewhere.authenticate(token, request())).toBeUndefined()
    expect(world.audit.map(event => event.action)).toEqual(expect.arrayContaining(['login', 'logout']))
  })

  it('has the role its user has now, and none when the user is blocked or gone', async () => {
    const token = await begin()
    await byBearer(token)
    const row = (await world.plane.store.db.selectFrom('users').selectAll().executeTakeFirst())!
    await provision(by => by.updateUser(row, { user_role: 'proxy_admin' }))
    expect((await byBearer(token))?.admin).toBe(true)
    await provision(by => by.updateUser({ ...row, user_role: 'proxy_admin' }, { blocked: 1 }))
    expect(await refused(byBearer(token))).toContain('key_blocked')
    await world.plane.store.db.deleteFrom('users').execute()
    authenticator.invalidate({ kind: 'user', id: 'alice' })
    expect(await refused(byBearer(token))).toContain('no longer exists')
  })

  it('of a tool acts for its team as long as the user is in it', async () => {
    await provision(async by => {
      await by.createTeam('t', 'T')
      await by.addToTeam('alice', 't', 'hand')
    })
    const token = await begin({ kind: 'cli', teamId: 't' })
    expect(await byBearer(token)).toMatchObject({ teamId: 't' })
    await provision(by => by.removeFromTeam('alice', 't'))
    expect(await refused(byBearer(token))).toContain('left its team')
  })

  it('is never one that the browser brought along (fixation)', async () => {
    const planted = newSessionToken()
    expect(await byCookie(planted)).toBeUndefined()
    const token = await begin()
    expect(token).not.toBe(planted)
    expect(await byCookie(planted)).toBeUndefined()
  })

  it('is one of at most fifty of its user', async () => {
    const first = await begin()
    for (let count = 0; count < 50; count++) {
      clock.pass(1)
      await begin()
    }
    expect(await byBearer(first)).toBeUndefined()
    expect(await world.plane.store.db.selectFrom('sessions').select('token').execute()).toHaveLength(50)
  })
})

describe('changes on the strength of the cookie', () => {
  it('need the page’s own value and a page of this origin', async () => {
    const token = await begin()
    const own = { 'x-csrf-token': csrfTokenOf(token) }
    expect(await byCookie(token, own, 'POST')).toMatchObject({ userId: 'alice' })
    expect(
      await byCookie(token, { ...own, origin: 'https://gateway.example', 'sec-fetch-site': 'same-origin' }, 'DELETE'),
    ).toBeDefined()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(await refused(byCookie(token, {}, method))).toContain('x-csrf-token')
    }
    expect(await refused(byCookie(token, { 'x-csrf-token': csrfTokenOf(newSessionToken()) }, 'POST'))).toContain(
      'x-csrf-token',
    )
    const foreigners: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]
    for (const foreign of foreigners) {
      expect(await refused(byCookie(token, { ...own, ...foreign }, 'POST'))).toContain('another site')
    }
  })

  it('are not asked of bearers, and reading needs nothing', async () => {
    const token = await begin()
    expect(await authenticator.authenticate(token, request({ origin: 'https://evil.example' }, 'POST'))).toBeDefined()
    expect(await byCookie(token, { origin: 'https://evil.example' })).toBeDefined()
  })

  it('come after a key in a header: that wins', () => {
    const cookie = { cookie: 'routeiq_session=x' }
    expect(authenticator.accepts('sk-1', request(cookie))).toBe(false)
    expect(authenticator.accepts(undefined, request(cookie))).toBe(true)
    expect(authenticator.accepts(undefined, request({ cookie: 'other=1' }))).toBe(false)
    expect(authenticator.accepts('sess-x', request())).toBe(true)
  })

  it('the login form itself is only for pages of this origin', () => {
    const origins = ['https://gateway.example']
    expect(() => checkSameSite({}, origins)).not.toThrow()
    expect(() => checkSameSite({ origin: 'https://gateway.example' }, origins)).not.toThrow()
    expect(() => checkSameSite({ origin: 'https://gateway.example.evil' }, origins)).toThrow('another site')
    expect(() => checkSameSite({ 'sec-fetch-site': 'cross-site' }, origins)).toThrow('another site')
  })
})

describe('cookies', () => {
  it('are bound to this host over TLS, and hidden from scripts but for the page’s value', () => {
    const token = newSessionToken()
    const [session, csrf] = sessionCookies(token, true, 60)
    expect(session).toBe(`__Host-routeiq_session=${token}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly; Secure`)
    expect(csrf).toBe(`__Host-routeiq_csrf=${csrfTokenOf(token)}; Path=/; Max-Age=60; SameSite=Lax; Secure`)
    expect(csrf).not.toContain(token)
    expect(beginLoginCookie('x', true, 600)).toContain('HttpOnly; Secure')
    expect(sessionCookies(token, false, 60)[0]).toBe(
      `routeiq_session=${token}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly`,
    )
    expect(endSessionCookies(true).join()).toMatch(/Max-Age=0.*Max-Age=0/)
  })

  it('are read strictly: the first one counts, and a bound one before a plain one', () => {
    const [a, b] = [newSessionToken(), newSessionToken()]
    const read = (cookie: string) => sessionCookie({ cookie })
    expect(read(`routeiq_session=${a}; routeiq_session=${b}`)).toBe(a)
    expect(read(`routeiq_session=${a}; __Host-routeiq_session=${b}`)).toBe(b)
    expect(read(`xrouteiq_session=${a}`)).toBeUndefined()
    expect(read(`routeiq_session="${a}"`)).toBeUndefined()
    expect(read(`x=${'y'.repeat(20_000)}; routeiq_session=${a}`)).toBeUndefined()
    expect(isSessionToken(`${a}\n`)).toBe(false)
  })
})
