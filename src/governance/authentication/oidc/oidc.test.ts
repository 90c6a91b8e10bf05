import { type MutableRedirectUri, type MutableResponse, type MutableToken, OAuth2Server } from 'oauth2-mock-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import {
  json,
  LoopbackServer,
  loopbackDoors,
  newcomers,
  openPlane,
  TestClock,
  type TestPlane,
} from '../authentication.fixtures.ts'
import type { Claims } from '../jwt/claims.ts'
import { SessionStore } from '../login/session-store.ts'
import { Provisioning } from '../people.ts'
import { type AdmitPersonOptions, admitPerson } from './admit-person.ts'
import { CliLogin } from './cli-login.ts'
import { OidcClient } from './client.ts'
import { LoginFlow } from './login-flow.ts'
import { microsoftGroups } from './microsoft-groups.ts'
import { type Person, personOf } from './profile.ts'
import { safeReturnTo } from './return-to.ts'
import { readSsoSettings, type SsoSettings } from './settings.ts'

const doors = loopbackDoors()
const idp = new OAuth2Server()
beforeAll(async () => {
  await idp.issuer.keys.generate('RS256')
  await idp.start(0, '127.0.0.1')
})
afterAll(async () => {
  await idp.stop()
  await doors.close()
})

let clock: TestClock
let world: TestPlane
beforeEach(async () => {
  clock = new TestClock(Date.now())
  world = await openPlane(clock)
})
afterEach(async () => {
  idp.service.removeAllListeners()
  await world.close()
})

const callback = 'https://gateway.example/sso/callback'
const env = (more: Record<string, string> = {}): Record<string, string> => ({
  GENERIC_CLIENT_ID: 'gateway',
  GENERIC_CLIENT_SECRET: 'client-secret',
  GENERIC_ISSUER: idp.issuer.url!,
  GENERIC_USER_ID_ATTRIBUTE: 'sub',
  ...more,
})
const settingsOf = (more: Record<string, string> = {}, teamsClaim?: string): SsoSettings =>
  readSsoSettings(env(more), { teamsClaim, createTeams: false })!
const admission = (more: Partial<AdmitPersonOptions> = {}): AdmitPersonOptions => ({
  plane: world.plane,
  newcomers,
  createTeams: false,
  adminId: undefined,
  adminsOnly: false,
  ...more,
})
const flow = (settings: SsoSettings = settingsOf()): LoginFlow =>
  new LoginFlow({
    settings,
    client: new OidcClient(settings, doors, clock),
    state: world.plane.state,
    clock,
    admission: admission(),
  })

/** What the browser does: goes to the provider and comes back with its answer. */
async function visit(url: string): Promise<Record<string, string>> {
  const answer = await fetch(url, { redirect: 'manual' })
  const location = new URL(answer.headers.get('location')!)
  expect(location.origin + location.pathname).toBe(callback)
  return Object.fromEntries(location.searchParams)
}
const begin = (by: LoginFlow, returnTo: unknown = '/ui/keys') =>
  by.begin({ redirectUri: callback, returnTo, address: '192.0.2.1' })

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}
const claimsAre = (claims: Record<string, unknown>): void => {
  idp.service.on('beforeTokenSigning', (token: MutableToken) => Object.assign(token.payload, claims))
}
const infoIs = (body: Record<string, unknown>): void => {
  idp.service.on('beforeUserinfo', (response: MutableResponse) => {
    response.body = body
  })
}

describe('logging in through an identity provider', () => {
  it('is begun with PKCE, state and nonce, and ends with who it is', async () => {
    infoIs({ sub: 'alice', email: 'alice@x.com', name: 'Alice' })
    claimsAre({ sub: 'alice' })
    const by = flow()
    const { url, cookie } = await begin(by)
    const asked = new URL(url).searchParams
    expect(Object.fromEntries(asked)).toMatchObject({
      response_type: 'code',
      client_id: 'gateway',
      redirect_uri: callback,
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    })
    const finished = await by.finish(await visit(url), cookie, callback)
    expect(finished).toMatchObject({
      returnTo: '/ui/keys',
      person: { id: 'alice', email: 'alice@x.com', displayName: 'Alice' },
    })
    expect(await by.admit(finished.person, '')).toMatchObject({
      user_id: 'alice',
      user_role: 'internal_user_viewer',
      sso_user_id: 'alice',
    })
  })

  it('sends the verifier with the code, whatever the provider asks for (PKCE downgrade)', async () => {
    infoIs({ sub: 'johndoe' })
    const bodies: Record<string, unknown>[] = []
    idp.service.on('beforeResponse', (_response: unknown, request: { body: Record<string, unknown> }) =>
      bodies.push(request.body),
    )
    const by = flow()
    const { url, cookie } = await begin(by)
    await by.finish(await visit(url), cookie, callback)
    expect(bodies[0]).toMatchObject({
      grant_type: 'authorization_code',
      code_verifier: expect.stringMatching(/^[\w-]{43,}$/),
      redirect_uri: callback,
    })
    // An attacker who takes the challenge out of the request gets a code that the verifier does not fit.
    const second = await begin(by)
    const stripped = new URL(second.url)
    stripped.searchParams.delete('code_challenge')
    stripped.searchParams.delete('code_challenge_method')
    expect(await refused(by.finish(await visit(stripped.href), second.cookie, callback))).toContain('invalid_api_key')
    // And a code of another login, put into this one, does not fit either.
    const [third, fourth] = [await begin(by), await begin(by)]
    const [own, foreign] = [await visit(third.url), await visit(fourth.url)]
    expect(await refused(by.finish({ ...own, code: foreign['code']! }, third.cookie, callback))).toContain(
      'invalid_api_key',
    )
  })

  it('comes back once, to the browser that began it, with its own state (login CSRF)', async () => {
    infoIs({ sub: 'johndoe' })
    const by = flow()
    const { url, cookie } = await begin(by)
    const other = await begin(by)
    const answer = await visit(url)
    for (const [query, browser] of [
      [answer, undefined],
      [answer, other.cookie],
    ] as const) {
      const again = await begin(by)
      const own = await visit(again.url)
      expect(await refused(by.finish(query === answer ? own : query, browser, callback))).toContain(
        'not begun in this browser',
      )
    }
    expect(await refused(by.finish({ ...answer, state: 'x'.repeat(43) }, cookie, callback))).toContain('not begun')
    expect(await refused(by.finish({ code: answer['code'] }, cookie, callback))).toContain('not begun')
    expect(await refused(by.finish({ ...answer, state: ['a', 'b'] }, cookie, callback))).toContain('not begun')
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => by.finish(answer, cookie, callback)))
    const refusals = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [String(outcome.reason)] : []))
    expect(refusals).toEqual([expect.stringContaining('not begun'), expect.stringContaining('not begun')])
    expect(await refused(by.finish(answer, cookie, callback))).toContain('not begun')
  })

  it('must come back in time, and to where it was begun for', async () => {
    const by = flow()
    const { url, cookie } = await begin(by)
    const answer = await visit(url)
    expect(await refused(by.finish(answer, cookie, 'https://gateway.example/sso/debug/callback'))).toContain(
      'not begun',
    )
    const late = await begin(by)
    const lateAnswer = await visit(late.url)
    clock.pass(601_000)
    expect(await refused(by.finish(lateAnswer, late.cookie, callback))).toContain('not begun')
  })

  it('fails when the ID token is for somebody else, of somebody else, or of another login', async () => {
    for (const [claims, reason] of [
      [{ nonce: 'another' }, 'does not fit'],
      [{ aud: 'another-client' }, 'does not fit'],
      [{ iss: 'https://evil.example' }, 'does not fit'],
      [{ exp: Math.floor(Date.now() / 1000) - 3600 }, 'does not fit'],
    ] as const) {
      idp.service.removeAllListeners()
      infoIs({ sub: 'johndoe' })
      claimsAre(claims)
      const by = flow()
      const { url, cookie } = await begin(by)
      expect(await refused(by.finish(await visit(url), cookie, callback)), JSON.stringify(claims)).toContain(reason)
    }
    idp.service.removeAllListeners()
    infoIs({ sub: 'somebody-else' })
    const by = flow()
    const { url, cookie } = await begin(by)
    expect(await refused(by.finish(await visit(url), cookie, callback))).toContain('another person')
  })

  it('fails when the ID token is signed by nobody the provider knows', async () => {
    infoIs({ sub: 'root' })
    idp.service.on('beforeResponse', (response: MutableResponse) => {
      const body = response.body as Record<string, string>
      const [head, , signature] = body['id_token']!.split('.')
      const claims = JSON.parse(Buffer.from(body['id_token']!.split('.')[1]!, 'base64url').toString())
      response.body = {
        ...body,
        id_token: `${head}.${Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url')}.${signature}`,
      }
    })
    const by = flow()
    const { url, cookie } = await begin(by)
    expect(await refused(by.finish(await visit(url), cookie, callback))).toContain('invalid_api_key')
  })

  it('says what the provider refuses, and that an outage is one', async () => {
    const by = flow()
    const { url, cookie } = await begin(by)
    idp.service.once('beforeAuthorizeRedirect', (redirect: MutableRedirectUri) => {
      redirect.url.searchParams.delete('code')
      redirect.url.searchParams.set('error', 'access_denied')
    })
    expect(await refused(by.finish(await visit(url), cookie, callback))).toContain("'access_denied'")
    const away = flow(settingsOf({ GENERIC_ISSUER: 'http://127.0.0.1:1' }))
    expect(await refused(begin(away))).toContain('identity_unavailable')
    infoIs({ sub: 'johndoe' })
    idp.service.once('beforeUserinfo', (response: MutableResponse) => {
      response.statusCode = 500
    })
    const again = await begin(by)
    expect(await refused(by.finish(await visit(again.url), again.cookie, callback))).toContain('identity_unavailable')
  })

  it('works with LiteLLM’s three endpoints, without an ID token', async () => {
    infoIs({ sub: 'johndoe', preferred_username: 'john' })
    const endpoints = {
      GENERIC_ISSUER: '',
      GENERIC_USER_ID_ATTRIBUTE: '',
      GENERIC_AUTHORIZATION_ENDPOINT: `${idp.issuer.url}/authorize`,
      GENERIC_TOKEN_ENDPOINT: `${idp.issuer.url}/token`,
      GENERIC_USERINFO_ENDPOINT: `${idp.issuer.url}/userinfo`,
    }
    const by = flow(settingsOf(endpoints))
    const { url, cookie } = await begin(by)
    expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256')
    expect((await by.finish(await visit(url), cookie, callback)).person.id).toBe('john')
  })

  it('is begun a bounded number of times per address', async () => {
    const by = flow()
    for (let count = 0; count < 60; count++) await begin(by)
    expect(await refused(begin(by))).toContain('rate_limit_exceeded')
  })
})

describe('where to go afterwards', () => {
  it.each(['/ui/', '/ui/keys?x=1#y', '/sso/cli/complete/abc', '/a//b', '/%2F%2Fevil.example'])('%s is inside', path => {
    expect(safeReturnTo(path)).toBe(path)
  })
  it.each([
    'https://evil.example/',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    ' /ui/',
    '/ui/ x',
    'javascript:alert(1)',
    'data:text/html,x',
    'ui/',
    '',
    '/..//evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/\u2028/evil',
    '/ü',
    `/${'x'.repeat(3000)}`,
    undefined,
    ['/ui/', '//evil'],
  ])('%j is not (open redirect)', path => {
    expect(safeReturnTo(path)).toBe('/ui/')
  })
})

const person = (more: Partial<Person> = {}): Person => ({
  id: 'idp|1',
  email: 'alice@x.com',
  emailVerified: true,
  displayName: 'Alice',
  role: undefined,
  teams: undefined,
  ...more,
})
const when = { now: 1, address: '' }
const actor = { name: 'test', token: undefined, address: undefined }
const provision = <T>(work: (by: Provisioning) => Promise<T>): Promise<T> =>
  world.plane.change(async trx => {
    const by = new Provisioning(trx, actor, clock.epoch())
    return { result: await work(by), audit: by.audit, notices: by.notices }
  })
const teamsOf = async (userId: string): Promise<string[]> =>
  (await world.plane.store.db.selectFrom('team_members').select('team_id').where('user_id', '=', userId).execute())
    .map(row => row.team_id)
    .sort()

describe('the user a person is', () => {
  it('is the one with this address, when it is verified and nobody else’s', async () => {
    await provision(by => by.createUser({ userId: 'u1', email: 'Alice@x.com', role: 'internal_user' }))
    expect(await admitPerson(admission(), person(), when)).toMatchObject({
      user_id: 'u1',
      sso_user_id: 'idp|1',
      user_role: 'internal_user',
    })
    expect(await refused(admitPerson(admission(), person({ id: 'idp|2' }), when))).toContain('logs in as somebody else')
    const unverified = await admitPerson(admission(), person({ id: 'idp|3', emailVerified: false }), when)
    expect(unverified.user_id).toBe('idp|3')
  })

  it('gets the role the provider gives, and keeps its own when it gives none', async () => {
    expect((await admitPerson(admission(), person({ role: 'proxy_admin' }), when)).user_role).toBe('proxy_admin')
    expect((await admitPerson(admission(), person(), when)).user_role).toBe('proxy_admin')
    expect((await admitPerson(admission(), person({ role: 'internal_user' }), when)).user_role).toBe('internal_user')
    expect((await admitPerson(admission({ adminId: 'idp|1' }), person(), when)).user_role).toBe('proxy_admin')
  })

  it('belongs to the provider’s teams, as far as they exist, and to those somebody gave by hand', async () => {
    await provision(async by => {
      for (const id of ['g1', 'g2', 'hand']) await by.createTeam(id, id)
      await by.addToTeam('idp|1', 'hand', 'hand')
    })
    const teams = (...ids: string[]) => ids.map(id => ({ id, name: undefined }))
    await admitPerson(admission(), person({ teams: teams('g1', 'unknown') }), when)
    expect(await teamsOf('idp|1')).toEqual(['g1', 'hand'])
    await admitPerson(admission(), person({ teams: teams('g2') }), when)
    expect(await teamsOf('idp|1')).toEqual(['g2', 'hand'])
    await admitPerson(admission(), person(), when)
    expect(await teamsOf('idp|1')).toEqual(['g2', 'hand'])
    await admitPerson(admission({ createTeams: true }), person({ teams: [{ id: 'new', name: 'New team' }] }), when)
    expect(await teamsOf('idp|1')).toEqual(['hand', 'new'])
  })

  it('must not be blocked, and an administrator where only those may log in', async () => {
    expect(await refused(admitPerson(admission({ adminsOnly: true }), person(), when))).toContain('Only administrators')
    expect(
      (await admitPerson(admission({ adminsOnly: true }), person({ role: 'proxy_admin_viewer' }), when)).user_id,
    ).toBe('idp|1')
    await world.plane.store.db.updateTable('users').set({ blocked: 1 }).execute()
    expect(await refused(admitPerson(admission(), person(), when))).toContain('blocked')
  })
})

describe('what claims say of a person', () => {
  const of = (claims: Claims, more: Record<string, string> = {}, teams?: string) =>
    personOf(settingsOf(more, teams), claims)

  it('is read by the attributes that are configured', () => {
    expect(
      of(
        { sub: 's', uid: 'u', mail: 'm@x.com', info: { role: 'proxy_admin_view_only' }, groups: ['g'] },
        {
          GENERIC_USER_ID_ATTRIBUTE: 'uid',
          GENERIC_USER_EMAIL_ATTRIBUTE: 'mail',
          GENERIC_USER_ROLE_ATTRIBUTE: 'info.role',
        },
        'groups',
      ),
    ).toMatchObject({ id: 'u', email: 'm@x.com', role: 'proxy_admin_viewer', teams: [{ id: 'g' }] })
    expect(() => of({ sub: 's' }, { GENERIC_USER_ID_ATTRIBUTE: 'uid' })).toThrow('/sso/debug/login')
  })

  it('gives only roles of people', () => {
    for (const role of ['god', 'team', 'customer', '', 7, { proxy_admin: 1 }])
      expect(of({ sub: 's', role }).role, String(role)).toBeUndefined()
    expect(of({ sub: 's', role: ['x', 'internal_user'] }).role).toBe('internal_user')
  })

  it('maps groups to roles, the strongest first', () => {
    const more = {
      GENERIC_ROLE_MAPPINGS_ROLES: "{'internal_user': ['staff'], 'proxy_admin': ['admins', 'root']}",
      GENERIC_ROLE_MAPPINGS_DEFAULT_ROLE: 'internal_user_view_only',
    }
    expect(of({ sub: 's', groups: ['staff', 'root'] }, more).role).toBe('proxy_admin')
    expect(of({ sub: 's', groups: 'staff' }, more).role).toBe('internal_user')
    expect(of({ sub: 's', groups: ['Root'] }, more).role).toBe('internal_user_viewer')
  })

  it('lets in only the domains that are allowed', () => {
    const more = { ALLOWED_EMAIL_DOMAINS: 'x.com, @Y.com' }
    expect(of({ sub: 's', email: 'a@X.COM' }, more).email).toBe('a@X.COM')
    expect(of({ sub: 's', email: 'a@y.com', email_verified: true }, more).id).toBe('s')
    for (const claims of [
      { email: 'a@evilx.com' },
      { email: 'a@x.com.evil' },
      { email: 'a@sub.x.com' },
      {},
      { email: 'x.com' },
      { email: 'a@x.com', email_verified: false },
    ]) {
      expect(() => of({ sub: 's', ...claims }, more), JSON.stringify(claims)).toThrow('ALLOWED_EMAIL_DOMAINS')
    }
  })
})

describe('settings of single sign-on', () => {
  const read = (more: Record<string, string>) => readSsoSettings(more, { teamsClaim: undefined, createTeams: false })
  it('know the providers', () => {
    expect(read({})).toBeUndefined()
    expect(read({ GOOGLE_CLIENT_ID: 'g' })).toMatchObject({ provider: 'google', issuer: 'https://accounts.google.com' })
    expect(read({ MICROSOFT_CLIENT_ID: 'm', MICROSOFT_TENANT: 'tenant-1' })).toMatchObject({
      provider: 'microsoft',
      issuer: 'https://login.microsoftonline.com/tenant-1/v2.0',
      attributes: { id: ['id', 'oid'], email: ['userPrincipalName', 'preferred_username'], role: 'roles' },
    })
  })
  it.each([
    [{ MICROSOFT_CLIENT_ID: 'm' }, 'MICROSOFT_TENANT'],
    [{ MICROSOFT_CLIENT_ID: 'm', MICROSOFT_TENANT: 'common' }, 'MICROSOFT_TENANT'],
    [{ GENERIC_CLIENT_ID: 'g' }, 'GENERIC_ISSUER'],
    [
      { GENERIC_CLIENT_ID: 'g', GENERIC_TOKEN_ENDPOINT: 'x' },
      'GENERIC_AUTHORIZATION_ENDPOINT, GENERIC_USERINFO_ENDPOINT',
    ],
    [
      { GENERIC_CLIENT_ID: 'g', GENERIC_ISSUER: 'https://i', GENERIC_ROLE_MAPPINGS_ROLES: '{"god":["x"]}' },
      "no role 'god'",
    ],
    [
      { GENERIC_CLIENT_ID: 'g', GENERIC_ISSUER: 'https://i', GENERIC_ROLE_MAPPINGS_ROLES: 'x' },
      'GENERIC_ROLE_MAPPINGS_ROLES',
    ],
  ])('%j is refused', (more, reason) => {
    expect(() => read(more as Record<string, string>)).toThrow(reason)
  })
})

describe('groups at Microsoft', () => {
  it('are those of the person that are assigned to the application, page by page, from Graph only', async () => {
    const graph = await new LoopbackServer((request, response) => {
      const url = new URL(request.url!, graph.url)
      if (request.headers.authorization !== 'Bearer access') json(response, {}, 401)
      else if (url.pathname === '/servicePrincipals/sp/appRoleAssignedTo') {
        json(response, {
          value: [
            { principalType: 'Group', principalId: 'g1', principalDisplayName: 'One' },
            { principalType: 'Group', principalId: 'g3', principalDisplayName: 'Three' },
            { principalType: 'User', principalId: 'g2' },
          ],
        })
      } else if (url.searchParams.has('page')) {
        json(response, { value: [{ id: 'g3', displayName: 'Three!' }], '@odata.nextLink': `http://127.0.0.2:9/steal` })
      } else
        json(response, { value: [{ id: 'g1' }, { id: 'g2' }], '@odata.nextLink': `${graph.url}/me/memberOf?page=2` })
    }).listen()
    const client = new OidcClient(settingsOf(), doors, clock)
    const microsoft = { graph: graph.url, servicePrincipalId: 'sp' }
    expect(await microsoftGroups(client, microsoft, 'access')).toEqual([
      { id: 'g1', name: 'One' },
      { id: 'g3', name: 'Three!' },
    ])
    expect(await microsoftGroups(client, microsoft, 'other')).toBeUndefined()
    expect(await microsoftGroups(client, { ...microsoft, servicePrincipalId: undefined }, 'access')).toBeUndefined()
    await graph.close()
  })
})

describe('login for command line tools', () => {
  let cli: CliLogin
  let sessions: SessionStore
  const session = async (userId = 'alice') =>
    (await sessions.begin({ userId, kind: 'browser', method: 'sso', address: undefined })).session
  beforeEach(async () => {
    const hour = 3_600_000
    sessions = new SessionStore(world.plane, clock, { absolute: 24 * hour, idle: hour, cli: 24 * hour })
    cli = new CliLogin(world.plane, sessions)
    await provision(by => by.createUser({ userId: 'alice', role: 'internal_user' }))
  })

  it('gives a bearer token to who has the secret, after the code was typed by who is logged in', async () => {
    const start = await cli.start('192.0.2.1')
    expect(start).toMatchObject({ user_code: expect.stringMatching(/^[A-Z0-9]{4}-[A-Z0-9]{4}$/), expires_in: 600 })
    const poll = (secret: string | undefined = start.poll_secret) => cli.poll(start.login_id, secret, undefined, '')
    expect(await poll()).toEqual({ status: 'pending' })
    await cli.complete(start.login_id, start.user_code.toLowerCase().replace('-', ' '), await session())
    for (const wrong of [undefined, '', 'x', start.login_id]) {
      expect(await refused(cli.poll(start.login_id, wrong, undefined, ''))).toContain('not_found')
    }
    expect(await poll()).toMatchObject({
      status: 'ready',
      user_id: 'alice',
      key: expect.stringMatching(/^sess-/),
      expires_in: 86_400,
    })
    expect(await refused(poll())).toContain('not_found')
  })

  it('lets a user of several teams choose one of them', async () => {
    await provision(async by => {
      for (const id of ['t1', 't2', 't3']) await by.createTeam(id, `Team ${id}`)
      for (const id of ['t1', 't2']) await by.addToTeam('alice', id, 'hand')
    })
    const start = await cli.start('')
    await cli.complete(start.login_id, start.user_code, await session())
    const poll = (team?: string) => cli.poll(start.login_id, start.poll_secret, team, '')
    expect(await poll()).toMatchObject({
      status: 'ready',
      requires_team_selection: true,
      teams: ['t1', 't2'],
      team_details: [{ team_id: 't1', team_alias: 'Team t1' }, {}],
    })
    expect(await refused(poll('t3'))).toContain('permission_denied')
    expect(await poll('t2')).toMatchObject({ team_id: 't2', key: expect.any(String) })
  })

  it('cannot be guessed, repeated or taken by a link alone', async () => {
    const start = await cli.start('')
    for (let count = 0; count < 5; count++) {
      expect(await refused(cli.complete(start.login_id, 'AAAA-AAAA', await session()))).toContain('permission_denied')
    }
    expect(await refused(cli.complete(start.login_id, start.user_code, await session()))).toContain('not_found')
    const second = await cli.start('')
    await cli.complete(second.login_id, second.user_code, await session())
    expect(await refused(cli.complete(second.login_id, second.user_code, await session('mallory')))).toContain(
      'not_found',
    )
    expect(await refused(cli.complete('../../x', 'AAAA', await session()))).toContain('not_found')
    const polls = await Promise.allSettled(
      [1, 2, 3].map(() => cli.poll(second.login_id, second.poll_secret, undefined, '')),
    )
    expect(polls.filter(poll => poll.status === 'fulfilled')).toHaveLength(1)
  })

  it('ends after ten minutes', async () => {
    const start = await cli.start('')
    clock.pass(601_000)
    expect(await refused(cli.complete(start.login_id, start.user_code, await session()))).toContain('not_found')
    expect(await cli.waits(start.login_id)).toBe(false)
  })
})
