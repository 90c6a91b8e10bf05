import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment, eventually, get, metric } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

const tokenHash = (key: string): string => createHash('sha256').update(key).digest('hex')
const code = (answer: StreamAnswer): unknown => (answer.json?.['error'] as Json | undefined)?.['code']
const told = (answer: StreamAnswer): [number, unknown] => [answer.status, code(answer)]
const denied = [403, 'policy_denied']

describe.each([1, 2])('access policies, %i workers', workers => {
  let upstream: Upstream
  let gateway: Gateway
  const base = (): Json => ({
    model_list: [
      deployment('small', upstream, 'small'),
      deployment('large', upstream, 'large'),
      deployment('any/*', upstream, 'any'),
    ],
    router_settings: { model_group_alias: { nick: 'large', wild: 'any/large' }, num_retries: 0 },
  })
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: {
        ...base(),
        routeiq: {
          trusted_proxies: ['127.0.0.1'],
          access_policies: [
            { name: 'file-first', effect: 'deny', users: ['mallory'], models: ['large', 'any/large'] },
            { name: 'dry', effect: 'deny', models: ['small'], tags: ['dry'], dry_run: true },
          ],
        },
      },
      args: workers === 1 ? [] : ['--num_workers', String(workers)],
    })
    await done(gateway, 'POST', '/user/new', { user_id: 'mallory', auto_create_key: false })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  const ask = (key: string, model: string, extra: Json = {}, headers: Record<string, string> = {}) =>
    chat({ url: gateway.url, key }, model, 'hi', extra, { headers })
  /** Every worker agrees. */
  const everywhere = (probe: () => Promise<StreamAnswer>, expected: readonly unknown[]) =>
    eventually(async () => {
      const all = await Promise.all(Array.from({ length: 4 * workers }, probe))
      return all.every(answer => JSON.stringify(told(answer)) === JSON.stringify(expected)) ? true : undefined
    })
  const rule = (body: Json): Promise<Json> => done(gateway, 'POST', '/v1/routeiq/policies', body)
  const drop = (name: string) => done(gateway, 'DELETE', `/v1/routeiq/policies/${name}`)

  it('of the file refuse a model under every name it goes by, and nothing else', async () => {
    const key = await newKey(gateway, { user_id: 'mallory', aliases: { mine: 'large' } })
    const before = upstream.requests.length
    for (const model of ['large', 'nick', 'mine', 'any/large', 'wild']) {
      const refused = await ask(key, model)
      expect(told(refused)).toEqual(denied)
      expect(refused.text).toContain('file-first')
    }
    expect(upstream.requests.length).toBe(before)
    expect((await ask(key, 'small')).status).toBe(200)
    expect((await ask(await newKey(gateway), 'large')).status).toBe(200)
    expect((await ask(gateway.key, 'large')).status).toBe(200)
    // A fallback the caller names is a model it asks for.
    expect(told(await ask(key, 'small', { fallbacks: ['large'] }))).toEqual(denied)
    expect(told(await ask(key, 'small', { fallbacks: [{ model: 'nick', temperature: 0 }] }))).toEqual(denied)
    const anthropic = await send(`${gateway.url}/v1/messages`, {
      headers: { 'x-api-key': key },
      body: { model: 'large', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] },
    })
    expect([anthropic.status, anthropic.json?.['type']]).toEqual([403, 'error'])
  })

  it('of the database hold at once on every worker, come in order, change and go', async () => {
    const key = await newKey(gateway)
    const made = await rule({ name: 'no-large', effect: 'deny', models: ['lar*'], roles: ['internal_user'] })
    expect(made).toMatchObject({ name: 'no-large', source: 'database', position: expect.any(Number) })
    await everywhere(() => ask(key, 'large'), denied)
    await rule({ name: 'but-this', effect: 'allow', keys: [tokenHash(key)], position: -1 })
    await everywhere(() => ask(key, 'large'), [200, undefined])
    await done(gateway, 'PUT', '/v1/routeiq/policies/but-this', {
      name: 'but-this',
      effect: 'allow',
      teams: ['nobody'],
    })
    await everywhere(() => ask(key, 'large'), denied)
    await done(gateway, 'PUT', `/v1/routeiq/policies/${made['policy_id']}`, {
      name: 'no-large',
      effect: 'deny',
      models: ['lar*'],
      enabled: false,
    })
    await everywhere(() => ask(key, 'large'), [200, undefined])
    const list = (await done(gateway, 'GET', '/v1/routeiq/policies'))['data'] as Json[]
    expect(list.map(policy => [policy['name'], policy['source']])).toEqual([
      ['file-first', 'config'],
      ['dry', 'config'],
      ['but-this', 'database'],
      ['no-large', 'database'],
    ])
    await drop('but-this')
    await drop('no-large')
    expect((await api(gateway, 'GET', '/v1/routeiq/policies/no-large')).status).toBe(404)
  })

  it('decide on routes before the body is read, and the refusal is on the record', async () => {
    await done(gateway, 'POST', '/user/new', { user_id: 'keyless', auto_create_key: false })
    const key = await newKey(gateway, { user_id: 'keyless' })
    await rule({
      name: 'no-keys',
      effect: 'deny',
      users: ['keyless'],
      routes: ['/key/generate', 'key_management_routes'],
    })
    await everywhere(() => api(gateway, 'POST', '/key/generate', {}, key), denied)
    expect((await api(gateway, 'GET', '/user/info', undefined, key)).status).toBe(200)
    expect((await ask(key, 'small')).status).toBe(200)
    await rule({ name: 'no-calls', effect: 'deny', users: ['keyless'], routes: ['llm_api_routes'] })
    // A body that would be refused is not even looked at.
    const unread = () =>
      send(`${gateway.url}/v1/chat/completions`, { headers: { authorization: `Bearer ${key}` }, body: '{' })
    await everywhere(unread, denied)
    const audit = await eventually(async () => {
      const found = await done(gateway, 'GET', '/audit?action=denied&changed_by=keyless')
      return (found['total'] as number) > 0 ? found : undefined
    })
    expect(JSON.stringify(audit)).toContain('no-keys')
    await drop('no-keys')
    await drop('no-calls')
  })

  it('look at tools, tags, and addresses that a trusted proxy vouches for', async () => {
    const key = await newKey(gateway)
    await rule({ name: 'no-shell', effect: 'deny', tools: ['shell*'] })
    await rule({ name: 'no-tag', effect: 'deny', tags: ['secret'] })
    await rule({
      name: 'office',
      effect: 'deny',
      proofs: ['virtual_key'],
      unless: { addresses: ['203.0.113.0/24', '127.0.0.0/8'] },
    })
    const tool = (name: string) => ({
      tools: [{ type: 'function', function: { name, parameters: { type: 'object' } } }],
    })
    await everywhere(() => ask(key, 'small', tool('shell_exec')), denied)
    expect((await ask(key, 'small', tool('search'))).status).toBe(200)
    expect(told(await ask(key, 'small', { fallbacks: [{ model: 'large', ...tool('shell') }] }))).toEqual(denied)
    await everywhere(() => ask(key, 'small', { metadata: { tags: ['secret'] } }), denied)
    expect(told(await ask(key, 'small', {}, { 'x-litellm-tags': 'a, secret' }))).toEqual(denied)
    const from = (address: string) => ask(key, 'small', {}, { 'x-forwarded-for': address })
    await everywhere(() => from('198.51.100.1'), denied)
    expect((await from('203.0.113.9')).status).toBe(200)
    // What the caller wrote stands left of what the proxy saw.
    expect(told(await from('203.0.113.9, 198.51.100.1'))).toEqual(denied)
    for (const name of ['no-shell', 'no-tag', 'office']) await drop(name)
    await everywhere(() => from('198.51.100.1'), [200, undefined])
  })

  it('on dry run decide nothing, and are counted and logged', async () => {
    const key = await newKey(gateway)
    const before = metric((await get(gateway, '/metrics')).text, 'routeiq_policy_decisions_total', {
      policy: 'dry',
    })
    expect((await ask(key, 'small', { metadata: { tags: ['dry'] } })).status).toBe(200)
    await gateway.waitForLog(/access policy would have decided \(dry run\)/)
    const text = (await get(gateway, '/metrics')).text
    expect(metric(text, 'routeiq_policy_decisions_total', { policy: 'dry', dry_run: 'true', effect: 'deny' })).toBe(
      before + 1,
    )
    expect(gateway.logs()).not.toContain(key)
  })

  it('tell what a caller would get, and why, without counting it', async () => {
    await rule({
      name: 'nights',
      effect: 'deny',
      teams: ['t'],
      times: [{ from: '22:00', to: '06:00', time_zone: 'Europe/Berlin' }],
    })
    const test = (body: Json) => done(gateway, 'POST', '/v1/routeiq/policies/test', body)
    const asked = (at: string): Json => ({ caller: { team_id: 't' }, model: 'small', at })
    await eventually(async () => {
      const night = await test(asked('2026-01-15T21:30:00Z'))
      return night['policy'] === 'nights'
        ? (expect(night).toMatchObject({ allowed: false, refused_by: 'policy' }) ?? true)
        : undefined
    })
    const day = await test(asked('2026-01-15T12:00:00Z'))
    expect(day).toMatchObject({ allowed: true, refused_by: null, policy: null })
    expect(day['policies']).toContainEqual({
      name: 'nights',
      effect: 'deny',
      source: 'database',
      dry_run: false,
      holds: false,
      because: ['times'],
    })
    const key = await newKey(gateway, { models: ['small'] })
    expect(await test({ caller: { key }, model: 'large' })).toMatchObject({ allowed: false, refused_by: 'model' })
    expect(await test({ caller: { key }, method: 'GET', path: '/audit' })).toMatchObject({
      allowed: false,
      refused_by: 'route',
    })
    expect(
      await test({ caller: { user_id: 'mallory' }, path: '/engines/large/chat/completions', model: 'large' }),
    ).toMatchObject({
      refused_by: 'policy',
      policy: 'file-first',
    })
    expect((await api(gateway, 'POST', '/v1/routeiq/policies/test', { caller: {}, path: '/nowhere' })).status).toBe(404)
    await drop('nights')
  })

  it('that cannot be meant are refused, by field', async () => {
    const cases: [Json, string][] = [
      [{ name: 'x', effect: 'deny', role: ['internal_user'] }, 'role'],
      [{ name: 'x', effect: 'forbid' }, 'effect'],
      [{ name: 'x', effect: 'deny', roles: ['boss'] }, 'roles'],
      [{ name: 'x', effect: 'deny', users: [] }, 'users'],
      [{ name: 'x', effect: 'deny', addresses: ['10.1'] }, 'addresses[0]'],
      [{ name: 'x', effect: 'deny', times: [{ from: '9' }] }, 'times[0].from'],
      [{ name: 'x', effect: 'deny', unless: { model: ['a'] } }, 'model'],
      [{ effect: 'deny' }, 'name'],
    ]
    for (const [body, param] of cases) {
      const refused = await api(gateway, 'POST', '/v1/routeiq/policies', body)
      expect(refused.status, `${JSON.stringify(body)} ${refused.text}`).toBe(400)
      expect(refused.text, JSON.stringify(body)).toContain(param)
    }
    await rule({ name: 'taken', effect: 'allow', users: ['x'] })
    expect((await api(gateway, 'POST', '/v1/routeiq/policies', { name: 'taken', effect: 'deny' })).status).toBe(400)
    await drop('taken')
  })
})

describe('access policies', () => {
  it('of a file that cannot be meant are not loaded, and the place is named', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'm')] } })
    const refused = async (policy: Json, place: string) => {
      gateway.writeConfig({ model_list: [deployment('m', upstream, 'm')], routeiq: { access_policies: [policy] } })
      const answer = await api(gateway, 'POST', '/config/reload', {})
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(place)])
    }
    await refused({ name: 'x', effect: 'deny', roles: ['boss'] }, 'access_policies[0].roles')
    await refused({ name: 'x', effect: 'deny', modles: ['m'] }, 'modles')
    await configure(gateway, {
      model_list: [deployment('m', upstream, 'm')],
      routeiq: { access_policies: [{ name: 'x', effect: 'deny', models: ['m'] }] },
    })
    expect(told(await chat({ url: gateway.url, key: await newKey(gateway) }, 'm', 'hi'))).toEqual(denied)
    await gateway.stop()
    await upstream.close()
  })
})
