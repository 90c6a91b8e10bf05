import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { configure, deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
const models = (): Json[] => [deployment('m', upstream, 'm'), deployment('n', upstream, 'n')]
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: models() } })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})
const error = (answer: StreamAnswer): Json => (answer.json?.['error'] ?? {}) as Json
const ask = (key: string, extra: Json = {}, headers: Record<string, string> = {}, model = 'm') =>
  chat({ url: gateway.url, key }, model, 'hi', extra, { headers })
const put = (general: Json, routeiq: Json = {}) =>
  configure(gateway, { model_list: models(), general_settings: general, routeiq })
const told = async (answer: Promise<StreamAnswer>): Promise<unknown[]> => {
  const got = await answer
  return [got.status, error(got)['code'], error(got)['param']]
}

describe('allowed_ips', () => {
  const from = (address: string, path = '/v1/models', key = gateway.key) =>
    send(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': address } })
  const proxied: Json = { trusted_proxies: ['127.0.0.1'] }

  /** The list is in force for the reload too: the file is taken by its watcher, or a signal. */
  const rewrite = async (general: Json, routeiq: Json) => {
    gateway.writeConfig({ model_list: models(), general_settings: general, routeiq })
    gateway.signal('SIGHUP')
  }
  const becomes = (address: string, status: number) =>
    eventually(async () => ((await from(address)).status === status ? true : undefined))

  it('of the file lets in whom it names, before any key is looked at; probes answer everywhere', async () => {
    await put({ allowed_ips: ['203.0.113.0/24', '2001:db8::/32'] }, proxied)
    expect((await from('203.0.113.7')).status).toBe(200)
    expect((await from('2001:db8::7')).status).toBe(200)
    const refused = await from('198.51.100.7', '/v1/models', 'sk-wrong')
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('198.51.100.7')])
    // The door to the login is one as well.
    for (const path of ['/v1/models', '/key/list', '/metrics', '/openapi.json', '/sso/key/generate', '/']) {
      expect((await from('198.51.100.7', path)).status, path).toBe(path === '/' ? 200 : 403)
    }
    for (const path of ['/health/liveliness', '/health/readiness']) {
      expect((await from('198.51.100.7', path)).status, path).toBe(200)
    }
    // Only what a trusted proxy says counts; a caller writes itself no address.
    expect((await from('203.0.113.7, 198.51.100.7')).status).toBe(403)
    await rewrite({ allowed_ips: ['203.0.113.0/24'], use_x_forwarded_for: false }, proxied)
    await becomes('203.0.113.7', 403)
    await rewrite({ allowed_ips: ['203.0.113.0/24'] }, proxied)
    await becomes('203.0.113.7', 200)
    await rewrite({ allowed_ips: ['203.0.113.0/24'] }, { trusted_proxies: ['10.0.0.1'] })
    await becomes('203.0.113.7', 403)
    await rewrite({}, {})
    await becomes('203.0.113.7', 200)
  })

  it('that would shut out everybody is not loaded', async () => {
    for (const [list, place] of [
      [[], 'allowed_ips'],
      [['10.1'], 'allowed_ips[0]'],
    ] as const) {
      gateway.writeConfig({ model_list: models(), general_settings: { allowed_ips: [...list] } })
      const answer = await api(gateway, 'POST', '/config/reload', {}, gateway.key)
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(place)])
    }
    await put({}, proxied)
  })

  it('of the database are kept with LiteLLM’s calls, and leave the master key a way back', async () => {
    await put({}, proxied)
    const key = await newKey(gateway)
    const call = (path: string, ip: string, address: string, bearer = gateway.key) =>
      send(`${gateway.url}${path}`, {
        headers: { authorization: `Bearer ${bearer}`, 'x-forwarded-for': address },
        body: { ip },
      })
    expect((await call('/add/allowed_ip', '10.1', '203.0.113.7')).status).toBe(400)
    expect((await call('/add/allowed_ip', '192.0.2.1', '203.0.113.7')).json).toMatchObject({
      message: 'IP 192.0.2.1 address added successfully',
      status: 'success',
    })
    await eventually(async () => ((await from('203.0.113.7')).status === 403 ? true : undefined))
    expect((await from('192.0.2.1', '/v1/models', key)).status).toBe(200)
    expect((await from('203.0.113.7', '/get/allowed_ips', key)).status).toBe(403)
    expect((await from('203.0.113.7', '/get/allowed_ips')).json).toEqual({
      data: ['192.0.2.1'],
      database: ['192.0.2.1'],
    })
    const both = await Promise.all(['192.0.2.2', '192.0.2.3'].map(ip => call('/add/allowed_ip', ip, '203.0.113.7')))
    expect(both.map(answer => answer.status)).toEqual([200, 200])
    expect(((await from('203.0.113.7', '/get/allowed_ips')).json!['data'] as string[]).sort()).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.3',
    ])
    expect((await call('/delete/allowed_ip', '192.0.2.9', '203.0.113.7')).status).toBe(404)
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
      expect((await call('/delete/allowed_ip', ip, '203.0.113.7')).status).toBe(200)
    }
    await eventually(async () => ((await from('203.0.113.7')).status === 200 ? true : undefined))
    const audit = await done(gateway, 'GET', '/audit?object_id=allowed_ips')
    expect(audit['total']).toBe(6)
  })

  it('holds on every replica at once', async () => {
    const fleet = await startGateway({
      config: { model_list: models(), routeiq: proxied },
      args: ['--num_workers', '2'],
    })
    const probe = async (address: string) =>
      (
        await send(`${fleet.url}/v1/models`, {
          headers: { authorization: `Bearer ${fleet.key}`, 'x-forwarded-for': address, connection: 'close' },
        })
      ).status
    await done(fleet, 'POST', '/add/allowed_ip', { ip: '192.0.2.0/24' })
    await eventually(async () => {
      const all = await Promise.all(Array.from({ length: 12 }, () => probe('198.51.100.1')))
      return all.every(status => status === 403) ? true : undefined
    })
    expect(await Promise.all(Array.from({ length: 12 }, () => probe('192.0.2.77')))).toEqual(Array(12).fill(200))
    await fleet.stop()
  })
})

describe('lists of routes', () => {
  it('allowed_routes: what is not on it is closed to everybody', async () => {
    await put({ allowed_routes: ['openai_routes', '/config/reload', '/key/generate'] })
    const key = await newKey(gateway)
    expect((await ask(key)).status).toBe(200)
    for (const path of ['/key/list', '/user/list', '/v1/routeiq/policies']) {
      expect((await api(gateway, 'GET', path)).status, path).toBe(403)
    }
    expect((await send(`${gateway.url}/health/liveliness`)).status).toBe(200)
  })

  it('admin_only_routes: for administrators', async () => {
    await put({ admin_only_routes: ['/v1/models', '/key/*'] })
    const key = await newKey(gateway)
    expect(await told(api(gateway, 'GET', '/v1/models', undefined, key))).toEqual([403, 'permission_denied', null])
    expect((await api(gateway, 'GET', '/models', undefined, key)).status).toBe(403)
    expect((await api(gateway, 'GET', '/key/info', undefined, key)).status).toBe(403)
    expect((await ask(key)).status).toBe(200)
    expect((await api(gateway, 'GET', '/v1/models')).status).toBe(200)
  })

  it('public_routes: need no key, and open nothing that a role does not', async () => {
    const routes = ['LiteLLMRoutes.openai_routes', '/key/generate', '/key/list', '/user/list', '/config/reload']
    await put({ public_routes: routes })
    const bare = (method: string, path: string, body?: Json, headers = {}) =>
      send(`${gateway.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    const messages = [{ role: 'user', content: 'hi' }]
    expect((await bare('POST', '/v1/chat/completions', { model: 'm', messages })).status).toBe(200)
    expect((await bare('GET', '/v1/models')).status).toBe(200)
    expect((await bare('POST', '/v1/messages', { model: 'm', max_tokens: 5, messages })).status).toBe(401)
    for (const [method, path] of [
      ['POST', '/key/generate'],
      ['POST', '/config/reload'],
    ] as const) {
      expect((await bare(method, path, {})).status, path).toBe(403)
    }
    expect((await bare('GET', '/key/list')).json).toMatchObject({ keys: [] })
    // Whoever shows a key is who the key says; a wrong one is no key.
    const wrong = await bare('GET', '/v1/models', undefined, { authorization: 'Bearer sk-wrong' })
    expect(wrong.status).toBe(401)
    const narrow = await newKey(gateway, { models: ['n'] })
    const own = await bare('GET', '/v1/models', undefined, { authorization: `Bearer ${narrow}` })
    expect((own.json!['data'] as Json[]).map(model => model['id'])).toEqual(['n'])
  })
})

describe('what bodies must and must not say', () => {
  beforeEach(() => put({}))

  it('enforced_params: of everybody, of a key, of service accounts', async () => {
    await put({
      enforced_params: ['metadata.trace'],
      service_account_settings: { enforced_params: ['user'] },
    })
    const key = await newKey(gateway)
    expect(await told(ask(key))).toEqual([400, 'missing_field', 'metadata.trace'])
    expect(await told(ask(key, { metadata: { trace: '' } }))).toEqual([400, 'missing_field', 'metadata.trace'])
    expect((await ask(key, { metadata: { trace: 't' } })).status).toBe(200)
    const own = await newKey(gateway, { enforced_params: ['seed'] })
    expect(await told(ask(own, { metadata: { trace: 't' } }))).toEqual([400, 'missing_field', 'seed'])
    expect((await ask(own, { metadata: { trace: 't' }, seed: 1 })).status).toBe(200)
    const service = String(
      (await done(gateway, 'POST', '/key/service-account/generate', { team_id: await team(), key_alias: 'svc' }))[
        'key'
      ],
    )
    expect(await told(ask(service, { metadata: { trace: 't' } }))).toEqual([400, 'missing_field', 'user'])
    expect((await ask(service, { metadata: { trace: 't' }, user: 'u' })).status).toBe(200)
  })

  it('enforce_user_param and user headers: every call says for whom it is', async () => {
    await put({
      enforce_user_param: true,
      user_header_mappings: [{ header_name: 'X-My-Customer', litellm_user_role: 'customer' }],
      user_header_name: 'X-Old-Customer',
    })
    const key = await newKey(gateway)
    expect(await told(ask(key))).toEqual([400, 'missing_field', 'user'])
    expect((await ask(key, { user: 'u' })).status).toBe(200)
    const customer = async (headers: Record<string, string>): Promise<unknown> => {
      const answer = await ask(key, { user: 'of-the-body' }, headers)
      expect(answer.status).toBe(200)
      return eventually(async () => {
        const rows = (await api(gateway, 'GET', `/spend/logs?request_id=${answer.headers['x-litellm-call-id']}`)).json
        const [row] = (Array.isArray(rows) ? rows : []) as Json[]
        return row === undefined ? undefined : String(row['end_user'])
      })
    }
    expect(await customer({ 'x-my-customer': 'c1', 'x-old-customer': 'c2' })).toBe('c1')
    expect(await customer({ 'x-old-customer': 'c2' })).toBe('c2')
    expect(await customer({})).toBe('of-the-body')
  })

  it('reject_clientside_metadata_tags: tags are the operator’s', async () => {
    await put({ reject_clientside_metadata_tags: true })
    const key = await newKey(gateway, { tags: ['own'] })
    expect((await ask(key)).status).toBe(200)
    const tags = ['x']
    for (const [extra, headers, param] of [
      [{ metadata: { tags } }, {}, 'metadata.tags'],
      [{ tags }, {}, 'tags'],
      [{ litellm_metadata: { tags } }, {}, 'litellm_metadata.tags'],
      [{}, { 'x-litellm-tags': 'x' }, 'x-litellm-tags'],
    ] as const) {
      expect(await told(ask(key, extra as Json, headers))).toEqual([400, 'invalid_request', param])
    }
    const trusted = await newKey(gateway, { metadata: { allow_client_tags: true } })
    expect((await ask(trusted, { metadata: { tags } })).status).toBe(200)
  })

  it('restrict_caller_switches: how a call is treated is not the caller’s, unless its key says so', async () => {
    await put({}, { restrict_caller_switches: true })
    const key = await newKey(gateway)
    for (const name of ['drop_params', 'allowed_openai_params', 'mock_response', 'no-log', 'disable_fallbacks']) {
      expect(await told(ask(key, { [name]: true })), name).toEqual([403, 'permission_denied', name])
    }
    expect(await told(ask(key, { fallbacks: [{ model: 'n', drop_params: true }] }))).toEqual([
      403,
      'permission_denied',
      'fallbacks.drop_params',
    ])
    expect(await told(ask(key, { fallbacks: [{ m: [{ model: 'n', drop_params: true }] }] }))).toEqual([
      403,
      'permission_denied',
      'fallbacks.drop_params',
    ])
    const some = await newKey(gateway, { metadata: { allow_caller_switches: ['drop_params'] } })
    expect((await ask(some, { drop_params: true })).status).toBe(200)
    expect((await ask(some, { disable_fallbacks: true })).status).toBe(403)
    const all = await newKey(gateway, { metadata: { allow_caller_switches: true } })
    expect((await ask(all, { drop_params: true, disable_fallbacks: true })).status).toBe(200)
  })

  it('nobody gives its own key such a permission', async () => {
    const person = String((await done(gateway, 'POST', '/user/new', { user_id: 'self-made' }))['key'])
    const own = await done(gateway, 'POST', '/key/generate', { metadata: { note: 'mine' } }, person)
    for (const name of ['allow_client_tags', 'allow_caller_switches', 'allow_client_mock_response', 'priority']) {
      const metadata = { [name]: name === 'priority' ? 'prod' : true }
      for (const [path, body] of [
        ['/key/generate', { metadata }],
        ['/key/update', { key: own['key'], metadata }],
      ] as const) {
        expect(await told(api(gateway, 'POST', path, body as Json, person)), `${path} ${name}`).toEqual([
          403,
          'permission_denied',
          `metadata.${name}`,
        ])
      }
    }
    const given = await done(gateway, 'POST', '/key/generate', {
      user_id: 'self-made',
      metadata: { allow_client_tags: true },
    })
    const kept = { key: given['key'] as string, metadata: { allow_client_tags: true, note: 'kept' } }
    expect((await api(gateway, 'POST', '/key/update', kept, person)).status).toBe(200)
    await done(gateway, 'POST', '/team/new', {
      team_id: 'led',
      members_with_roles: [{ role: 'admin', user_id: 'self-made' }],
    })
    expect(
      (await api(gateway, 'POST', '/team/update', { team_id: 'led', metadata: { priority: 'prod' } }, person)).status,
    ).toBe(403)
  })
})

let teams = 0
async function team(): Promise<string> {
  const id = `access-team-${++teams}`
  await done(gateway, 'POST', '/team/new', { team_id: id })
  return id
}

describe('keys, customers and fallbacks', () => {
  it('default_team_disabled: a key needs a team', async () => {
    await put({ default_team_disabled: true })
    expect(await told(api(gateway, 'POST', '/key/generate', {}))).toEqual([400, 'missing_field', 'team_id'])
    const key = await done(gateway, 'POST', '/key/generate', { team_id: await team() })
    expect(await told(api(gateway, 'POST', '/key/update', { key: key['key'] as string, team_id: null }))).toEqual([
      400,
      'missing_field',
      'team_id',
    ])
    expect(await done(gateway, 'POST', '/user/new', { user_id: 'teamless' })).not.toHaveProperty('key')
  })

  it('a blocked customer is refused, by whatever name it comes, until the block is lifted', async () => {
    await put({})
    const key = await newKey(gateway)
    expect((await ask(key, { user: 'villain' })).status).toBe(200)
    await done(gateway, 'POST', '/customer/block', { user_ids: ['villain'] })
    await eventually(async () => ((await ask(key, { user: 'villain' })).status === 403 ? true : undefined))
    expect(await told(ask(key, { user: 'villain' }))).toEqual([403, 'permission_denied', 'user'])
    expect((await ask(key, { safety_identifier: 'villain' })).status).toBe(403)
    const anthropic = await send(`${gateway.url}/v1/messages`, {
      headers: { 'x-api-key': key },
      body: {
        model: 'm',
        max_tokens: 5,
        messages: [{ role: 'user', content: 'hi' }],
        metadata: { user_id: 'villain' },
      },
    })
    expect(anthropic.status).toBe(403)
    expect((await ask(key, { user: 'somebody-else' })).status).toBe(200)
    // Of whom nothing is known yet, the very first call waits for the answer.
    await done(gateway, 'POST', '/customer/new', { user_id: 'unseen-villain', blocked: true })
    expect(await told(ask(key, { user: 'unseen-villain' }))).toEqual([403, 'permission_denied', 'user'])
    await done(gateway, 'POST', '/customer/unblock', { user_ids: ['villain'] })
    await eventually(async () => ((await ask(key, { user: 'villain' })).status === 200 ? true : undefined))
  })

  it('a key falls back to no model it may not use: never by its own word, and not by the config’s if so set', async () => {
    const broken = { ...deployment('broken', upstream, 'broken@status=500'), model_info: { id: 'broken' } }
    const config = (enforce: boolean): Json => ({
      model_list: [...models(), broken],
      general_settings: enforce ? { enforce_fallback_model_access: true } : {},
      router_settings: { num_retries: 0, disable_cooldowns: true, fallbacks: [{ broken: ['n'] }] },
    })
    await configure(gateway, config(false))
    const key = await newKey(gateway, { models: ['broken'] })
    expect((await ask(key, {}, {}, 'broken')).status).toBe(200)
    for (const fallbacks of [['m'], [{ model: 'm' }], [{ broken: ['m'] }]]) {
      expect((await ask(key, { fallbacks }, {}, 'broken')).status).toBe(403)
    }
    await configure(gateway, config(true))
    expect((await ask(key, {}, {}, 'broken')).status).toBe(500)
    const wide = await newKey(gateway, { models: ['broken', 'n'] })
    expect((await ask(wide, {}, {}, 'broken')).status).toBe(200)
  })
})
