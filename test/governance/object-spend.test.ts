import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

interface Account extends Json {
  readonly id: string
  readonly spend: number
  readonly difference: number
  readonly counters: { counter: string; used: number; difference: number | null }[]
}

describe('what an object has spent: column, counter and ledger', () => {
  let upstream: Upstream
  let gateway: Gateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: {
        model_list: [deployment('m', upstream, 'm', { input_cost_per_token: 0.001, output_cost_per_token: 0.001 })],
        litellm_settings: { tag_budget_config: { early: { max_budget: 1000 } }, max_end_user_budget: 1000 },
      },
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  /** Dollars of a call that is in the books. */
  const spend = async (key: string, fields: Json = {}): Promise<number> => {
    const answer = await chat({ url: gateway.url, key }, 'm', 'one two three', { max_tokens: 20, ...fields })
    expect(answer.status, answer.text).toBe(200)
    const id = String(answer.headers['x-litellm-call-id'])
    await eventually(async () => {
      const rows = (await api(gateway, 'GET', `/spend/logs?request_id=${id}`)).json as unknown
      return Array.isArray(rows) && rows.length === 1 ? true : undefined
    })
    return Number(answer.headers['x-litellm-response-cost'])
  }
  const refused = async (key: string, fields: Json = {}) =>
    (await chat({ url: gateway.url, key }, 'm', 'hi', { max_tokens: 20, ...fields })).status === 429
  const account = async (scope: string, id: string): Promise<Account> => {
    const page = await done(gateway, 'GET', `/v1/routeiq/reconciliation?scope=${scope}&all=true&limit=500`)
    const found = (page['rows'] as Account[]).find(row => row.id === id)
    expect(found, `${scope} ${id}`).toBeDefined()
    return found as Account
  }
  /** All three say the same number of dollars. */
  const agree = async (scope: string, id: string, dollars: number): Promise<void> => {
    const found = await account(scope, id)
    const nano = Math.round(dollars * 1e9)
    const counters = found.counters.map(({ used, difference }) => [used, difference ?? 0])
    expect([found.spend, found.difference, counters], `${scope} ${id}`).toEqual([nano, 0, [[nano, 0]]])
  }

  it('a tag or team that is made after calls of its name starts at nothing', async () => {
    const key = await newKey(gateway)
    const before = await spend(key, { metadata: { tags: ['early'] } })
    expect(before).toBeGreaterThan(0)
    await done(gateway, 'POST', '/tag/new', { name: 'early', max_budget: before * 1.5 })
    await agree('tag', 'early', 0)
    const after = await spend(key, { metadata: { tags: ['early'] } })
    await agree('tag', 'early', after)

    const team = { team_id: 'twice', max_budget: 1 }
    await done(gateway, 'POST', '/team/new', team)
    await spend(await newKey(gateway, { team_id: 'twice' }))
    await done(gateway, 'POST', '/team/delete', { team_ids: ['twice'] })
    await done(gateway, 'POST', '/team/new', team)
    await agree('team', 'twice', 0)
    await agree('team', 'twice', await spend(await newKey(gateway, { team_id: 'twice' })))
  })

  it('spend that is set by hand is what all of them say', async () => {
    await done(gateway, 'POST', '/user/new', { user_id: 'set', max_budget: 1, auto_create_key: false })
    await done(gateway, 'POST', '/team/new', { team_id: 'set', max_budget: 1, budget_duration: '30d' })
    const key = await newKey(gateway, { user_id: 'set' })
    await spend(key)
    await done(gateway, 'POST', '/user/update', { user_id: 'set', spend: 0.5 })
    await agree('user', 'set', 0.5)
    await agree('user', 'set', 0.5 + (await spend(key)))
    await done(gateway, 'POST', '/user/update', { user_id: 'set', spend: 1 })
    expect(await refused(key)).toBe(true)
    await done(gateway, 'POST', '/team/update', { team_id: 'set', spend: 0.25 })
    await agree('team', 'set', 0.25)
  })

  it('resetting spend reaches limits that come from a budget', async () => {
    await done(gateway, 'POST', '/budget/new', { budget_id: 'tier', max_budget: 0.001 })
    const key = await newKey(gateway, { budget_id: 'tier' })
    await spend(key)
    expect(await refused(key)).toBe(true)
    await done(gateway, 'POST', `/key/${key}/reset_spend`, { reset_to: 0 })
    expect(await refused(key)).toBe(false)
  })

  it('calls with keys of a team are in the spend of their user, who is not stopped by it there', async () => {
    await done(gateway, 'POST', '/user/new', { user_id: 'both', max_budget: 0.03, auto_create_key: false })
    await done(gateway, 'POST', '/team/new', {
      team_id: 'both',
      members_with_roles: [{ role: 'user', user_id: 'both' }],
    })
    const ofTeam = await newKey(gateway, { user_id: 'both', team_id: 'both' })
    const own = await newKey(gateway, { user_id: 'both' })
    let total = await spend(own)
    total += await spend(ofTeam)
    await agree('user', 'both', total)
    // As in LiteLLM: the team pays, so its key goes on; what it cost is gone from the budget of the user's own keys.
    for (let i = 0; total < 0.03; i++) {
      expect(i).toBeLessThan(20)
      total += await spend(ofTeam)
    }
    expect(await refused(own)).toBe(true)
    total += await spend(ofTeam)
    await agree('user', 'both', total)
  })
})
