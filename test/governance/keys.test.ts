import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { api, done, newKey } from './setup.ts'

describe('virtual keys', () => {
  let upstream: Upstream
  let gateway: Gateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: {
        model_list: [
          deployment('small', upstream, 'small', {}, { access_groups: ['cheap'] }),
          deployment('large', upstream, 'large'),
          deployment('team/a', upstream, 'team-a'),
        ],
        litellm_settings: { upperbound_key_generate_params: { max_budget: 100 } },
      },
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  const ask = (key: string, model = 'small') => chat({ url: gateway.url, key }, model, 'hi')

  it('opens the door with every carrier, and is shown in clear only once', async () => {
    const made = await done(gateway, 'POST', '/key/generate', { key_alias: 'first', metadata: { team: 'x' } })
    const key = String(made['key'])
    expect(made).toMatchObject({ key_name: `sk-...${key.slice(-4)}`, key_alias: 'first', max_budget: 100, spend: 0 })
    expect((await ask(key)).status).toBe(200)
    for (const header of ['x-litellm-api-key', 'api-key', 'x-api-key', 'x-goog-api-key']) {
      const answer = await send(`${gateway.url}/v1/models`, { headers: { [header]: key } })
      expect(answer.status, header).toBe(200)
    }
    const info = await done(gateway, 'GET', `/key/info?key=${key}`)
    expect(info['info']).toMatchObject({ token: made['token'], metadata: { team: 'x' } })
    expect(JSON.stringify((info as { info: object }).info)).not.toContain(key)
    expect(gateway.logs()).not.toContain(key)
  })

  it('may use the models it was granted: by name, wildcard, access group and alias', async () => {
    const key = await newKey(gateway, { models: ['cheap', 'team/*'], aliases: { mine: 'team/a', out: 'large' } })
    expect((await ask(key, 'small')).status).toBe(200)
    expect((await ask(key, 'team/a')).status).toBe(200)
    expect((await ask(key, 'mine')).headers['x-litellm-model-id']).toBe('team-a')
    for (const model of ['large', 'out']) {
      const refused = await ask(key, model)
      expect([refused.status, refused.json?.['error']]).toMatchObject([403, { code: 'model_access_denied' }])
    }
    const listed = await done(gateway, 'GET', '/v1/models', undefined, key)
    expect((listed['data'] as { id: string }[]).map(({ id }) => id)).toEqual(['small', 'team/a', 'mine'])
    expect((await api(gateway, 'GET', '/v1/models/large', undefined, key)).status).toBe(404)
  })

  it('is refused after it was blocked, deleted or has expired, at once', async () => {
    const key = await newKey(gateway)
    expect((await ask(key)).status).toBe(200)
    await done(gateway, 'POST', '/key/block', { key })
    const blocked = await ask(key)
    expect([blocked.status, blocked.json?.['error']]).toMatchObject([401, { code: 'key_blocked' }])
    await done(gateway, 'POST', '/key/unblock', { key })
    expect((await ask(key)).status).toBe(200)
    await done(gateway, 'POST', '/key/delete', { keys: [key] })
    expect((await ask(key)).status).toBe(401)
    const brief = await newKey(gateway, { duration: '1s' })
    expect((await ask(brief)).status).toBe(200)
    await new Promise(resolve => setTimeout(resolve, 1100))
    expect((await ask(brief)).json?.['error']).toMatchObject({ code: 'expired_key' })
  })

  it('is replaced, and the old one works for its grace period', async () => {
    const key = await newKey(gateway, { key_alias: 'rotating', models: ['small'] })
    const next = await done(gateway, 'POST', `/key/${key}/regenerate`, { grace_period: '2s' })
    expect(next).toMatchObject({ key_alias: 'rotating', models: ['small'], rotation_count: 1 })
    expect((await ask(String(next['key']))).status).toBe(200)
    expect((await ask(key)).status).toBe(200)
    expect((await ask(key, 'large')).status).toBe(403)
    const last = await done(gateway, 'POST', '/key/regenerate', { key: next['key'] })
    expect((await ask(String(next['key']))).status).toBe(401)
    expect((await ask(String(last['key']))).status).toBe(200)
    expect((await ask(key)).status, 'two steps back, still in grace').toBe(200)
  })

  it('changes with /key/update; null clears; what is unknown is said', async () => {
    const key = await newKey(gateway, { models: ['small'], tpm_limit: 5000, metadata: { a: 1 } })
    const answer = await api(gateway, 'POST', '/key/update', { key, models: ['large'], tpm_limit: null, colour: 'red' })
    expect(answer.headers['x-routeiq-ignored-fields']).toBe('colour')
    expect(answer.json).toMatchObject({ models: ['large'], tpm_limit: null, metadata: { a: 1 } })
    expect([(await ask(key, 'large')).status, (await ask(key, 'small')).status]).toEqual([200, 403])
  })

  it('is listed, filtered and paged', async () => {
    for (let n = 0; n < 3; n++) await newKey(gateway, { key_alias: `list-${n}`, user_id: 'lister' })
    const page = await done(
      gateway,
      'GET',
      '/key/list?user_id=lister&size=2&return_full_object=true&sort_by=key_alias&sort_order=asc',
    )
    expect(page).toMatchObject({ total_count: 3, total_pages: 2, current_page: 1 })
    expect((page['keys'] as { key_alias: string }[]).map(key => key.key_alias)).toEqual(['list-0', 'list-1'])
    const aliases = await done(gateway, 'GET', '/key/aliases?search=list-')
    expect(aliases['aliases']).toEqual(['list-0', 'list-1', 'list-2'])
  })

  it('bad fields are refused by name, and nothing is made', async () => {
    const before = (await done(gateway, 'GET', '/key/list'))['total_count']
    const cases: [Record<string, unknown>, string][] = [
      [{ max_budget: -1 }, 'max_budget'],
      [{ max_budget: 101 }, 'max_budget'],
      [{ duration: 'soon' }, 'duration'],
      [{ budget_duration: '1 fortnight' }, 'budget_duration'],
      [{ models: 'gpt-4o' }, 'models'],
      [{ key: 'no-prefix-here' }, 'key'],
      [{ key_alias: 'first' }, 'key_alias'],
      [{ key_type: 'root' }, 'key_type'],
    ]
    for (const [body, param] of cases) {
      const refused = await api(gateway, 'POST', '/key/generate', body)
      expect([refused.status, refused.json?.['error']], JSON.stringify(body)).toMatchObject([400, { param }])
    }
    expect((await done(gateway, 'GET', '/key/list'))['total_count']).toBe(before)
  })

  it('a key manages nothing by itself, and sees only itself', async () => {
    const [own, other] = [await newKey(gateway), await newKey(gateway)]
    for (const [path, body] of [
      ['/key/update', { key: other, max_budget: 5 }],
      ['/key/block', { key: other }],
      ['/key/delete', { keys: [other] }],
      ['/key/regenerate', { key: other }],
    ] as const) {
      expect((await api(gateway, 'POST', path, body, own)).status, path).toBe(404)
    }
    expect((await api(gateway, 'POST', '/key/generate', { user_id: 'somebody' }, own)).status).toBe(403)
    expect((await api(gateway, 'POST', '/key/update', { key: own, max_budget: 99 }, own)).status).toBe(404)
    expect((await api(gateway, 'GET', `/key/info?key=${other}`, undefined, own)).status).toBe(404)
    expect((await done(gateway, 'GET', '/key/info', undefined, own))['info']).toMatchObject({
      key_name: `sk-...${own.slice(-4)}`,
    })
    expect((await done(gateway, 'GET', '/key/list', undefined, own))['total_count']).toBe(1)
    expect((await api(gateway, 'POST', '/config/reload', {}, own)).status).toBe(403)
  })

  it('allowed_routes and key types narrow what it may call', async () => {
    const llm = await newKey(gateway, { key_type: 'llm_api' })
    const info = await newKey(gateway, { key_type: 'read_only' })
    const one = await newKey(gateway, { allowed_routes: ['/v1/embeddings'] })
    expect((await ask(llm)).status).toBe(200)
    expect((await api(gateway, 'GET', '/key/info', undefined, llm)).status).toBe(403)
    expect((await api(gateway, 'GET', '/key/info', undefined, info)).status).toBe(200)
    expect((await ask(info)).status).toBe(403)
    expect((await ask(one)).status).toBe(403)
  })
})

it('keys outlive the process', async () => {
  const upstream = await startUpstream()
  const config = { model_list: [deployment('small', upstream, 'small')] }
  const data = mkdtempSync(join(tmpdir(), 'routeiq-data-'))
  const env = { ROUTEIQ_DATA_DIR: data }
  const second = await startGateway({ config, env })
  const key = await newKey(second)
  await second.stop()
  const third = await startGateway({ config, env })
  expect((await chat({ url: third.url, key }, 'small', 'hi')).status).toBe(200)
  await third.stop()
  await upstream.close()
  rmSync(data, { recursive: true })
})
