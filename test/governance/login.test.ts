import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { Browser, errorOf } from './identity-world.ts'
import { api, done } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
const password = 'correct horse battery'

const config = (general: Json = {}, environment: Json = {}): Json => ({
  model_list: [deployment('m', upstream, 'm')],
  environment_variables: environment,
  general_settings: general,
})

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: config() })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

/** A user with a password, by an invitation. */
async function invited(userId: string, role = 'internal_user'): Promise<StreamAnswer> {
  await done(gateway, 'POST', '/user/new', {
    user_id: userId,
    user_email: `${userId}@x.com`,
    user_role: role,
    auto_create_key: false,
  })
  const { id } = await done(gateway, 'POST', '/invitation/new', { user_id: userId })
  const opened = (await send(`${gateway.url}/onboarding/get_token?invite_link=${id}`)).json!
  const body = { invitation_link: id, user_id: userId, password }
  return send(`${gateway.url}/onboarding/claim_token`, {
    body,
    headers: { authorization: `Bearer ${opened['token']}` },
  })
}
const logIn = (browser: Browser, username: string, given = password, headers: Record<string, string> = {}) =>
  browser.open('/v2/login', { method: 'POST', body: { username, password: given, return_token: true }, headers })

describe('invitations', () => {
  it('set a first password, once, and log in', async () => {
    const claimed = await invited('alice')
    expect(claimed.status, claimed.text).toBe(200)
    expect(claimed.json).toMatchObject({
      user_email: 'alice@x.com',
      user: { user_id: 'alice', user_role: 'internal_user' },
    })
    const me = await api(gateway, 'GET', '/v1/routeiq/session', undefined, String(claimed.json!['token']))
    expect(me.json).toMatchObject({ proof: 'session', user_id: 'alice' })
    const { id } = await done(gateway, 'POST', '/invitation/new', { user_id: 'alice' })
    expect(await done(gateway, 'GET', `/invitation/info?invitation_id=${id}`)).toMatchObject({
      user_id: 'alice',
      is_accepted: false,
    })
    await done(gateway, 'POST', '/invitation/delete', { invitation_id: id })
    const gone = await send(`${gateway.url}/onboarding/get_token?invite_link=${id}`)
    expect([gone.status, errorOf(gone).code]).toEqual([401, 'invalid_api_key'])
    for (const path of [
      '/onboarding/get_token',
      '/onboarding/get_token?invite_link=',
      '/onboarding/get_token?invite_link=x&invite_link=y',
    ]) {
      expect((await send(gateway.url + path)).status).toBe(400)
    }
  })

  it('are made by administrators only', async () => {
    const { json } = await logIn(new Browser(gateway), 'alice')
    const token = String(json!['token'])
    for (const [method, path] of [
      ['POST', '/invitation/new'],
      ['POST', '/invitation/delete'],
    ] as const) {
      expect((await api(gateway, method, path, { user_id: 'alice', invitation_id: 'x' }, token)).status).toBe(403)
    }
  })
})

describe('a session in a browser', () => {
  it('is begun by password with hidden, host-bound cookies, and ended by logout', async () => {
    const browser = new Browser(gateway)
    const answer = await logIn(browser, 'alice@x.com')
    expect(answer.json).toMatchObject({
      user_id: 'alice',
      user_role: 'internal_user',
      redirect_url: '/ui/?login=success',
    })
    const [session, csrf] = answer.headers['set-cookie'] ?? []
    expect(session).toMatch(/^routeiq_session=sess-[\w-]{43}; Path=\/; Max-Age=86400; SameSite=Lax; HttpOnly$/)
    expect(csrf).toMatch(/^routeiq_csrf=[\w-]{43}; Path=\/; Max-Age=86400; SameSite=Lax$/)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect((await browser.open('/v1/routeiq/session')).json).toMatchObject({ user_id: 'alice', proof: 'session' })
    expect((await browser.change('/logout', {})).status).toBe(200)
    expect(browser.cookies.size).toBe(0)
    const kept = await api(gateway, 'GET', '/v1/routeiq/session', undefined, String(answer.json!['token']))
    expect(kept.status).toBe(401)
  })

  it('lets its user make keys for itself, and see no others', async () => {
    const browser = new Browser(gateway)
    await logIn(browser, 'alice')
    const made = await browser.change('/key/generate', { key_alias: 'mine' })
    expect(made.status, made.text).toBe(200)
    expect((await chat({ url: gateway.url, key: String(made.json!['key']) }, 'm', 'hi')).status).toBe(200)
    await done(gateway, 'POST', '/key/generate', { key_alias: 'not-mine' })
    const listed = await browser.open('/key/list?return_full_object=true')
    expect(listed.text).toContain('mine')
    expect(listed.text).not.toContain('not-mine')
    expect((await browser.change('/user/new', { user_id: 'x' })).status).toBe(403)
  })

  it('changes nothing for a page of another site (CSRF)', async () => {
    const browser = new Browser(gateway)
    await logIn(browser, 'alice')
    const without = await browser.open('/key/generate', { method: 'POST', body: {} })
    expect([without.status, errorOf(without).code]).toEqual([403, 'permission_denied'])
    const sent: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'x-csrf-token': 'x'.repeat(43) },
    ]
    for (const headers of sent) {
      expect((await browser.change('/key/generate', {}, headers)).status, JSON.stringify(headers)).toBe(403)
      expect((await browser.change('/logout', {}, headers)).status, JSON.stringify(headers)).toBe(403)
    }
    expect((await browser.form('/key/generate', { key_alias: 'x' }, { 'x-csrf-token': browser.csrf })).status).toBe(415)
    expect((await browser.change('/key/generate', {}, { origin: gateway.url })).status).toBe(200)
    const foreign = await logIn(new Browser(gateway), 'alice', password, { origin: 'https://evil.example' })
    expect(foreign.status).toBe(403)
  })

  it('is never one that was planted before the login (fixation)', async () => {
    const browser = new Browser(gateway)
    const planted = `sess-${'A'.repeat(43)}`
    browser.cookies.set('routeiq_session', planted)
    expect((await browser.open('/v1/routeiq/session')).status).toBe(401)
    await logIn(browser, 'alice')
    expect(browser.cookies.get('routeiq_session')).not.toBe(planted)
    expect((await api(gateway, 'GET', '/v1/routeiq/session', undefined, planted)).status).toBe(401)
  })

  it('ends with the user: blocked, or deleted', async () => {
    await invited('bob')
    const token = String((await logIn(new Browser(gateway), 'bob')).json!['token'])
    const me = () => api(gateway, 'GET', '/v1/routeiq/session', undefined, token)
    expect((await me()).status).toBe(200)
    await done(gateway, 'POST', '/user/delete', { user_ids: ['bob'] })
    expect((await me()).status).toBe(401)
  })
})

describe('the login page', () => {
  it('runs nothing, is framed by nobody, and goes only to places inside', async () => {
    const browser = new Browser(gateway)
    const page = await browser.open('/sso/key/generate?return_to=//evil.example"><script>')
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(page.text).not.toContain('evil.example')
    for (const [wanted, got] of [
      ['/ui/keys?x=1', '/ui/keys?x=1'],
      ['//evil.example', '/ui/'],
      ['https://evil.example', '/ui/'],
      ['/\\evil.example', '/ui/'],
      ['/..//evil.example', '/ui/'],
    ]) {
      const answer = await browser.form('/login', { username: 'alice', password, return_to: wanted! })
      expect([answer.status, answer.headers.location], wanted).toEqual([303, got])
    }
    const wrong = await browser.form('/login', { username: '<b>alice</b>', password: 'x', return_to: '/ui/' })
    expect(wrong.status).toBe(401)
    expect(wrong.text).toContain('user name or the password is wrong')
    expect(wrong.text).not.toContain('<b>')
  })
})

describe('guessing passwords', () => {
  it('gives one answer, and is stopped', async () => {
    await configure(gateway, config({ max_failed_login_attempts: 3, max_failed_login_attempts_per_source: 100 }))
    await invited('carol')
    const unknown = await logIn(new Browser(gateway), 'nobody', 'x')
    const wrong = await logIn(new Browser(gateway), 'carol', 'x')
    expect([unknown.status, errorOf(unknown)]).toEqual([wrong.status, errorOf(wrong)])
    for (let count = 0; count < 2; count++) await logIn(new Browser(gateway), 'carol', 'x')
    const stopped = await logIn(new Browser(gateway), 'carol')
    expect([stopped.status, errorOf(stopped).code]).toEqual([429, 'rate_limit_exceeded'])
    expect(Number(stopped.headers['retry-after'])).toBeGreaterThan(0)
    expect((await logIn(new Browser(gateway), 'alice')).status).toBe(200)
    expect(gateway.logs()).not.toContain(password)
    await configure(gateway, config())
  })

  it('finds no default: the environment’s administrator needs its password, or the master key', async () => {
    for (const [name, given] of [
      ['admin', 'admin'],
      ['admin', 'sk-1234'],
      ['admin', 'password'],
      ['default_user_id', ''],
    ] as const) {
      expect((await logIn(new Browser(gateway), name, given)).status).toBeGreaterThanOrEqual(400)
    }
    expect((await logIn(new Browser(gateway), 'admin', gateway.key)).json).toMatchObject({ user_role: 'proxy_admin' })
    await configure(gateway, config({}, { UI_USERNAME: 'root', UI_PASSWORD: 'from the environment' }))
    expect((await logIn(new Browser(gateway), 'admin', gateway.key)).status).toBe(401)
    expect((await logIn(new Browser(gateway), 'root', 'from the environment')).json).toMatchObject({
      user_role: 'proxy_admin',
    })
    await configure(
      gateway,
      config({ disable_env_credential_login: true }, { UI_USERNAME: 'root', UI_PASSWORD: 'from the environment' }),
    )
    expect((await logIn(new Browser(gateway), 'root', 'from the environment')).status).toBe(401)
    await configure(gateway, config({ ui_access_mode: 'admin_only' }))
    expect((await logIn(new Browser(gateway), 'alice')).status).toBe(403)
    await configure(gateway, config())
  })
})

describe('sessions that have ended (CVE-2026-12772)', () => {
  it('stay ended: by time, and over a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'routeiq-login-'))
    const start = (environment: Json) =>
      startGateway({
        config: {
          ...config({ master_key: 'sk-master' }, environment),
          routeiq: { data_directory: folder, egress: { allow_cidrs: ['127.0.0.0/8'] } },
        },
      })
    const first = await start({ LITELLM_UI_SESSION_DURATION: '5s' })
    const browser = new Browser(first)
    const short = String((await logIn(browser, 'admin', 'sk-master')).json!['token'])
    const me = (at: Gateway, token: string) => api({ url: at.url, key: token }, 'GET', '/v1/routeiq/session')
    expect((await me(first, short)).status).toBe(200)
    await first.stop()
    const second = await start({ LITELLM_UI_SESSION_DURATION: '1h' })
    const long = String((await logIn(new Browser(second), 'admin', 'sk-master')).json!['token'])
    await new Promise(resolve => setTimeout(resolve, 5100))
    expect((await me(second, short)).status).toBe(401)
    await second.stop()
    const third = await start({})
    expect((await me(third, long)).status).toBe(200)
    await third.stop()
    rmSync(folder, { recursive: true })
  })
})

describe('the first administrator', () => {
  it('needs the printed token or the master key, and is made once', async () => {
    const fresh = await startGateway({ config: config() })
    const token = /makes the first one \(POST \/v1\/routeiq\/setup\): ([\w-]{32})/.exec(fresh.logs())?.[1]
    expect(token).toBeDefined()
    const setUp = (body: Json) => send(`${fresh.url}/v1/routeiq/setup`, { body })
    expect((await send(`${fresh.url}/v1/routeiq/setup`)).json).toEqual({ needed: true })
    expect((await setUp({ token: 'guess', email: 'root@x.com', password })).status).toBe(401)
    expect((await setUp({ token: fresh.key, email: 'root@x.com', password: 'short' })).status).toBe(400)
    const made = await setUp({ token: token!, email: 'root@x.com', password })
    expect([made.status, made.json]).toMatchObject([200, { user_role: 'proxy_admin' }])
    expect((await setUp({ token: fresh.key, email: 'x@x.com', password })).status).toBe(409)
    expect((await send(`${fresh.url}/v1/routeiq/setup`)).json).toEqual({ needed: false })
    const browser = new Browser(fresh)
    await logIn(browser, 'root@x.com')
    expect((await browser.open('/user/list')).status).toBe(200)
    await fresh.stop()
  })
})
