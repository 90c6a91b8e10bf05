import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment, eventually } from '../control/setup.ts'
import { type Gateway, root, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

/**
 * What went wrong in LiteLLM Proxy, tried here. Elsewhere: sessions that do not expire (login.test.ts), MCP reached
 * through OAuth2 pass-through and confused hosts (matrix-paths.test.ts, oauth2.test.ts), missing checks of rights
 * (matrix.test.ts), JWTs told apart by their beginning (jwt.test.ts), requests to inside addresses (../security).
 */

const injections = [
  "' OR '1'='1",
  "' OR 1=1--",
  '" OR ""="',
  "sk-x'; DROP TABLE keys; --",
  "sk-x' UNION SELECT * FROM keys--",
  "') OR ('1'='1",
  "\\' OR 1=1--",
  "sk-%' OR token LIKE '%",
  '1; SELECT pg_sleep(5)--',
  "'||(SELECT pg_sleep(5))||'",
  '%',
  '_',
  '*',
  '{"$ne":null}',
  "sk-x' AND (SELECT count(*) FROM users) > 0--",
]

const carriers = [
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'ocp-apim-subscription-key',
  'x-litellm-api-key',
]

const databases = ['SQLite', ...(services.postgres ? ['PostgreSQL'] : [])]

describe.each(databases)('SQL in place of a value, %s', database => {
  let upstream: Upstream
  let postgres: Service | undefined
  let gateway: Gateway
  let own: string
  beforeAll(async () => {
    upstream = await startUpstream()
    if (database === 'PostgreSQL') postgres = await startPostgres()
    gateway = await startGateway({
      config: { model_list: [deployment('m', upstream, 'm')] },
      env: postgres === undefined ? {} : { DATABASE_URL: postgres.url },
    })
    own = String((await done(gateway, 'POST', '/user/new', { user_id: 'reader' }))['key'])
    await newKey(gateway, { key_alias: 'somebody-elses', metadata: { note: 'somebody-elses' } })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
    await postgres?.stop()
  })
  /** Nothing was changed, and the database still answers. */
  const whole = async (): Promise<void> => {
    expect((await done(gateway, 'GET', '/key/list?key_alias=somebody-elses'))['total_count']).toBe(1)
    expect((await chat({ url: gateway.url, key: own }, 'm', 'hi')).status).toBe(200)
  }

  it('is no key, with any carrier, on any route (CVE-2026-42208)', async () => {
    for (const injection of injections) {
      for (const carrier of carriers) {
        for (const prefix of carrier === 'authorization' ? ['', 'Bearer ', 'Bearer sk-'] : ['', 'sk-']) {
          const answer = await send(`${gateway.url}/v1/models`, { headers: { [carrier]: prefix + injection } })
          expect(answer.status, `${carrier}: ${prefix}${injection} ${answer.text}`).toBe(401)
          expect(answer.text).not.toContain('SELECT')
        }
      }
      for (const path of ['/key/list', '/key/info', '/v1/routeiq/session', '/scim/v2/Users']) {
        const answer = await send(gateway.url + path, { headers: { authorization: `Bearer ${injection}` } })
        expect(answer.status, `${path} ${injection}`).toBe(401)
      }
    }
    await whole()
  })

  it('filters and sorts nothing but itself in lists (#12402)', async () => {
    const lists: Record<string, readonly string[]> = {
      '/key/list': [
        'user_id',
        'team_id',
        'organization_id',
        'key_alias',
        'key_hash',
        'status',
        'sort_by',
        'sort_order',
        'expand',
        'page',
        'size',
      ],
      '/key/aliases': ['search'],
      '/key/info': ['key'],
      '/user/list': ['role', 'user_ids', 'sso_user_ids', 'user_email', 'team', 'sort_by', 'sort_order'],
      '/v2/team/list': ['user_id', 'organization_id', 'team_id', 'team_alias'],
      '/spend/logs': ['api_key', 'user_id', 'request_id', 'start_date'],
      '/spend/logs/v2': [
        'api_key',
        'team_id',
        'end_user',
        'session_id',
        'model',
        'tag',
        'error',
        'sort_by',
        'sort_order',
        'min_spend',
      ],
      '/global/spend/report': ['group_by', 'api_key', 'team_id', 'customer_id', 'start_date'],
      '/user/daily/activity': ['model', 'api_key', 'timezone', 'user_id'],
    }
    for (const [path, fields] of Object.entries(lists)) {
      for (const field of fields) {
        for (const injection of injections) {
          const query = new URLSearchParams({
            [field]: injection,
            ...(path === '/key/list' && { return_full_object: 'true' }),
          })
          const mine = await api(gateway, 'GET', `${path}?${query}`, undefined, own)
          expect(mine.status, `${path}?${query} ${mine.text}`).toBeLessThan(500)
          expect(mine.text, `${path}?${query}`).not.toContain('somebody-elses')
          const all = await api(gateway, 'GET', `${path}?${query}`)
          expect(all.status, `${path}?${query} ${all.text}`).toBeLessThan(500)
          expect(all.text, `${path}?${query}`).not.toMatch(/syntax error|SQLITE_|relation "/)
        }
      }
    }
    await whole()
  })

  it('is a name like any other in what is written', async () => {
    for (const [index, injection] of injections.entries()) {
      const id = `${index}${injection}`
      expect(
        (await api(gateway, 'POST', '/team/new', { team_id: id, team_alias: injection, tags: [injection] })).status,
        id,
      ).toBe(200)
      const info = await done(gateway, 'GET', `/team/info?${new URLSearchParams({ team_id: id })}`)
      expect(info).toMatchObject({ team_id: id, team_info: { team_alias: injection } })
      const answer = await chat({ url: gateway.url, key: own }, 'm', 'hi', {
        user: injection,
        metadata: { tags: [injection] },
      })
      expect(answer.status, answer.text).toBe(200)
      expect((await api(gateway, 'POST', '/team/delete', { team_ids: [id] })).status, id).toBe(200)
    }
    await whole()
  })
})

describe('one gateway', () => {
  let upstream: Upstream
  let gateway: Gateway
  const config = (): Json => ({
    model_list: [
      ...['gpt-4o', 'gpt-4o-mini', 'openai/gpt-4', 'anthropic/claude', 'gpt', 'x-anthropic/claude'].map((name, index) =>
        deployment(name, upstream, `d${index}`),
      ),
    ],
    routeiq: { log_level: 'trace' },
  })
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({ config: config(), args: ['--detailed_debug'] })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  const status = async (key: string, model = 'gpt', extra: Json = {}) =>
    (await chat({ url: gateway.url, key }, model, 'hi', extra)).status
  const code = (answer: StreamAnswer): unknown => (answer.json?.['error'] as Json | undefined)?.['code']

  it('tells keys apart by every character (CVE-2026-35030)', async () => {
    const start = `sk-${'a'.repeat(120)}`
    await done(gateway, 'POST', '/key/generate', { key: `${start}1`, models: ['gpt'], user_id: 'one' })
    await done(gateway, 'POST', '/key/generate', { key: `${start}2`, models: ['gpt-4o'] })
    // Looked up, and so remembered, in this order.
    expect([await status(`${start}1`), await status(`${start}2`)]).toEqual([200, 403])
    expect([await status(`${start}1`, 'gpt-4o'), await status(`${start}2`, 'gpt-4o')]).toEqual([403, 200])
    for (const near of [start, `${start}3`, `${start}11`, start.slice(0, -1), `${start}1 x`, `${start}1\u0000`]) {
      const answer = await send(`${gateway.url}/v1/models`, { headers: { 'x-api-key': near.replace('\u0000', '%00') } })
      expect(answer.status, near).toBe(401)
    }
  })

  it('takes no hash of a key for the key', async () => {
    const made = await done(gateway, 'POST', '/key/generate', {})
    for (const text of [made['token'], made['key_name'], `sk-${made['token']}`]) {
      const answer = await send(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${text}` } })
      expect(answer.status, String(text)).toBe(401)
    }
  })

  it('lets nobody raise itself (GHSA-53mr-6c8q-9789)', async () => {
    await done(gateway, 'POST', '/organization/new', { organization_id: 'climb-org', organization_alias: 'c' })
    const person = async (id: string) => String((await done(gateway, 'POST', '/user/new', { user_id: id }))['key'])
    const [climber, chief, boss] = [await person('climber'), await person('chief'), await person('boss')]
    await done(gateway, 'POST', '/organization/member_add', {
      organization_id: 'climb-org',
      member: { user_id: 'chief', role: 'org_admin' },
    })
    await done(gateway, 'POST', '/organization/new', { organization_id: 'other-org', organization_alias: 'o' })
    await done(gateway, 'POST', '/team/new', {
      team_id: 'climb-team',
      organization_id: 'climb-org',
      models: ['gpt'],
      max_budget: 1,
      members_with_roles: [
        { role: 'admin', user_id: 'boss' },
        { role: 'user', user_id: 'climber' },
      ],
    })
    const admin = 'proxy_admin'
    const tries: [string, 'POST' | 'PATCH', string, Json][] = [
      [climber, 'POST', '/user/update', { user_id: 'climber', user_role: admin }],
      [climber, 'POST', '/user/update', { user_id: 'climber', max_budget: 1e9 }],
      [climber, 'POST', '/user/update', { user_id: 'climber', models: [] }],
      [climber, 'POST', '/user/bulk_update', { users: [{ user_id: 'climber', user_role: admin }] }],
      [climber, 'POST', '/user/new', { user_id: 'puppet', user_role: admin }],
      [climber, 'POST', '/team/member_update', { team_id: 'climb-team', user_id: 'climber', role: 'admin' }],
      [
        climber,
        'POST',
        '/organization/member_update',
        { organization_id: 'climb-org', user_id: 'climber', role: 'org_admin' },
      ],
      [
        climber,
        'POST',
        '/organization/member_add',
        { organization_id: 'climb-org', member: { user_id: 'climber', role: 'org_admin' } },
      ],
      [climber, 'POST', '/key/generate', { user_id: 'default_user_id' }],
      [climber, 'POST', '/key/generate', { team_id: 'climb-team' }],
      [climber, 'POST', '/key/generate', { organization_id: 'climb-org' }],
      [climber, 'POST', '/key/generate', { allowed_routes: ['management_routes'] }],
      [climber, 'POST', '/key/generate', { permissions: { get_spend_routes: true } }],
      [climber, 'POST', '/invitation/new', { user_id: 'climber' }],
      [climber, 'POST', '/config/update', { general_settings: { master_key: 'sk-mine' } }],
      [climber, 'POST', '/config/reload', {}],
      [climber, 'POST', '/v1/routeiq/policies', { name: 'mine', effect: 'allow', users: ['climber'] }],
      [climber, 'POST', '/add/allowed_ip', { ip: '1.2.3.4' }],
      [climber, 'POST', '/model/new', { model_name: 'x', litellm_params: { model: 'openai/x' } }],
      [climber, 'POST', '/credentials', { credential_name: 'x', credential_values: {} }],
      [chief, 'POST', '/user/update', { user_id: 'chief', user_role: admin }],
      [chief, 'POST', '/user/new', { user_id: 'puppet2', organizations: ['climb-org'], user_role: admin }],
      [chief, 'PATCH', '/organization/update', { organization_id: 'climb-org', max_budget: 1e9 }],
      [chief, 'POST', '/team/update', { team_id: 'climb-team', organization_id: 'other-org' }],
      [
        chief,
        'POST',
        '/organization/member_add',
        { organization_id: 'other-org', member: { user_id: 'chief', role: 'org_admin' } },
      ],
      [boss, 'POST', '/team/update', { team_id: 'climb-team', max_budget: 1e9 }],
      [boss, 'POST', '/team/update', { team_id: 'climb-team', organization_id: 'other-org' }],
      [boss, 'POST', '/team/update', { team_id: 'climb-team', metadata: { allow_client_tags: true } }],
    ]
    for (const [key, method, path, body] of tries) {
      const answer = await api(gateway, method, path, body, key)
      const told = `${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text.slice(0, 300)}`
      // A bulk call answers for each entry.
      if (path.endsWith('bulk_update')) expect(answer.text, told).not.toContain('"success":true')
      else expect([403, 404, 405], told).toContain(answer.status)
    }
    const role = async (key: string) =>
      (await api(gateway, 'GET', '/v1/routeiq/session', undefined, key)).json?.['user_role']
    expect([await role(climber), await role(chief), await role(boss)]).toEqual([
      'internal_user',
      'org_admin',
      'internal_user',
    ])
    expect((await done(gateway, 'GET', '/team/info?team_id=climb-team'))['team_info']).toMatchObject({
      organization_id: 'climb-org',
      max_budget: 1,
    })
  })

  it('shows no password hash to anybody, in any place (GHSA-69x8-hrgq-fjj8)', async () => {
    await done(gateway, 'POST', '/user/new', { user_id: 'hashed', user_email: 'hashed@x.test', auto_create_key: false })
    const { id } = await done(gateway, 'POST', '/invitation/new', { user_id: 'hashed' })
    const opened = (await send(`${gateway.url}/onboarding/get_token?invite_link=${id}`)).json!
    const password = 'correct horse battery'
    const claimed = await send(`${gateway.url}/onboarding/claim_token`, {
      body: { invitation_link: id, user_id: 'hashed', password },
      headers: { authorization: `Bearer ${opened['token']}` },
    })
    expect(claimed.status, claimed.text).toBe(200)
    const session = String(claimed.json!['token'])
    await done(gateway, 'POST', '/team/new', {
      team_id: 'hashed-team',
      members_with_roles: [{ role: 'admin', user_id: 'hashed' }],
    })
    await done(gateway, 'POST', '/user/update', { user_id: 'hashed', user_alias: 'H' })
    const paths = [
      '/user/info?user_id=hashed',
      '/v2/user/info?user_id=hashed',
      '/user/list?user_ids=hashed',
      '/user/filter/ui',
      '/team/info?team_id=hashed-team',
      '/v2/team/list',
      '/scim/v2/Users',
      '/scim/v2/Users/hashed',
      '/audit?object_id=hashed&page_size=50',
      '/v1/routeiq/audit/export',
      '/v1/routeiq/session',
    ]
    let seen = 0
    for (const path of paths) {
      for (const key of [gateway.key, session]) {
        const { text, status: got } = await api(gateway, 'GET', path, undefined, key)
        expect(
          /.{0,60}(?:scrypt|password_hash|"password":"(?!\[redacted)|correct horse).{0,60}/.exec(text)?.[0],
          path,
        ).toBeUndefined()
        if (got === 200 && text.includes('hashed')) seen++
      }
    }
    expect(seen).toBeGreaterThan(10)
    expect(gateway.logs()).not.toContain(password)
  })

  it('writes no secret into its log, whatever goes wrong', async () => {
    const key = await newKey(gateway)
    const secrets = [key, gateway.key, 'sk-upstream-secret', 'sk-typed-wrong-0123456789', 'hunter2-in-the-query']
    await status(key)
    await status('sk-typed-wrong-0123456789')
    await send(`${gateway.url}/v1/models?key=hunter2-in-the-query`)
    await send(`${gateway.url}/nowhere/hunter2?api_key=hunter2-in-the-query`, {
      headers: { authorization: `Bearer ${key}` },
    })
    await send(`${gateway.url}/v1/chat/completions`, {
      headers: { authorization: `Bearer ${key}` },
      body: `{"model": "gpt", "api_key": "hunter2-in-the-query", `,
    })
    await send(`${gateway.url}/key/info?key=${key}`, { headers: { authorization: `Bearer ${key}` } })
    await send(`${gateway.url}/key/list`, { headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': key } })
    await api(gateway, 'POST', '/key/generate', { key, key_alias: 'again' })
    await api(gateway, 'POST', '/model/new', {
      model_name: 'bad',
      litellm_params: { model: 'nosuchvendor/x', api_key: 'hunter2-in-the-query' },
    })
    gateway.writeConfig({ ...config(), general_settings: { master_key: ['hunter2-in-the-query'] } })
    await api(gateway, 'POST', '/config/reload', {})
    await configure(gateway, config())
    await eventually(() => (gateway.logs().length > 2000 ? true : undefined))
    const logs = gateway.logs()
    for (const secret of secrets) expect(logs.includes(secret), `${secret.slice(0, 9)}… is in the log`).toBe(false)
  })

  it('grants by a wildcard what it says and no more', async () => {
    const may = async (models: string[], model: string) =>
      (await status(await newKey(gateway, { models }), model)) === 200
    const cases: [string[], string, boolean][] = [
      [['anthropic/*'], 'anthropic/claude', true],
      [['anthropic/*'], 'x-anthropic/claude', false],
      [['anthropic/*'], 'openai/gpt-4', false],
      [['openai/*'], 'gpt', false],
      [['gpt-4o'], 'gpt-4o-mini', false],
      [['gpt'], 'gpt-4o', false],
      [['gpt-4o*'], 'gpt-4o-mini', true],
      [['*-mini'], 'gpt-4o-mini', false],
      [['g?t'], 'gpt', false],
      [['g.t'], 'gpt', false],
      [['.*'], 'gpt', false],
      [['no-default-models'], 'gpt', false],
    ]
    const got = await Promise.all(cases.map(async ([models, model]) => [models, model, await may(models, model)]))
    expect(got).toEqual(cases)
    // A group that a key was narrowed to, and that is gone, leaves it nothing; not everything.
    const group = await done(gateway, 'POST', '/v1/access_group', {
      access_group_name: 'some',
      access_model_names: ['gpt'],
    })
    const id = String(group['access_group_id'])
    const grouped = await newKey(gateway, { access_group_ids: [id] })
    expect([await status(grouped), await status(grouped, 'gpt-4o')]).toEqual([200, 403])
    await done(gateway, 'DELETE', `/v1/access_group/${id}`)
    await eventually(async () => ((await status(grouped)) === 403 ? true : undefined))
    expect(await status(grouped, 'gpt-4o')).toBe(403)
  })

  it('keeps tenants apart who name their calls alike', async () => {
    const [mine, theirs] = [await newKey(gateway), await newKey(gateway)]
    const headers = { 'x-litellm-call-id': 'one-id-for-two' }
    const ask = (key: string, model: string) =>
      chat(
        { url: gateway.url, key },
        model,
        'hi',
        { litellm_session_id: 'same', metadata: { tags: ['same'] } },
        { headers },
      )
    expect([(await ask(mine, 'gpt')).status, (await ask(theirs, 'gpt-4o')).status]).toEqual([200, 200])
    const explained = async (key: string) => {
      const answer = await api(gateway, 'GET', '/v1/routeiq/explain/one-id-for-two', undefined, key)
      return [answer.status, answer.text.includes('"gpt-4o"'), answer.text.includes('"gpt"')]
    }
    expect([await explained(mine), await explained(theirs)]).toEqual([
      [200, false, true],
      [200, true, false],
    ])
    expect((await explained(await newKey(gateway)))[0]).toBe(404)
    const rows = await eventually(async () => {
      const all = (await api(gateway, 'GET', '/spend/logs?request_id=one-id-for-two')).json as unknown as Json[]
      return all.length === 2 ? all : undefined
    })
    expect(new Set(rows.map(row => row['api_key'])).size).toBe(2)
  })

  it('knows no name that every object has', async () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      const answer = await chat(gateway, name, 'hi', { user: name, metadata: { tags: [name] } })
      expect([answer.status, code(answer)], name).toEqual([404, 'model_not_found'])
      const key = await newKey(gateway, { models: [name] })
      expect(await status(key), name).toBe(403)
    }
    const polluted = await send(`${gateway.url}/key/generate`, {
      headers: { authorization: `Bearer ${gateway.key}` },
      body: '{"__proto__": {"models": ["none"], "blocked": true}, "constructor": {"prototype": {"blocked": true}}}',
    })
    expect(polluted.status).toBe(200)
    expect(await status(await newKey(gateway))).toBe(200)
  })
})

describe('what is installed', () => {
  it('is pinned by content, and runs nothing at installation but what was looked at (#24512)', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { integrity?: string; link?: boolean; hasInstallScript?: boolean; resolved?: string }>
    }
    const entries = Object.entries(lock.packages).filter(([path]) => path !== '')
    expect(entries.length).toBeGreaterThan(50)
    expect(
      entries.filter(([, { integrity, link }]) => integrity === undefined && link !== true).map(([path]) => path),
    ).toEqual([])
    const scripts = entries.filter(([, entry]) => entry.hasInstallScript === true).map(([path]) => path)
    // `node` brings the pinned runtime; the other two only look at what is there.
    expect(scripts.sort()).toEqual(['node_modules/@swc/core', 'node_modules/node', 'node_modules/protobufjs'])
  })
})
