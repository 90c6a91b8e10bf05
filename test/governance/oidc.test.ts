import type { MutableResponse, MutableToken, OAuth2Server } from 'oauth2-mock-server'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { Browser, errorOf, startIdentityProvider } from './identity-world.ts'
import { api, done } from './setup.ts'

let upstream: Upstream
let idp: OAuth2Server
let gateway: Gateway

const config = (environment: Json = {}): Json => ({
  model_list: [deployment('m', upstream, 'm')],
  environment_variables: {
    GENERIC_CLIENT_ID: 'gateway',
    GENERIC_CLIENT_SECRET: 'client-secret-of-the-gateway',
    GENERIC_ISSUER: idp.issuer.url!,
    GENERIC_USER_ID_ATTRIBUTE: 'sub',
    ...environment,
  },
  general_settings: { litellm_jwtauth: { team_ids_jwt_field: 'groups' } },
})

beforeAll(async () => {
  upstream = await startUpstream()
  idp = await startIdentityProvider()
  gateway = await startGateway({ config: config() })
})
afterAll(async () => {
  await gateway.stop()
  await idp.stop()
  await upstream.close()
})
afterEach(() => idp.service.removeAllListeners())

/** Whom the provider lets in next. */
function personIs(claims: Json): void {
  idp.service.on('beforeTokenSigning', (token: MutableToken) => Object.assign(token.payload, { sub: claims['sub'] }))
  idp.service.on('beforeUserinfo', (response: MutableResponse) => {
    response.body = claims as never
  })
}

async function logIn(browser: Browser, path = '/sso/key/generate?return_to=/ui/keys'): ReturnType<Browser['open']> {
  return browser.open(await browser.visitProvider(await browser.open(path)))
}

describe('single sign-on', () => {
  it('logs somebody in, with the role and the teams the provider gives', async () => {
    await done(gateway, 'POST', '/team/new', { team_id: 'g1', team_alias: 'One' })
    personIs({
      sub: 'idp|alice',
      email: 'alice@x.com',
      name: 'Alice',
      role: 'internal_user',
      groups: ['g1', 'unknown'],
    })
    const browser = new Browser(gateway)
    const back = await logIn(browser)
    expect([back.status, back.headers.location], back.text).toEqual([303, '/ui/keys'])
    expect((await browser.open('/v1/routeiq/session')).json).toMatchObject({
      user_id: 'idp|alice',
      user_role: 'internal_user',
    })
    const { user_info, teams } = await done(gateway, 'GET', '/user/info?user_id=idp|alice')
    expect(user_info).toMatchObject({ user_email: 'alice@x.com', sso_user_id: 'idp|alice' })
    expect(JSON.stringify(teams)).toContain('g1')
    expect((await browser.change('/key/generate', {})).status).toBe(200)
    expect(await send(`${gateway.url}/sso/readiness`)).toMatchObject({
      json: { sso_configured: true, provider: 'generic' },
    })
    expect(gateway.logs()).not.toContain('client-secret-of-the-gateway')
  })

  it('asks with PKCE, state and nonce, and comes back to this browser once', async () => {
    personIs({ sub: 'bob' })
    const browser = new Browser(gateway)
    const begun = await browser.open('/sso/key/generate')
    const asked = Object.fromEntries(new URL(String(begun.headers.location)).searchParams)
    expect(asked).toMatchObject({
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.any(String),
    })
    const callback = await browser.visitProvider(begun)
    // Another browser, with the link of this login; then this one with a state of its own making.
    const other = await new Browser(gateway).open(callback)
    expect([other.status, other.text]).toEqual([401, expect.stringContaining('not begun in this browser')])
    const again = await browser.open('/sso/key/generate')
    const second = await browser.visitProvider(again)
    const forged = new URL(second)
    forged.searchParams.set('state', asked['state']!)
    expect((await browser.open(forged.href)).status).toBe(401)
    const third = await browser.visitProvider(await browser.open('/sso/key/generate'))
    expect((await browser.open(third)).status).toBe(303)
    expect((await browser.open(third)).status).toBe(401)
  })

  it('never leads out of the gateway (open redirect)', async () => {
    personIs({ sub: 'bob' })
    for (const place of [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      '/%09/evil.example',
      'javascript:alert(1)',
    ]) {
      const back = await logIn(new Browser(gateway), `/sso/key/generate?return_to=${encodeURIComponent(place)}`)
      expect(back.headers.location, place).toMatch(/^\/(ui\/$|%09)/)
    }
  })

  it('takes nobody outside the allowed domains, and nobody’s account by an unverified address', async () => {
    await done(gateway, 'POST', '/user/new', {
      user_id: 'owner',
      user_email: 'owner@x.com',
      user_role: 'proxy_admin',
      auto_create_key: false,
    })
    personIs({ sub: 'mallory', email: 'owner@x.com', email_verified: false })
    const browser = new Browser(gateway)
    expect((await logIn(browser)).status).toBe(303)
    expect((await browser.open('/v1/routeiq/session')).json).toMatchObject({
      user_id: 'mallory',
      user_role: 'internal_user_viewer',
    })
    idp.service.removeAllListeners()
    await configure(gateway, config({ ALLOWED_EMAIL_DOMAINS: 'x.com' }))
    for (const email of ['a@evilx.com', 'a@x.com.evil.example', undefined]) {
      personIs({ sub: `p-${email}`, ...(email === undefined ? {} : { email }) })
      const refused = await logIn(new Browser(gateway))
      expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('ALLOWED_EMAIL_DOMAINS')])
      expect(refused.headers['set-cookie']?.join()).not.toContain('sess-')
      idp.service.removeAllListeners()
    }
    await configure(gateway, config())
  })

  it('needs PROXY_BASE_URL for a host that is not this machine, and marks cookies as secure under https', async () => {
    const foreign = await send(`${gateway.url}/sso/key/generate`, { headers: { host: 'evil.example' } })
    expect([foreign.status, errorOf(foreign).message]).toEqual([400, expect.stringContaining('PROXY_BASE_URL')])
    await configure(gateway, config({ PROXY_BASE_URL: 'https://gateway.example/base' }))
    const begun = await send(`${gateway.url}/sso/key/generate`, { headers: { host: 'evil.example' } })
    expect(new URL(String(begun.headers.location)).searchParams.get('redirect_uri')).toBe(
      'https://gateway.example/base/sso/callback',
    )
    expect(begun.headers['set-cookie']?.[0]).toMatch(
      /^__Host-routeiq_login=[\w-]{43}; Path=\/; Max-Age=600; SameSite=Lax; HttpOnly; Secure$/,
    )
    await configure(gateway, config())
  })

  it('shows what the provider says, and logs nobody in by it', async () => {
    personIs({ sub: 'debug', email: '<img src=x>' })
    const browser = new Browser(gateway)
    const page = await logIn(browser, '/sso/debug/login')
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('&lt;img')])
    expect([...browser.cookies.keys()].filter(name => name.includes('session'))).toEqual([])
  })

  it('says what went wrong at the provider', async () => {
    personIs({ sub: 'x' })
    idp.service.once('beforeResponse', (response: MutableResponse) => {
      response.statusCode = 400
      response.body = { error: 'invalid_grant' }
    })
    const refused = await logIn(new Browser(gateway))
    expect([refused.status, refused.text]).toEqual([401, expect.stringContaining('invalid_grant')])
    await configure(gateway, config({ GENERIC_ISSUER: 'http://127.0.0.1:1' }))
    const away = await send(`${gateway.url}/sso/key/generate`)
    expect([away.status, errorOf(away).code]).toEqual([503, 'identity_unavailable'])
    await configure(gateway, config())
  })
})

describe('login for command line tools', () => {
  const start = async () =>
    (await send(`${gateway.url}/sso/cli/start`, { method: 'POST' })).json as Record<string, string>
  const poll = (begun: Record<string, string>, team = '') =>
    send(`${gateway.url}/sso/cli/poll/${begun['login_id']}${team}`, {
      headers: { 'x-litellm-cli-poll-secret': begun['poll_secret'] },
    })

  it('gives the tool a token after the code was typed in the browser', async () => {
    await done(gateway, 'POST', '/team/new', { team_id: 'cli-1' })
    await done(gateway, 'POST', '/team/new', { team_id: 'cli-2' })
    personIs({ sub: 'dev', groups: ['cli-1', 'cli-2'], role: 'internal_user' })
    const begun = await start()
    expect((await poll(begun)).json).toEqual({ status: 'pending' })
    const browser = new Browser(gateway)
    const link = new URL(begun['verification_uri_complete']!, gateway.url)
    const back = await logIn(browser, link.pathname + link.search)
    const page = `/sso/cli/complete/${begun['login_id']}`
    expect(back.headers.location).toBe(page)
    const form = await browser.open(page)
    const csrf = /name="csrf_token" value="([\w-]{43})"/.exec(form.text)![1]!
    expect((await browser.form(page, { user_code: begun['user_code']! })).status).toBe(403)
    expect((await browser.form(page, { user_code: 'AAAA-AAAA', csrf_token: csrf })).status).toBe(403)
    expect(
      (
        await browser.form(
          page,
          { user_code: begun['user_code']!, csrf_token: csrf },
          { origin: 'https://evil.example' },
        )
      ).status,
    ).toBe(403)
    expect((await new Browser(gateway).form(page, { user_code: begun['user_code']!, csrf_token: csrf })).status).toBe(
      401,
    )
    const allowed = await browser.form(page, { user_code: begun['user_code']!, csrf_token: csrf })
    expect(allowed.text).toContain('The command line tool is logged in')
    expect((await poll({ ...begun, poll_secret: 'x' })).status).toBe(404)
    expect((await poll(begun)).json).toMatchObject({
      status: 'ready',
      requires_team_selection: true,
      teams: ['cli-1', 'cli-2'],
    })
    expect((await poll(begun, '?team_id=g1')).status).toBe(403)
    const ready = (await poll(begun, '?team_id=cli-2')).json!
    expect(ready).toMatchObject({ status: 'ready', user_id: 'dev', team_id: 'cli-2' })
    expect((await poll(begun, '?team_id=cli-2')).status).toBe(404)
    const key = String(ready['key'])
    expect((await chat({ url: gateway.url, key }, 'm', 'hi')).status).toBe(200)
    expect((await api(gateway, 'GET', '/v1/routeiq/session', undefined, key)).json).toMatchObject({
      user_id: 'dev',
      team_id: 'cli-2',
    })
  })

  it('is of no use to who only sends a link: the code is the tool’s own', async () => {
    personIs({ sub: 'victim' })
    const attacker = await start()
    const victim = new Browser(gateway)
    await logIn(victim, `/sso/key/generate?source=litellm-cli&key=${attacker['login_id']}`)
    expect((await poll(attacker)).json).toEqual({ status: 'pending' })
    expect((await victim.open('/sso/cli/complete/unknown')).status).toBe(404)
  })
})
