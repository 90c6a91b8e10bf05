import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

const today = new Date().toISOString().slice(0, 10)
const range = `start_date=${today}&end_date=${today}`
const tokenOf = (key: string): string => hash('sha256', key)

interface Made {
  readonly id: string
  readonly cost: number
}

let upstream: Upstream
let data: string
let gateway: Gateway
/** Of Ann (admin of team one), Bob (its member), Eve (another team), and of a team's service account. */
let keys: Record<'ann' | 'bob' | 'eve' | 'service', string>
let teams: Record<'one' | 'two', string>
const made: Record<string, Made[]> = {}

beforeAll(async () => {
  upstream = await startUpstream()
  data = mkdtempSync(join(tmpdir(), 'routeiq-reports-'))
  gateway = await startGateway({
    env: { ROUTEIQ_DATA_DIR: data },
    config: {
      model_list: [
        deployment('small', upstream, 'gpt-4o-mini'),
        deployment('large', upstream, 'gpt-4o'),
        deployment('busy', upstream, 'gpt-4o-mini@status=429', {}, { id: 'busy-1' }),
      ],
      router_settings: { num_retries: 0 },
    },
  })
  const team = async (team_alias: string, ...members: Json[]): Promise<string> =>
    String((await done(gateway, 'POST', '/team/new', { team_alias, members_with_roles: members }))['team_id'])
  for (const user_id of ['ann', 'bob', 'eve'])
    await done(gateway, 'POST', '/user/new', { user_id, auto_create_key: false })
  teams = {
    one: await team('One', { role: 'admin', user_id: 'ann' }, { role: 'user', user_id: 'bob' }),
    two: await team('Two', { role: 'admin', user_id: 'eve' }),
  }
  keys = {
    ann: await newKey(gateway, { user_id: 'ann', team_id: teams.one, key_alias: 'ann-key' }),
    bob: await newKey(gateway, { user_id: 'bob', team_id: teams.one }),
    eve: await newKey(gateway, { user_id: 'eve', team_id: teams.two }),
    service: await newKey(gateway, { team_id: teams.one }),
  }
  const call = async (who: keyof typeof keys, model: string, extra: Json = {}): Promise<void> => {
    const answer = await chat({ url: gateway.url, key: keys[who] }, model, 'hello there', extra)
    const cost = Number(answer.headers['x-litellm-response-cost'] ?? 0)
    made[who] = [...(made[who] ?? []), { id: String(answer.headers['x-litellm-call-id']), cost }]
  }
  await call('ann', 'small', { metadata: { tags: ['prod', 'x'] } })
  await call('ann', 'large', { user: 'customer-1' })
  await call('bob', 'small', { metadata: { tags: ['prod'] } })
  await call('bob', 'small', { user: 'customer-1' })
  await call('eve', 'large')
  await call('service', 'small')
  await call('eve', 'busy')
  await chat(gateway, 'small', 'from the operator')
  await eventually(async () => {
    const page = await done(gateway, 'GET', `/spend/logs/v2?${range}`)
    return page['total'] === 8 ? true : undefined
  })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  rmSync(data, { recursive: true, force: true })
})

const get = async (path: string, key?: string): Promise<Json> => done(gateway, 'GET', path, undefined, key)
const list = async (path: string, key?: string): Promise<Json[]> => (await get(path, key)) as unknown as Json[]
const costOf = (...who: string[]): number =>
  Math.round(who.flatMap(name => made[name]!).reduce((sum, { cost }) => sum + cost, 0) * 1e9) / 1e9

describe('calls, one by one', () => {
  it('are found by the id the caller saw, with everything LiteLLM shows of one', async () => {
    const [first] = made['ann']!
    const [log] = await list(`/spend/logs?request_id=${first!.id}`)
    expect(log).toMatchObject({
      request_id: first!.id,
      call_type: 'acompletion',
      api_key: tokenOf(keys.ann),
      spend: first!.cost,
      model: 'gpt-4o-mini',
      model_group: 'small',
      model_id: 'gpt-4o-mini',
      custom_llm_provider: 'openai',
      user: 'ann',
      team_id: teams.one,
      request_tags: expect.arrayContaining(['prod', 'x']),
      status: 'success',
      cache_hit: 'False',
      metadata: { user_api_key_alias: 'ann-key', cost_breakdown: { total_cost: first!.cost, unpriced: false } },
    })
    expect(log!['total_tokens']).toBe(Number(log!['prompt_tokens']) + Number(log!['completion_tokens']))
    expect(Date.parse(String(log!['endTime']))).toBeGreaterThanOrEqual(Date.parse(String(log!['startTime'])))
  })

  it('are found by an id the caller brought; two calls of one id are two', async () => {
    for (let index = 0; index < 2; index++) {
      const options = { headers: { 'x-litellm-call-id': 'brought-along' } }
      await chat({ url: gateway.url, key: keys.eve }, 'large', 'again', {}, options)
    }
    const logs = await eventually(async () => {
      const found = await list('/spend/logs?request_id=brought-along')
      return found.length === 2 ? found : undefined
    })
    expect(logs.map(log => log['request_id'])).toEqual(['brought-along', 'brought-along'])
    const costs = logs.map(log => ({ id: 'brought-along', cost: Number(log['spend']) }))
    made['eve']!.push(...costs)
    expect(costs.every(({ cost }) => cost > 0)).toBe(true)
  })

  it('come by pages, filtered and sorted', async () => {
    const first = await get(`/spend/logs/v2?${range}&page_size=3&page=1`)
    const second = await get(`/spend/logs/v2?${range}&page_size=3&page=2`)
    expect(first).toMatchObject({ total: 10, page: 1, page_size: 3, total_pages: 4, total_is_capped: false })
    const ids = [...(first['data'] as Json[]), ...(second['data'] as Json[])].map(
      log => (log['metadata'] as Json)['record_id'],
    )
    expect(new Set(ids).size).toBe(6)
    const failed = await get(`/spend/logs/ui?${range}&status_filter=failure`)
    expect(failed['data']).toMatchObject([{ model_group: 'busy', status: 'failure', status_code: 429, user: 'eve' }])
    const dearest = await get(`/spend/logs/v2?${range}&sort_by=spend&user_id=ann`)
    expect((dearest['data'] as Json[]).map(log => log['model_group'])).toEqual(['large', 'small'])
    const tagged = await get(`/spend/logs/v2?${range}&tag=x`)
    expect(tagged['total']).toBe(1)
    const cheap = await get(`/spend/logs/v2?${range}&max_spend=0`)
    expect((cheap['data'] as Json[]).map(log => log['model_group'])).toEqual(['busy'])
    const key = await get(`/spend/logs/v2?${range}&api_key=${keys.bob}`)
    expect(key['total']).toBe(2)
    const missing = await api(gateway, 'GET', '/spend/logs/v2')
    expect([missing.status, missing.json!['error']]).toMatchObject([400, { param: 'start_date' }])
    const far = await api(gateway, 'GET', `/spend/logs/v2?${range}&page=200&page_size=100`)
    expect([far.status, far.json!['error']]).toMatchObject([400, { param: 'page' }])
  })

  it('are seen by whom they concern', async () => {
    const seen = async (key?: string): Promise<string[]> => {
      const page = await get(`/spend/logs/v2?${range}&page_size=100`, key)
      return [...new Set((page['data'] as Json[]).map(log => String(log['user'] || 'none')))].sort()
    }
    // The operator's own call and the service account's have no user.
    expect(await seen()).toEqual(['ann', 'bob', 'eve', 'none'])
    // Admin of team one: everything of the team.
    expect(await seen(keys.ann)).toEqual(['ann', 'bob', 'none'])
    expect(await seen(keys.bob)).toEqual(['bob'])
    expect(await seen(keys.eve)).toEqual(['eve'])
    expect(await seen(keys.service)).toEqual(['none'])
    const [first] = made['ann']!
    expect((await api(gateway, 'GET', `/spend/logs/ui/${first!.id}`, undefined, keys.eve)).status).toBe(404)
    const own = await get(`/spend/logs/ui/${first!.id}`, keys.ann)
    expect(own).toMatchObject({ request_id: first!.id, messages: null, response: null })
    // Another key as a filter shows nothing of it.
    expect(await list(`/spend/logs?api_key=${tokenOf(keys.ann)}`, keys.eve)).toEqual([])
    expect((await api(gateway, 'GET', `/spend/logs?${range}`, undefined, 'sk-wrong')).status).toBe(401)
  })

  it('summarized are days, by key, user and model', async () => {
    const [day] = await list(`/spend/logs?${range}`)
    expect(day).toMatchObject({
      startTime: today,
      [tokenOf(keys.bob)]: costOf('bob'),
      users: { ann: costOf('ann'), bob: costOf('bob'), eve: costOf('eve') },
    })
    expect(Object.keys(day!['models'] as Json).sort()).toEqual(expect.arrayContaining(['gpt-4o', 'gpt-4o-mini']))
    const [own] = await list(`/spend/logs?${range}`, keys.bob)
    expect(own).toMatchObject({ spend: costOf('bob'), users: { bob: costOf('bob') } })
    expect(Object.keys(own!['users'] as Json)).toEqual(['bob'])
    const two = await list(`/spend/logs?start_date=2020-01-01&end_date=2020-01-02`)
    expect(two).toEqual([
      { startTime: '2020-01-01', spend: 0, users: {}, models: {} },
      { startTime: '2020-01-02', spend: 0, users: {}, models: {} },
    ])
  })
})

describe('daily activity', () => {
  it('of everything adds up in every breakdown', async () => {
    const report = await get(`/user/daily/activity/aggregated?${range}`)
    const [day] = report['results'] as { metrics: Json; breakdown: Record<string, Record<string, { metrics: Json }>> }[]
    const total = Number(day!.metrics['spend'])
    expect(report['metadata']).toMatchObject({
      total_spend: total,
      total_api_requests: 10,
      total_failed_requests: 1,
      total_successful_requests: 9,
    })
    const sum = (part: string, field: string): number =>
      Object.values(day!.breakdown[part]!).reduce((all, { metrics }) => all + Number(metrics[field]), 0)
    for (const part of ['models', 'model_groups', 'providers', 'endpoints', 'api_keys', 'entities']) {
      expect(sum(part, 'spend'), part).toBeCloseTo(total, 9)
      expect(sum(part, 'api_requests'), part).toBe(10)
    }
    expect(day!.breakdown['api_keys']![tokenOf(keys.ann)]).toMatchObject({
      metrics: { spend: costOf('ann'), api_requests: 2 },
      metadata: { key_alias: 'ann-key', team_id: teams.one, user_id: 'ann', key_exists: true },
    })
    expect(Object.keys(day!.breakdown['entities']!).sort()).toEqual(['Unassigned', 'ann', 'bob', 'eve'])
    expect(Object.keys(day!.breakdown['endpoints']!)).toEqual(['/v1/chat/completions'])
  })

  it('by pages holds the same', async () => {
    const whole = await get(`/user/daily/activity/aggregated?${range}`)
    let spend = 0
    let requests = 0
    for (let page = 1; ; page++) {
      const part = await get(`/user/daily/activity?${range}&page_size=3&page=${page}`)
      const metadata = part['metadata'] as Json
      spend += Number(metadata['total_spend'])
      requests += Number(metadata['total_api_requests'])
      if (metadata['has_more'] !== true) break
    }
    expect(spend).toBeCloseTo(Number((whole['metadata'] as Json)['total_spend']), 9)
    expect(requests).toBe(10)
  })

  it('of teams: admins see the team, members their part of it, strangers none', async () => {
    const spend = async (key?: string, query = ''): Promise<number> => {
      const report = await get(`/team/daily/activity/aggregated?${range}${query}`, key)
      return Number((report['metadata'] as Json)['total_spend'])
    }
    expect(await spend(undefined, `&team_ids=${teams.one}`)).toBeCloseTo(costOf('ann', 'bob', 'service'), 9)
    expect(await spend(keys.ann)).toBeCloseTo(costOf('ann', 'bob', 'service'), 9)
    expect(await spend(keys.bob)).toBeCloseTo(costOf('bob'), 9)
    expect(await spend(keys.service)).toBeCloseTo(costOf('service'), 9)
    const page = await get(`/team/daily/activity?${range}`, keys.bob)
    const [day] = page['results'] as { breakdown: { entities: Json } }[]
    expect(day!.breakdown.entities).toMatchObject({ [teams.one]: { metadata: { team_alias: 'One' } } })
    const foreign = await api(
      gateway,
      'GET',
      `/team/daily/activity?${range}&team_ids=${teams.two}`,
      undefined,
      keys.ann,
    )
    expect(foreign.status).toBe(404)
  })

  it('of users, organizations, tags and customers shows callers their own', async () => {
    const metadata = async (path: string, key?: string): Promise<Json> => (await get(path, key))['metadata'] as Json
    expect(await metadata(`/user/daily/activity?${range}`, keys.bob)).toMatchObject({ total_spend: costOf('bob') })
    for (const path of [`/user/daily/activity?${range}&user_id=ann`, `/organization/daily/activity?${range}`]) {
      expect((await api(gateway, 'GET', path, undefined, keys.bob)).status, path).toBe(403)
    }
    expect(await metadata(`/tag/daily/activity?${range}&tags=prod`)).toMatchObject({ total_api_requests: 2 })
    expect(await metadata(`/tag/daily/activity?${range}&tags=prod`, keys.bob)).toMatchObject({ total_api_requests: 1 })
    expect(await metadata(`/customer/daily/activity?${range}`)).toMatchObject({ total_api_requests: 2 })
    expect(await metadata(`/end_user/daily/activity/aggregated?${range}`, keys.eve)).toMatchObject({
      total_api_requests: 0,
    })
  })

  it('names what is wrong with a question', async () => {
    for (const [query, param] of [
      ['', 'start_date'],
      [`?start_date=${today}`, 'end_date'],
      ['?start_date=yesterday&end_date=2026-01-01', 'start_date'],
      ['?start_date=2026-02-30&end_date=2026-03-01', 'start_date'],
      ['?start_date=2026-02-02&end_date=2026-02-01', 'start_date'],
      ['?start_date=2000-02-02&end_date=2026-02-01', 'start_date'],
    ]) {
      const answer = await api(gateway, 'GET', `/team/daily/activity${query}`)
      expect([answer.status, answer.json!['error']], query).toMatchObject([400, { param }])
    }
  })
})

describe('reports', () => {
  it('/global/spend and its kin add up', async () => {
    const { spend } = await get('/global/spend')
    const perDay = await list('/global/spend/logs')
    expect(perDay).toMatchObject([{ date: today, spend }])
    for (const [path, field] of [
      ['/global/spend/keys', 'total_spend'],
      ['/global/spend/models', 'total_spend'],
      [`/global/spend/provider?${range}`, 'spend'],
    ] as const) {
      const rows = await list(path)
      expect(
        rows.reduce((sum, row) => sum + Number(row[field]), 0),
        path,
      ).toBeCloseTo(Number(spend), 9)
    }
    expect(await get('/global/spend', keys.bob)).toMatchObject({ spend: costOf('bob') })
    const byTeam = await get('/global/spend/teams')
    expect(byTeam['daily_spend']).toMatchObject([{ date: today, Two: costOf('eve') }])
    expect(byTeam['teams']).toEqual(expect.arrayContaining(['One', 'Two', 'Unassigned']))
    expect((await get('/global/spend/teams', keys.eve))['teams']).toEqual(['Two'])
  })

  it('tags and customers', async () => {
    const tags = await get(`/global/spend/tags?${range}&tags=prod,x`)
    expect(tags['spend_per_tag']).toMatchObject([
      { name: 'prod', log_count: 2 },
      { name: 'x', log_count: 1, spend: made['ann']![0]!.cost },
    ])
    const all = (await get('/global/spend/all_tag_names'))['tag_names'] as string[]
    expect(all).toEqual(expect.arrayContaining(['prod', 'x']))
    expect(await list(`/spend/tags?${range}`)).toContainEqual({
      individual_request_tag: 'x',
      log_count: 1,
      total_spend: made['ann']![0]!.cost,
    })
    expect(await get('/global/all_end_users')).toEqual({ end_users: ['customer-1'] })
    const dearest = (await done(gateway, 'POST', '/global/spend/end_users', {})) as unknown as Json[]
    expect(dearest).toMatchObject([{ end_user: 'customer-1', total_count: 2 }])
    const ofKey = (await done(gateway, 'POST', '/global/spend/end_users', { api_key: keys.bob })) as unknown as Json[]
    expect(ofKey).toEqual([{ end_user: 'customer-1', total_count: 1, total_spend: made['bob']![1]!.cost }])
    expect((await api(gateway, 'GET', '/global/all_end_users', undefined, keys.ann)).status).toBe(403)
  })

  it('activity: calls, models, caches, failures', async () => {
    const activity = await get(`/global/activity?${range}`)
    expect(activity).toMatchObject({ sum_api_requests: 10, daily_data: [{ api_requests: 10 }] })
    expect(String((activity['daily_data'] as Json[])[0]!['date'])).toMatch(/^[A-Z][a-z]{2} \d{2}$/)
    const models = await list(`/global/activity/model?${range}`)
    expect(models.map(row => [row['model'], row['sum_api_requests']])).toEqual([
      ['small', 5],
      ['large', 4],
      ['busy', 1],
    ])
    const caches = await list(`/global/activity/cache_hits?${range}`)
    expect(caches).toContainEqual(
      expect.objectContaining({ api_key: 'ann-key', call_type: 'acompletion', cache_hit_true_rows: 0, total_rows: 1 }),
    )
    const limited = { daily_data: [{ num_rate_limit_exceptions: 1 }], sum_num_rate_limit_exceptions: 1 }
    expect(await get(`/global/activity/exceptions?${range}&model_group=busy`)).toMatchObject(limited)
    expect(await list(`/global/activity/exceptions/deployment?${range}&model_group=busy`)).toMatchObject([
      { api_base: 'busy-1', ...limited },
    ])
    expect(await get(`/gateway/daily/activity?${range}`)).toMatchObject({
      total_successful_requests: 9,
      total_failed_requests: 1,
      by_date: [{ date: today, successful_requests: 9, failed_requests: 1 }],
      by_route: [{ route: '/v1/chat/completions', successful_requests: 9, failed_requests: 1 }],
    })
    expect((await api(gateway, 'GET', '/gateway/daily/activity', undefined, keys.ann)).status).toBe(403)
  })

  it('by key, user, team and member', async () => {
    const ofKey = await list(`/key/spend/report?${range}`, keys.bob)
    expect(ofKey).toMatchObject([
      { api_key: tokenOf(keys.bob), total_cost: costOf('bob'), model_details: [{ model: 'gpt-4o-mini' }] },
    ])
    expect(await list(`/key/spend/report?${range}&api_key=${keys.bob}`)).toEqual(ofKey)
    expect(await list(`/key/spend/report?${range}&api_key=${keys.bob}`, keys.ann)).toEqual(ofKey)
    expect(await list(`/user/spend/report?${range}&internal_user_id=bob`)).toEqual(ofKey)
    const ofTeam = await list(`/team/spend/report?${range}&team_id=${teams.one}`, keys.ann)
    expect(ofTeam.reduce((sum, row) => sum + Number(row['total_cost']), 0)).toBeCloseTo(
      costOf('ann', 'bob', 'service'),
      9,
    )
    for (const [path, key] of [
      [`/key/spend/report?${range}&api_key=${keys.ann}`, keys.bob],
      [`/user/spend/report?${range}&internal_user_id=ann`, keys.bob],
      [`/team/spend/report?${range}&team_id=${teams.one}`, keys.eve],
      [`/organization/spend/report?${range}`, keys.ann],
    ] as const) {
      expect((await api(gateway, 'GET', path, undefined, key)).status, path).toBe(403)
    }
    const members = (await get(`/team/spend/by_user?${range}&team_ids=${teams.one}`, keys.ann))['results'] as Json[]
    expect(members).toHaveLength(2)
    expect(members).toContainEqual(
      expect.objectContaining({
        user_id: 'bob',
        team_id: teams.one,
        team_alias: 'One',
        spend: costOf('bob'),
        api_requests: 2,
      }),
    )
    const own = (await get(`/team/spend/by_user?${range}&team_ids=${teams.one}`, keys.bob))['results'] as Json[]
    expect(own.map(row => row['user_id'])).toEqual(['bob'])
    expect((await api(gateway, 'GET', `/team/spend/by_user?${range}`)).status).toBe(400)
    const report = await list(`/global/spend/report?${range}`)
    expect(report).toMatchObject([{ group_by_day: today }])
    const names = (report[0]!['teams'] as Json[]).map(row => row['team_name'])
    expect(names).toEqual(expect.arrayContaining(['One', 'Two', 'Unassigned Team']))
    const customers = await list(`/global/spend/report?${range}&group_by=customer`)
    expect(customers).toMatchObject([{ group_by_day: today, customers: [{ customer: 'customer-1' }] }])
    expect(await list(`/global/spend/report?${range}&group_by=api_key`)).toHaveLength(5)
    expect(await list(`/global/spend/report?${range}&api_key=${keys.bob}`)).toEqual(ofKey)
  })

  it('spend of keys and users, their own for those who are no administrators', async () => {
    const all = await list('/spend/keys')
    expect(all.map(row => row['spend'])).toEqual([...all.map(row => Number(row['spend']))].sort((a, b) => b - a))
    const spends = new Map(all.map(row => [row['token'], row['spend']]))
    expect(spends.get(tokenOf(keys.bob))).toBe(costOf('bob'))
    expect((await list('/spend/keys', keys.bob)).map(row => row['token'])).toEqual([tokenOf(keys.bob)])
    expect(await list('/spend/keys', keys.ann)).toHaveLength(3)
    const users = await list('/spend/users')
    expect(users.find(row => row['user_id'] === 'bob')).toMatchObject({ spend: costOf('bob') })
    expect(JSON.stringify(users)).not.toContain('password')
    expect((await list('/spend/users', keys.bob)).map(row => row['user_id'])).toEqual(['bob'])
  })
})

describe('what a call would cost', () => {
  it('is what it then costs', async () => {
    const [first] = made['ann']!
    const [log] = await list(`/spend/logs?request_id=${first!.id}`)
    const estimate = await done(gateway, 'POST', '/cost/estimate', {
      model: 'small',
      input_tokens: log!['prompt_tokens'],
      output_tokens: log!['completion_tokens'],
      num_requests_per_day: 10,
    })
    expect(estimate).toMatchObject({
      model: 'small',
      provider: 'openai',
      cost_per_request: first!.cost,
      daily_cost: Math.round(first!.cost * 1e10) / 1e9,
      monthly_cost: null,
    })
    const answered = await done(gateway, 'POST', '/spend/calculate', {
      completion_response: {
        model: 'small',
        usage: { prompt_tokens: log!['prompt_tokens'], completion_tokens: log!['completion_tokens'] },
      },
    })
    expect(answered).toEqual({ cost: first!.cost })
    const prompt = await done(gateway, 'POST', '/spend/calculate', {
      model: 'small',
      messages: [{ role: 'user', content: 'Hey, how is it going?' }],
    })
    expect(prompt['cost']).toBeGreaterThan(0)
    expect(
      (await api(gateway, 'POST', '/cost/estimate', { model: 'none', input_tokens: 1, output_tokens: 1 })).status,
    ).toBe(404)
    expect((await api(gateway, 'POST', '/spend/calculate', { messages: [] })).status).toBe(400)
  })
})

describe('reconciliation', () => {
  it('finds no difference in any scope, nor between ledger and daily sums', async () => {
    for (const scope of ['key', 'team', 'team_member', 'user', 'organization', 'project', 'end_user', 'tag']) {
      const report = await get(`/v1/routeiq/reconciliation?scope=${scope}&days=true&all=true`)
      expect(report, scope).toMatchObject({ differing: 0, next: null, days: [{ date: today, difference: 0 }] })
      if (scope === 'key') expect(report['checked']).toBe(4)
    }
    const first = await get('/v1/routeiq/reconciliation?limit=3&all=true')
    const rest = await get(
      `/v1/routeiq/reconciliation?limit=3&all=true&after=${encodeURIComponent(String(first['next']))}`,
    )
    const ids = [...(first['rows'] as Json[]), ...(rest['rows'] as Json[])].map(row => row['id'])
    expect(ids).toEqual(Object.values(keys).map(tokenOf).sort())
    expect((await api(gateway, 'GET', '/v1/routeiq/reconciliation', undefined, keys.ann)).status).toBe(403)
  })

  it('shows a spend that somebody wrote, and what a budget has counted', async () => {
    const key = await newKey(gateway, { max_budget: 10, budget_duration: '30d' })
    const answer = await chat({ url: gateway.url, key }, 'small', 'hello')
    const nano = Math.round(Number(answer.headers['x-litellm-response-cost']) * 1e9)
    const row = async (): Promise<Json> => {
      const report = await get('/v1/routeiq/reconciliation?all=true')
      return (report['rows'] as Json[]).find(({ id }) => id === tokenOf(key))!
    }
    const counted = await eventually(async () => {
      const found = await row()
      return found['spend'] === 0 ? undefined : found
    })
    expect(counted).toMatchObject({
      scope: 'key',
      spend: nano,
      ledger: nano,
      difference: 0,
      counters: [{ used: nano, reserved: 0, ledger: nano, difference: 0 }],
    })
    const db = new DatabaseSync(join(data, 'routeiq.db'))
    db.prepare('update keys set spend = spend + 7 where token = ?').run(tokenOf(key))
    expect(await row()).toMatchObject({ spend: nano + 7, ledger: nano, difference: 7 })
    expect(await get('/v1/routeiq/reconciliation')).toMatchObject({ differing: 1, rows: [{ id: tokenOf(key) }] })
    db.prepare('update keys set spend = spend - 7 where token = ?').run(tokenOf(key))
    db.prepare('update daily_spend set cost = cost + 3 where entity = ? and token = ?').run('all', tokenOf(key))
    expect(await get('/v1/routeiq/reconciliation?days=true')).toMatchObject({ days: [{ difference: -3 }] })
    db.prepare('update daily_spend set cost = cost - 3 where entity = ? and token = ?').run('all', tokenOf(key))
    db.close()
  })

  it('follows a spend that was set by hand: row, counter and ledger begin again together', async () => {
    const key = await newKey(gateway, { max_budget: 10, budget_duration: '30d' })
    const call = async (): Promise<number> => {
      const answer = await chat({ url: gateway.url, key }, 'small', 'hello')
      return Math.round(Number(answer.headers['x-litellm-response-cost']) * 1e9)
    }
    await call()
    await done(gateway, 'POST', `/key/${tokenOf(key)}/reset_spend`, { reset_to: 0.5 })
    const spent = 500_000_000 + (await call())
    const counted = await eventually(async () => {
      const report = await get('/v1/routeiq/reconciliation?all=true&limit=500')
      const found = (report['rows'] as Json[]).find(({ id }) => id === tokenOf(key))!
      return found['spend'] === spent ? found : undefined
    })
    expect(counted).toMatchObject({
      ledger: spent,
      difference: 0,
      counters: [{ used: spent, ledger: spent, difference: 0 }],
    })
  })

  it('/global/spend/reset begins anew, keeps the ledger, and leaves nothing to reconcile', async () => {
    expect((await api(gateway, 'POST', '/global/spend/reset', {}, keys.ann)).status).toBe(403)
    const before = (await get('/global/spend'))['spend']
    expect(await done(gateway, 'POST', '/global/spend/reset')).toMatchObject({ status: 'success' })
    expect((await list('/spend/keys')).every(row => row['spend'] === 0)).toBe(true)
    expect((await get('/global/spend'))['spend']).toBe(before)
    await chat({ url: gateway.url, key: keys.bob }, 'small', 'after the reset')
    await eventually(async () => {
      const [dearest] = await list('/spend/keys')
      return Number(dearest!['spend']) > 0 ? true : undefined
    })
    for (const scope of ['key', 'team', 'user']) {
      expect(await get(`/v1/routeiq/reconciliation?scope=${scope}`), scope).toMatchObject({ differing: 0 })
    }
    expect(await done(gateway, 'POST', '/global/spend/refresh')).toMatchObject({ status: 'success' })
  })
})
