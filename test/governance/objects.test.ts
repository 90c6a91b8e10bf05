import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

describe('teams, users, organizations and what hangs on them', () => {
  let upstream: Upstream
  let gateway: Gateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: { model_list: [deployment('small', upstream, 'small'), deployment('large', upstream, 'large')] },
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  const status = async (key: string, model = 'small', extra: Json = {}) =>
    (await chat({ url: gateway.url, key }, model, 'hi', extra)).status
  const person = async (id: string, fields: Json = {}): Promise<string> =>
    String((await done(gateway, 'POST', '/user/new', { user_id: id, ...fields }))['key'])

  it('a team narrows its keys, and blocking it stops them', async () => {
    await done(gateway, 'POST', '/team/new', { team_id: 't1', team_alias: 'One', models: ['small'] })
    const key = await newKey(gateway, { team_id: 't1' })
    const all = await newKey(gateway, { team_id: 't1', models: ['all-team-models'] })
    const wide = await newKey(gateway, { team_id: 't1', models: ['large'] })
    expect([await status(key), await status(all), await status(wide)]).toEqual([200, 200, 403])
    expect([await status(key, 'large'), await status(all, 'large'), await status(wide, 'large')]).toEqual([
      403, 403, 403,
    ])
    await done(gateway, 'POST', '/team/model/add', { team_id: 't1', models: ['large'] })
    expect([await status(key, 'large'), await status(wide, 'large')]).toEqual([200, 200])
    await done(gateway, 'POST', '/team/block', { team_id: 't1' })
    expect(await status(key)).toBe(401)
    await done(gateway, 'POST', '/team/unblock', { team_id: 't1' })
    expect(await status(key)).toBe(200)
    const info = await done(gateway, 'GET', '/team/info?team_id=t1')
    expect(info).toMatchObject({ team_id: 't1', team_info: { team_alias: 'One', models: ['small', 'large'] } })
    expect((info['keys'] as unknown[]).length).toBe(3)
    await done(gateway, 'POST', '/team/delete', { team_ids: ['t1'] })
    expect(await status(key)).toBe(401)
    expect((await api(gateway, 'GET', '/team/info?team_id=t1')).status).toBe(404)
  })

  it('team admins run their team and no other; members only what the team lets them', async () => {
    const [boss, member, stranger] = [await person('boss'), await person('member'), await person('stranger')]
    await done(gateway, 'POST', '/team/new', {
      team_id: 't2',
      members_with_roles: [
        { role: 'admin', user_id: 'boss' },
        { role: 'user', user_id: 'member' },
      ],
    })
    await done(gateway, 'POST', '/team/new', { team_id: 't3' })
    const make = (key: string, team: string) => api(gateway, 'POST', '/key/generate', { team_id: team }, key)
    expect((await make(boss, 't2')).status).toBe(200)
    expect((await make(boss, 't3')).status).toBe(403)
    expect((await make(member, 't2')).status).toBe(403)
    await done(
      gateway,
      'POST',
      '/team/permissions_update',
      { team_id: 't2', team_member_permissions: ['/key/generate'] },
      boss,
    )
    expect((await make(member, 't2')).status).toBe(200)
    expect((await make(stranger, 't2')).status).toBe(403)
    await done(
      gateway,
      'POST',
      '/team/member_add',
      { team_id: 't2', member: { role: 'user', user_email: 'new@x.test' } },
      boss,
    )
    expect(
      (await api(gateway, 'POST', '/team/member_add', { team_id: 't2', member: { user_id: 'boss' } }, boss)).status,
    ).toBe(400)
    for (const [path, body] of [
      ['/team/member_add', { team_id: 't2', member: { user_id: 'stranger' } }],
      ['/team/update', { team_id: 't2', team_alias: 'mine' }],
      ['/team/member_delete', { team_id: 't2', user_id: 'boss' }],
      ['/team/delete', { team_ids: ['t2'] }],
    ] as const) {
      expect((await api(gateway, 'POST', path, body, member)).status, path).toBe(404)
      expect((await api(gateway, 'POST', path, body, stranger)).status, path).toBe(404)
    }
    expect((await api(gateway, 'GET', '/team/info?team_id=t2', undefined, member)).status).toBe(200)
    expect((await api(gateway, 'GET', '/team/info?team_id=t2', undefined, stranger)).status).toBe(404)
    expect((await api(gateway, 'POST', '/team/update', { team_id: 't2', max_budget: 1000 }, boss)).status).toBe(403)
    await done(gateway, 'POST', '/team/member_delete', { team_id: 't2', user_id: 'member' }, boss)
    expect((await make(member, 't2')).status).toBe(403)
  })

  it('users make keys for themselves, and nobody gives itself more', async () => {
    const key = await person('worker', { user_email: 'worker@x.test' })
    const own = await done(gateway, 'POST', '/key/generate', {}, key)
    expect(own['user_id']).toBe('worker')
    expect((await done(gateway, 'GET', '/key/list', undefined, key))['total_count']).toBe(2)
    for (const [path, body] of [
      ['/user/new', { user_id: 'x' }],
      ['/user/update', { user_id: 'worker', user_role: 'proxy_admin' }],
      ['/user/update', { user_id: 'worker', max_budget: 1e6 }],
      ['/team/new', { team_id: 'x' }],
      ['/organization/new', { organization_alias: 'x' }],
      ['/budget/new', { budget_id: 'x' }],
      ['/customer/block', { user_ids: ['x'] }],
      ['/key/generate', { allowed_routes: ['management_routes'] }],
      ['/key/generate', { spend: 0.5 }],
    ] as const) {
      const refused = await api(gateway, 'POST', path, body, key)
      expect([403, 404], `${path} ${refused.text}`).toContain(refused.status)
    }
    expect((await done(gateway, 'GET', '/user/info', undefined, key))['user_id']).toBe('worker')
    expect((await api(gateway, 'GET', '/user/info?user_id=boss', undefined, key)).status).toBe(404)
    expect((await done(gateway, 'GET', '/user/list', undefined, key))['total']).toBe(1)
    expect((await api(gateway, 'POST', '/user/new', { user_id: 'worker' })).status).toBe(400)
    expect((await api(gateway, 'POST', '/user/new', { user_email: 'worker@x.test' })).status).toBe(400)
    await done(gateway, 'POST', '/user/update', { user_id: 'worker', blocked: true })
    expect(await status(key)).toBe(401)
    await done(gateway, 'POST', '/user/delete', { user_ids: ['worker'] })
    expect(await status(String(own['key']))).toBe(401)
  })

  it('viewers read everything and change nothing', async () => {
    const key = await person('auditor', { user_role: 'proxy_admin_viewer' })
    for (const path of [
      '/key/list',
      '/user/list',
      '/v2/team/list',
      '/organization/list',
      '/budget/list',
      '/customer/list',
    ]) {
      expect((await api(gateway, 'GET', path, undefined, key)).status, path).toBe(200)
    }
    for (const path of ['/key/generate', '/user/new', '/team/new', '/budget/new', '/config/reload']) {
      expect((await api(gateway, 'POST', path, {}, key)).status, path).toBe(403)
    }
  })

  it('organization admins manage teams, people and keys of theirs alone', async () => {
    await done(gateway, 'POST', '/organization/new', {
      organization_id: 'o1',
      organization_alias: 'One',
      models: ['small'],
    })
    await done(gateway, 'POST', '/organization/new', { organization_id: 'o2', organization_alias: 'Two' })
    const chief = await person('chief')
    await done(gateway, 'POST', '/organization/member_add', {
      organization_id: 'o1',
      member: { user_id: 'chief', role: 'org_admin' },
    })
    await done(gateway, 'POST', '/team/new', { team_id: 'o1-team', organization_id: 'o1' }, chief)
    expect((await api(gateway, 'POST', '/team/new', { team_id: 'o2-team', organization_id: 'o2' }, chief)).status).toBe(
      403,
    )
    const key = String((await done(gateway, 'POST', '/key/generate', { team_id: 'o1-team' }, chief))['key'])
    expect([await status(key), await status(key, 'large')]).toEqual([200, 403])
    await done(gateway, 'POST', '/user/new', { user_id: 'o1-person', organizations: ['o1'] }, chief)
    expect(
      (await api(gateway, 'POST', '/user/new', { user_id: 'o2-person', organizations: ['o2'] }, chief)).status,
    ).toBe(403)
    expect(
      (
        await api(
          gateway,
          'POST',
          '/user/new',
          { user_id: 'o1-root', organizations: ['o1'], user_role: 'proxy_admin' },
          chief,
        )
      ).status,
    ).toBe(403)
    expect((await api(gateway, 'GET', '/organization/info?organization_id=o2', undefined, chief)).status).toBe(404)
    expect(
      (await api(gateway, 'PATCH', '/organization/update', { organization_id: 'o1', max_budget: 1e6 }, chief)).status,
    ).toBe(403)
    expect((await api(gateway, 'DELETE', '/organization/delete', { organization_ids: ['o1'] })).status).toBe(409)
    expect((await done(gateway, 'GET', '/organization/info?organization_id=o1', undefined, chief))['teams']).toEqual([
      { team_id: 'o1-team', team_alias: null },
    ])
  })

  it('projects, customers, budgets, tags and access groups are kept, changed and deleted', async () => {
    await done(gateway, 'POST', '/team/new', { team_id: 't4' })
    await done(gateway, 'POST', '/project/new', { project_id: 'p1', team_id: 't4', models: ['small'] })
    const key = await newKey(gateway, { team_id: 't4', project_id: 'p1' })
    expect([await status(key), await status(key, 'large')]).toEqual([200, 403])
    await done(gateway, 'POST', '/project/update', { project_id: 'p1', blocked: true })
    expect(await status(key)).toBe(401)
    await done(gateway, 'DELETE', '/project/delete', { project_ids: ['p1'] })

    await done(gateway, 'POST', '/budget/new', { budget_id: 'tier', max_budget: 5, budget_duration: '30d' })
    expect(await done(gateway, 'POST', '/budget/info', { budgets: ['tier'] })).toMatchObject([
      { budget_id: 'tier', max_budget: 5 },
    ])
    await done(gateway, 'POST', '/customer/new', { user_id: 'c1', budget_id: 'tier', alias: 'Customer' })
    expect(await done(gateway, 'GET', '/customer/info?end_user_id=c1')).toMatchObject({
      alias: 'Customer',
      budget_id: 'tier',
    })
    expect((await api(gateway, 'GET', '/end_user/info?end_user_id=nobody')).status).toBe(404)
    await done(gateway, 'POST', '/end_user/delete', { user_ids: ['c1'] })
    await done(gateway, 'POST', '/budget/delete', { id: 'tier' })

    await done(gateway, 'POST', '/tag/new', { name: 'red', description: 'colour' })
    expect(await done(gateway, 'POST', '/tag/info', { names: ['red'] })).toMatchObject({
      red: { description: 'colour' },
    })
    await done(gateway, 'POST', '/tag/delete', { name: 'red' })

    const group = await done(gateway, 'POST', '/v1/access_group', {
      access_group_name: 'g',
      access_model_names: ['small'],
    })
    const id = String(group['access_group_id'])
    const granted = await newKey(gateway, { access_group_ids: [id] })
    expect([await status(granted), await status(granted, 'large')]).toEqual([200, 403])
    await done(gateway, 'PUT', `/v1/access_group/${id}`, { access_model_names: ['large'] })
    expect([await status(granted), await status(granted, 'large')]).toEqual([403, 200])
    expect((await api(gateway, 'POST', '/v1/access_group', { access_group_name: 'g' })).status).toBe(409)
    await done(gateway, 'DELETE', `/v1/access_group/${id}`)
  })

  it('the OpenAPI document describes it all, and /docs shows it', async () => {
    const document = await done({ url: gateway.url, key: '' }, 'GET', '/openapi.json')
    const paths = document['paths'] as Record<string, Record<string, { requestBody?: Json; 'x-permission': string }>>
    expect(Object.keys(paths).length).toBeGreaterThan(100)
    const generate = paths['/key/generate']?.['post']
    expect(generate).toMatchObject({ 'x-permission': 'self' })
    expect(JSON.stringify(generate?.requestBody)).toContain('max_budget')
    const page = await api({ url: gateway.url, key: '' }, 'GET', '/docs')
    expect(page.headers['content-security-policy']).toMatch(/script-src 'sha256-/)
  })
})
