import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

/** A call as LiteLLM's documentation writes it, and what of the answer its readers rely on. */
type Documented = readonly [
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
  path: string,
  body?: Json,
  answer?: Json,
]

const calls: readonly Documented[] = [
  // Organizations, teams and people: access control, multi-tenant set-up, self-serve.
  [
    'POST',
    '/organization/new',
    { organization_id: 'o1', organization_alias: 'marketing', models: ['gpt-4'], max_budget: 20 },
  ],
  // Somebody who was never seen becomes a user.
  [
    'POST',
    '/organization/member_add',
    { organization_id: 'o1', member: { role: 'org_admin', user_id: 'ishaan@example.com' } },
  ],
  ['POST', '/team/new', { team_id: 't1', team_alias: 'engineering', organization_id: 'o1' }, { organization_id: 'o1' }],
  ['POST', '/team/member_add', { team_id: 't1', member: { role: 'admin', user_id: 'john@example.com' } }],
  [
    'POST',
    '/team/member_add',
    { team_id: 't1', max_budget_in_team: 1e-12, member: [{ role: 'user', user_id: 'kay' }] },
  ],
  ['POST', '/key/generate', { user_id: 'kay', team_id: 't1' }, { team_id: 't1' }],
  ['POST', '/team/update', { team_id: 't1', max_budget: 100, rpm_limit: 1000 }],
  ['PATCH', '/team/update', { team_id: 't1', metadata: { model_config: { defaultconfig: { azure: {} } } } }],
  ['PATCH', '/team/t1', { team_alias: 'engineering' }],
  ['POST', '/team/update', { team_id: 't1', team_member_permissions: ['/key/info', '/key/generate', '/key/update'] }],
  ['GET', '/team/permissions_list?team_id=t1'],
  [
    'POST',
    '/team/permissions_bulk_update',
    { permissions: ['/key/delete'], apply_to_all_teams: true },
    { permissions_appended: ['/key/delete'] },
  ],
  ['POST', '/team/permissions_bulk_update', { permissions: ['/key/delete'], team_ids: ['t1'] }, { teams_updated: 0 }],
  ['POST', '/team/block', { team_id: 't1' }],
  ['POST', '/team/unblock', { team_id: 't1' }],
  [
    'POST',
    '/team/new',
    { team_alias: 'app', members_with_roles: [{ role: 'admin', user_id: '5c4a' }], budget_duration: '30s' },
  ],
  ['POST', '/team/new', { team_id: 'p1', max_parallel_requests: 10, tpm_limit: 20, rpm_limit: 4 }],
  ['POST', '/team/new', { model_rpm_limit: { 'gpt-4': 100 }, model_tpm_limit: { 'gpt-4': 10000 } }],
  ['POST', '/team/new', { team_alias: 'eu', model_aliases: { 'gpt-3.5-turbo': 'gpt-3.5-turbo-eu' } }],
  ['POST', '/team/new', { metadata: { tags: ['team-engineering'] } }],
  ['POST', '/user/new', { user_email: 'krrish@example.com' }],
  [
    'POST',
    '/user/new',
    { user_id: 'u1', user_role: 'internal_user', models: ['gpt-4'], max_budget: '0' },
    { max_budget: 0 },
  ],
  ['POST', '/user/new', { user_id: 'u2', team_id: 't1', max_budget: 10, budget_duration: '30s' }, { teams: ['t1'] }],
  [
    'POST',
    '/user/new',
    { user_id: 'u3', teams: ['p1', { team_id: 't1', user_role: 'admin', max_budget_in_team: 5 }] },
    { teams: ['p1', 't1'] },
  ],
  ['GET', '/user/info?user_id=u3', undefined, { user_info: { teams: ['p1', 't1'] } }],
  // Keys.
  ['POST', '/key/generate', {}],
  ['POST', '/key/generate', { models: ['gpt-3.5-turbo', 'gpt-4'], metadata: { user: 'ishaan@example.com' } }],
  ['POST', '/key/generate', { models: ['free'], aliases: { 'gpt-3.5-turbo': 'free' }, duration: '30min' }],
  ['POST', '/key/generate', { key_alias: 'prod-app1', team_id: 't1', soft_budget: 0.001 }, { soft_budget: 0.001 }],
  ['POST', '/key/generate', { key: 'sk-documented-key', user_id: 'u1', max_budget: 100, budget_duration: '30d' }],
  ['POST', '/key/generate', { max_parallel_requests: 10, tpm_limit: 20, rpm_limit: 4 }],
  ['POST', '/key/generate', { model_rpm_limit: { 'gpt-4': 2 }, model_tpm_limit: { 'gpt-4': 100 } }],
  ['POST', '/key/generate', { model_max_budget: { 'gpt-4': { budget_limit: '0.0000001', time_period: '1d' } } }],
  [
    'POST',
    '/key/generate',
    {
      budget_limits: [
        { budget_duration: '24h', max_budget: 10 },
        { budget_duration: '30d', max_budget: 100 },
      ],
    },
  ],
  ['POST', '/key/generate', { metadata: { priority: 'prod', tags: ['team-a', 'production'] } }],
  ['POST', '/key/generate', { models: ['gpt-4'], auto_rotate: true, rotation_interval: '30d' }, { auto_rotate: true }],
  ['POST', '/key/service-account/generate', { team_id: 't1', key_alias: 'ci' }],
  ['POST', '/key/update', { key: 'sk-documented-key', models: ['gpt-4'], max_budget: 5 }],
  ['POST', '/key/update', { key: 'sk-documented-key', temp_budget_increase: 100, temp_budget_expiry: '10d' }],
  ['POST', '/key/update', { key: 'sk-documented-key', auto_rotate: true, rotation_interval: '90d' }],
  ['GET', '/key/info?key=sk-documented-key', undefined, { info: { temp_budget_increase: 100, user_id: 'u1' } }],
  ['POST', '/key/block', { key: 'sk-documented-key' }],
  ['POST', '/key/unblock', { key: 'sk-documented-key' }],
  ['POST', '/key/sk-documented-key/regenerate', { max_budget: 100, models: ['gpt-4'], grace_period: '48h' }],
  ['POST', '/key/health', undefined, { key: 'healthy', logging_callbacks: null }],
  // Customers, budgets, tags, projects.
  ['POST', '/budget/new', { budget_id: 'free-tier', tpm_limit: 5, max_budget: 10 }],
  ['POST', '/key/generate', { budget_id: 'free-tier' }],
  ['POST', '/customer/new', { user_id: 'c1', max_budget: '0' }],
  [
    'POST',
    '/customer/new',
    { user_id: 'c2', budget_id: 'free-tier', object_permission: { agents: ['a1'], mcp_servers: ['s1'] } },
  ],
  ['POST', '/customer/update', { user_id: 'c2', object_permission: { agents: [] } }],
  ['GET', '/customer/info?end_user_id=c2'],
  ['POST', '/tag/new', { name: 'engineering', description: 'cost center', max_budget: 500.0, budget_duration: '30d' }],
  ['POST', '/tag/info', { names: ['engineering'] }],
  ['POST', '/tag/delete', { name: 'engineering' }],
  [
    'POST',
    '/project/new',
    { project_id: 'pr1', project_alias: 'search', team_id: 't1', models: ['gpt-4'], max_budget: 100 },
  ],
  ['POST', '/key/generate', { models: ['gpt-4'], team_id: 't1', project_id: 'pr1' }, { project_id: 'pr1' }],
  [
    'POST',
    '/project/update',
    { project_id: 'pr1', max_budget: 200, tpm_limit: 200000, metadata: { status: 'production' } },
  ],
  ['PATCH', '/project/update', { project_id: 'pr1', metadata: { model_config: {} } }],
  ['DELETE', '/project/delete', { project_ids: ['pr1'] }],
  // Access groups, credentials, fallbacks, settings.
  ['POST', '/access_group/new', { access_group: 'production-models', model_names: ['gpt-4'] }],
  ['GET', '/access_group/production-models/info'],
  ['POST', '/credentials', { credential_name: 'hotel', credential_values: { api_key: 'sk-x' }, credential_info: {} }],
  ['GET', '/credentials/by_model/file-model', undefined, { credential_values: { api_key: '[redacted]' } }],
  ['GET', '/provider/budgets', undefined, { providers: { openai: { budget_limit: 50, time_period: '1d', spend: 0 } } }],
  ['PATCH', '/update/internal_user_settings', { max_budget: 3, teams: [{ team_id: 'p1' }] }, { status: 'success' }],
  ['GET', '/get/internal_user_settings', undefined, { values: { max_budget: 3 } }],
  ['POST', '/user/new', { user_id: 'defaulted' }, { max_budget: 3, teams: ['p1'] }],
  ['PATCH', '/update/default_team_settings', { max_budget: 7 }, { settings: { max_budget: 7 } }],
  ['POST', '/team/new', { team_id: 'defaulted' }, { max_budget: 7 }],
]

describe('management calls as LiteLLM’s documentation shows them', () => {
  let upstream: Upstream
  let gateway: Gateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: {
        model_list: [deployment('gpt-4', upstream, 'gpt-4', {}, { id: 'file-model' })],
        router_settings: { provider_budget_config: { openai: { budget_limit: 50, time_period: '1d' } } },
      },
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })

  it('work, one after the other, and no field of theirs is ignored', async () => {
    for (const [method, path, body, expected] of calls) {
      const answer = await api(gateway, method, path, body)
      const what = `${method} ${path} ${JSON.stringify(body)}`
      expect(answer.status, `${what}: ${answer.text}`).toBe(200)
      expect(answer.headers['x-routeiq-ignored-fields'], what).toBeUndefined()
      if (expected !== undefined) expect(answer.json, what).toMatchObject(expected)
    }
  })

  it('lead to keys that work for whom they are', async () => {
    const { key } = await done(gateway, 'POST', '/user/new', { user_id: 'u4', team_id: 'p1' })
    expect((await done(gateway, 'GET', `/key/info?key=${key}`))['info']).toMatchObject({ team_id: 'p1' })
    expect((await chat({ url: gateway.url, key: String(key) }, 'gpt-4', 'hi')).status).toBe(200)
    const strange = await newKey(gateway, { metadata: { logging: [{ callback_name: 'langfuse' }] } })
    expect(await done(gateway, 'POST', '/key/health', undefined, strange)).toMatchObject({
      key: 'unhealthy',
      logging_callbacks: { callbacks: ['langfuse'] },
    })
  })

  it('say what is wrong where something is', async () => {
    const cases: [Documented, number, RegExp][] = [
      [
        ['POST', '/key/regenerate', { key: 'sk-1234', new_master_key: 'sk-new' }],
        400,
        /master key is not changed here/,
      ],
      [['POST', '/user/new', { teams: ['nowhere'] }], 404, /team 'nowhere'/],
      [['POST', '/user/new', { teams: [{ id: 'p1' }] }], 400, /'teams' must name/],
      [['POST', '/key/generate', { temp_budget_increase: 1, temp_budget_expiry: 'soon' }], 400, /length from now/],
      [['POST', '/key/generate', { max_budget: 'much' }], 400, /max_budget/],
      [['POST', '/team/permissions_bulk_update', { permissions: ['/key/delete'] }], 400, /team_ids or apply_to_all/],
      [['POST', '/team/permissions_bulk_update', { permissions: ['/key/delete'], team_ids: ['x'] }], 404, /team 'x'/],
      [['GET', '/credentials/by_model/nothing'], 404, /deployment 'nothing'/],
    ]
    for (const [[method, path, body], status, message] of cases) {
      const answer = await api(gateway, method, path, body)
      expect([answer.status, answer.text], path).toEqual([status, expect.stringMatching(message)])
    }
  })
})
