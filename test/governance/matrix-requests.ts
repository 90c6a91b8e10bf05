import type { Json } from '../upstream/types.ts'

/** Objects of one tenant, by the names requests use. */
export interface Tenant {
  readonly organization: string
  readonly team: string
  readonly user: string
  /** A second member of the organization and team. */
  readonly other: string
  /** SHA-256 of the user's key, and of a key of the team. */
  readonly key: string
  readonly teamKey: string
  readonly keyAlias: string
  readonly project: string
  /** Id of a call that the user's key made. */
  readonly call: string
  readonly customer: string
  readonly tag: string
  readonly session: string
  readonly agent: string
}

export interface Aimed {
  /** Values of `{name}` in the path. */
  readonly path?: Record<string, string>
  readonly query?: Record<string, string>
  readonly body?: Json
  /**
   * `refused`: 403 or 404. `nothing`: an answer without anything of the tenant's, as lists give that are narrowed to the
   * caller. Default: refused.
   */
  readonly outsider?: 'refused' | 'nothing'
}

const day = (ago: number): string => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10)
const period = { start_date: day(30), end_date: day(-1) }
const list =
  (query: Record<string, string> = {}): ((t: Tenant) => Aimed) =>
  () => ({ query, outsider: 'nothing' })
const report =
  (filter: (t: Tenant) => Record<string, string> = () => ({})) =>
  (t: Tenant): Aimed => ({
    query: { ...period, ...filter(t) },
    outsider: 'nothing',
  })
const post =
  (body: (t: Tenant) => Json, outsider: Aimed['outsider'] = 'refused') =>
  (t: Tenant): Aimed => ({ body: body(t), outsider })
const inQuery =
  (query: (t: Tenant) => Record<string, string>) =>
  (t: Tenant): Aimed => ({ query: query(t) })

const team = { path: (t: Tenant) => ({ team_id: t.team }) }
const activity = (prefix: string, filter: (t: Tenant) => Record<string, string>) => ({
  [`GET ${prefix}/daily/activity`]: report(filter),
  [`GET ${prefix}/daily/activity/aggregated`]: report(filter),
})

/**
 * For every route that callers use on their own objects (`x-permission: self`): the request that reaches for somebody
 * else's. The matrix fails for a route that is not here, so a new one cannot be forgotten.
 */
export const reachingForForeign: Readonly<Record<string, (t: Tenant) => Aimed>> = {
  // Keys
  'POST /key/generate': post(t => ({ team_id: t.team })),
  'POST /key/service-account/generate': post(t => ({ team_id: t.team, key_alias: `svc-${t.team}` })),
  'POST /key/update': post(t => ({ key: t.key, key_alias: `stolen-${t.team}` })),
  'POST /key/bulk_update': post(t => ({ keys: [{ key: t.key, max_budget: 9 }] }), 'nothing'),
  'POST /team/key/bulk_update': post(t => ({ keys: [{ key: t.teamKey, max_budget: 9 }] }), 'nothing'),
  'POST /key/delete': post(t => ({ keys: [t.key] })),
  'POST /key/regenerate': post(t => ({ key: t.key })),
  'POST /key/{key}/regenerate': t => ({ path: { key: t.key }, body: {} }),
  'POST /key/{key}/reset_spend': t => ({ path: { key: t.key }, body: { reset_to: 0 } }),
  'POST /key/block': post(t => ({ key: t.key })),
  'POST /key/unblock': post(t => ({ key: t.key })),
  'POST /key/health': post(() => ({}), 'nothing'),
  'GET /key/info': inQuery(t => ({ key: t.key })),
  'POST /v2/key/info': post(t => ({ keys: [t.key, t.teamKey] }), 'nothing'),
  'GET /key/list': t => ({ query: { team_id: t.team, return_full_object: 'true' }, outsider: 'nothing' }),
  'GET /key/aliases': list(),
  'GET /key/spend/report': report(t => ({ api_key: t.key })),
  // Teams
  'POST /team/new': post(t => ({ organization_id: t.organization })),
  'POST /team/update': post(t => ({ team_id: t.team, team_alias: 'stolen' })),
  'PATCH /team/update': t => ({ body: { team_id: t.team, team_alias: 'stolen' } }),
  'PATCH /team/{team_id}': t => ({ path: team.path(t), body: { team_alias: 'stolen' } }),
  'POST /team/delete': post(t => ({ team_ids: [t.team] })),
  'POST /team/block': post(t => ({ team_id: t.team })),
  'POST /team/unblock': post(t => ({ team_id: t.team })),
  'POST /team/member_add': post(t => ({ team_id: t.team, member: { user_id: `new-${t.team}`, role: 'admin' } })),
  'POST /team/bulk_member_add': post(t => ({
    team_id: t.team,
    members: [{ user_id: `bulk-${t.team}`, role: 'user' }],
  })),
  'POST /team/member_update': post(t => ({ team_id: t.team, user_id: t.other, role: 'admin' })),
  'POST /team/member_delete': post(t => ({ team_id: t.team, user_id: t.other })),
  'POST /team/{team_id}/member/{user_id}/reset_spend': t => ({
    path: { team_id: t.team, user_id: t.other },
    body: { reset_to: 0 },
  }),
  'GET /team/{team_id}/members/me': t => ({ path: team.path(t) }),
  'POST /team/model/add': post(t => ({ team_id: t.team, models: ['large'] })),
  'POST /team/model/delete': post(t => ({ team_id: t.team, models: ['small'] })),
  'POST /team/permissions_update': post(t => ({ team_id: t.team, team_member_permissions: ['/key/generate'] })),
  'GET /team/permissions_list': inQuery(t => ({ team_id: t.team })),
  'GET /team/info': inQuery(t => ({ team_id: t.team })),
  'GET /team/list': t => ({ query: { team_id: t.team }, outsider: 'nothing' }),
  'GET /v2/team/list': t => ({ query: { organization_id: t.organization }, outsider: 'nothing' }),
  'GET /team/filter/ui': t => ({ query: { team_id: t.team }, outsider: 'nothing' }),
  'GET /team/available': list(),
  'GET /team/spend/by_user': report(t => ({ team_ids: t.team })),
  'GET /team/spend/report': report(t => ({ team_id: t.team })),
  ...activity('/team', t => ({ team_ids: t.team })),
  // People
  'POST /user/new': post(t => ({ user_id: `new-of-${t.organization}`, organizations: [t.organization] })),
  'POST /user/update': post(t => ({ user_id: t.user, user_alias: 'stolen' })),
  'POST /user/bulk_update': post(t => ({ users: [{ user_id: t.user, user_alias: 'stolen' }] }), 'nothing'),
  'POST /user/delete': post(t => ({ user_ids: [t.other] })),
  'GET /user/info': inQuery(t => ({ user_id: t.user })),
  'GET /v2/user/info': inQuery(t => ({ user_id: t.user })),
  'GET /user/list': t => ({ query: { user_ids: t.user }, outsider: 'nothing' }),
  'GET /user/filter/ui': t => ({ query: { team: t.team }, outsider: 'nothing' }),
  'GET /user/available_roles': list(),
  'GET /user/spend/report': report(t => ({ user_id: t.user })),
  ...activity('/user', t => ({ user_id: t.user })),
  // Organizations
  'POST /organization/new': post(t => ({ organization_alias: `made-${t.organization}` })),
  'PATCH /organization/update': t => ({ body: { organization_id: t.organization, organization_alias: 'stolen' } }),
  'PATCH /v2/organization/{organization_id}': t => ({
    path: { organization_id: t.organization },
    body: { organization_alias: 'stolen' },
  }),
  'DELETE /organization/delete': post(t => ({ organization_ids: [t.organization] })),
  'POST /organization/member_add': post(t => ({
    organization_id: t.organization,
    member: { user_id: 'm-joiner', role: 'org_admin' },
  })),
  'PATCH /organization/member_update': post(t => ({
    organization_id: t.organization,
    user_id: t.other,
    role: 'org_admin',
  })),
  'DELETE /organization/member_delete': post(t => ({ organization_id: t.organization, user_id: t.other })),
  'GET /organization/info': inQuery(t => ({ organization_id: t.organization })),
  'POST /organization/info': post(t => ({ organizations: [t.organization] }), 'nothing'),
  'GET /organization/list': list(),
  'GET /organization/spend/report': report(t => ({ organization_id: t.organization })),
  ...activity('/organization', t => ({ organization_ids: t.organization })),
  // Projects
  'POST /project/new': post(t => ({ team_id: t.team, project_id: `made-${t.team}` })),
  'POST /project/update': post(t => ({ project_id: t.project, project_alias: 'stolen' })),
  'PATCH /project/update': t => ({ body: { project_id: t.project, project_alias: 'stolen' } }),
  'DELETE /project/delete': post(t => ({ project_ids: [t.project] })),
  'GET /project/info': inQuery(t => ({ project_id: t.project })),
  'GET /project/list': list(),
  // Spend
  ...activity('/customer', t => ({ end_user_ids: t.customer })),
  ...activity('/end_user', t => ({ end_user_ids: t.customer })),
  ...activity('/tag', t => ({ tags: t.tag })),
  ...activity('/agent', t => ({ agent_ids: t.agent })),
  'GET /spend/keys': list(),
  'GET /spend/users': t => ({ query: { user_id: t.user }, outsider: 'nothing' }),
  'GET /spend/tags': report(),
  'GET /spend/logs': t => ({ query: { request_id: t.call }, outsider: 'nothing' }),
  'GET /spend/logs/v2': report(t => ({ user_id: t.user })),
  'GET /spend/logs/ui': report(t => ({ api_key: t.key })),
  'GET /spend/logs/ui/{request_id}': t => ({ path: { request_id: t.call } }),
  'GET /spend/logs/session/ui': t => ({ query: { session_id: t.session }, outsider: 'nothing' }),
  'GET /global/spend': list(),
  'GET /global/spend/all_tag_names': list(),
  'GET /global/spend/keys': report(),
  'GET /global/spend/logs': report(t => ({ api_key: t.key })),
  'GET /global/spend/models': report(),
  'GET /global/spend/provider': report(),
  'GET /global/spend/report': report(t => ({ group_by: 'team', team_id: t.team })),
  'GET /global/spend/tags': report(t => ({ tags: t.tag })),
  'GET /global/spend/teams': report(),
  'GET /global/activity': report(),
  'GET /global/activity/model': report(),
  'GET /global/activity/cache_hits': report(),
  // Of the caller alone
  'POST /cost/estimate': post(() => ({ model: 'small', input_tokens: 1, output_tokens: 1 }), 'nothing'),
  'POST /spend/calculate': post(() => ({ model: 'small', messages: [{ role: 'user', content: 'hi' }] }), 'nothing'),
  'GET /v1/routeiq/session': list(),
}

const messages = [{ role: 'user', content: 'hi' }]
const chat = { body: { model: 'large', messages, max_tokens: 5 } }
const inPath = (operation: string) => ({ path: { path: `large/${operation}` }, body: { messages } })
const reads = { outsider: 'nothing' } as const

/** The same for calls: what a key that may only use `small` sends to get at `large`, or at a foreign call. */
export const reachingForModels: Readonly<Record<string, (t: Tenant) => Aimed>> = {
  ...Object.fromEntries(
    ['', '/v1', '/openai/v1'].flatMap(prefix => [
      [`POST ${prefix}/chat/completions`, () => chat],
      [`POST ${prefix}/completions`, () => ({ body: { model: 'large', prompt: 'hi' } })],
      [`POST ${prefix}/embeddings`, () => ({ body: { model: 'large', input: 'hi' } })],
      [`GET ${prefix}/models`, () => reads],
      [`GET ${prefix}/models/{path}`, () => ({ path: { path: 'large' } })],
    ]),
  ),
  ...Object.fromEntries(
    ['/v1', '/anthropic/v1'].flatMap(prefix => [
      [`POST ${prefix}/messages`, () => chat],
      [`POST ${prefix}/messages/count_tokens`, () => chat],
    ]),
  ),
  'POST /engines/{path}': () => inPath('chat/completions'),
  'POST /v1/engines/{path}': () => inPath('chat/completions'),
  'POST /openai/deployments/{path}': () => inPath('chat/completions'),
  'GET /model/info': () => reads,
  'GET /v1/model/info': () => ({ query: { litellm_model_id: 'large' } }),
  'GET /v2/model/info': () => ({ query: { model: 'large' }, outsider: 'nothing' }),
  'GET /model_group/info': () => ({ query: { model_group: 'large' }, outsider: 'nothing' }),
  'GET /_health/models': () => reads,
  'GET /v1/routeiq/explain/{id}': t => ({ path: { id: t.call } }),
  'POST /v1/routeiq/feedback': t => ({ body: { request_id: t.call, score: 1 } }),
  'POST /v1/feedback': t => ({ body: { request_id: t.call, score: 1, kind: 'check' } }),
  'POST /api/v1/routeiq/routing/feedback': t => ({ body: { request_id: t.call, score: 1 } }),
}

/** Open to everybody, each for a reason: probes, documents, and the doors through which people log in. */
export const publicRoutes = [
  'GET /',
  'GET /_health/live',
  'GET /_health/ready',
  'GET /docs',
  'GET /fallback/login',
  'GET /health/liveliness',
  'GET /health/liveness',
  'GET /health/readiness',
  'GET /login',
  // Decides for itself: see `require_auth_for_metrics_endpoint`.
  'GET /metrics',
  'GET /onboarding/get_token',
  'GET /openapi.json',
  'GET /sso/callback',
  'GET /sso/cli/complete/{id}',
  'GET /sso/cli/poll/{id}',
  'GET /sso/debug/callback',
  'GET /sso/debug/login',
  'GET /sso/key/generate',
  'GET /sso/readiness',
  'GET /v1/routeiq/setup',
  'POST /login',
  'POST /logout',
  'POST /onboarding/claim_token',
  'POST /sso/cli/complete/{id}',
  'POST /sso/cli/start',
  'POST /v1/routeiq/setup',
  'POST /v2/login',
  'POST /v2/logout',
]
