import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
import { type FastUpstream, startFastUpstream } from '../upstream/fast.ts'
import type { Json } from '../upstream/types.ts'
import { type Books, one, postgresBooks, sqliteBooks } from './books.ts'
import { Caller, type Sent, storm, sum } from './load.ts'
import { done, newKey } from './setup.ts'

const count = 10_000
const requestLimit = 1000
const width = 256

/** What the upstream says of every answer, and what it is charged. */
const tokensPerCall = 270
const costPerCall = 150 * 100_000 + 120 * 200_000
const dollars = (calls: number): number => (calls * costPerCall) / 1e9
/** Long enough that the estimate is no less than the 150 tokens the upstream charges. */
const body = JSON.stringify({
  model: 'm',
  max_tokens: 120,
  messages: [{ role: 'user', content: 'word '.repeat(130) }],
})

let upstream: FastUpstream
let caller: Caller
let redis: Service | undefined
let postgres: Service | undefined
let folder: string
let fleet: Gateway[]
let books: Books | undefined

beforeAll(async () => {
  upstream = await startFastUpstream()
  caller = new Caller()
})
afterAll(async () => {
  await caller.close()
  await upstream.close()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-exact-'))
  fleet = []
})
afterEach(async () => {
  await books?.close()
  books = undefined
  await Promise.all(fleet.map(gateway => gateway.stop()))
  await postgres?.stop()
  await redis?.stop()
  postgres = redis = undefined
  rmSync(folder, { recursive: true, force: true })
})

const config = (): Json => ({
  model_list: [deployment('m', upstream, 'm', { input_cost_per_token: 0.0001, output_cost_per_token: 0.0002 })],
  general_settings: { master_key: 'sk-exact-master' },
  // A machine that is busy with this test can keep Redis from answering in time: then a call waits instead of passing.
  routeiq: { log_level: 'warn', limits: { on_state_unavailable: { rate: 'closed', budget: 'closed' } } },
})

async function start(processes: number, workers: number, database: string): Promise<void> {
  const env: Record<string, string> = { ROUTEIQ_DATA_DIR: folder }
  if (database === 'PostgreSQL') {
    postgres = await startPostgres()
    env['DATABASE_URL'] = postgres.url
  }
  if (workers === 0) {
    redis = await startRedis()
    env['REDIS_URL'] = redis.url
  }
  const args = workers > 1 ? ['--num_workers', String(workers)] : []
  // One after the other: the first one brings the tables.
  for (let i = 0; i < processes; i++)
    fleet.push(await startGateway({ config: config(), env, args, stopTimeout: 15_000 }))
  books = postgres === undefined ? sqliteBooks(join(folder, 'routeiq.db')) : postgresBooks(postgres.url)
}

/** Calls in the same order at all processes; one whose limits could not be checked in time is made again. */
async function ask(key: string, index: number): Promise<Sent> {
  for (;;) {
    const sent = await caller.call({ url: fleet[index % fleet.length]!.url, key, body })
    if (sent.status !== 503 || !sent.body.includes('limits_unavailable')) return sent
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** A storm over all processes and keys, then each key until every process refuses it: what was only reserved is back then. */
async function exhaust(keys: readonly string[], calls: number): Promise<Map<string, Sent[]>> {
  const answers = new Map<string, Sent[]>(keys.map(key => [key, []]))
  const note = async (key: string, index: number): Promise<Sent> => {
    const sent = await ask(key, index)
    answers.get(key)!.push(sent)
    return sent
  }
  await storm(calls, width, index => note(keys[index % keys.length]!, Math.floor(index / keys.length)))
  for (const key of keys) {
    for (let refused = 0, index = 0; refused < 2 * fleet.length; index++) {
      refused = (await note(key, index)).status === 200 ? 0 : refused + 1
      if (refused > 0) await new Promise(resolve => setTimeout(resolve, 30))
    }
  }
  const others = [...answers.values()]
    .flat()
    .filter(({ status, complete }) => (status !== 200 && status !== 429) || !complete)
  expect(others.map(({ status, body }) => `${status} ${body}`).slice(0, 5)).toEqual([])
  return answers
}

const served = (answers: Map<string, Sent[]>, ...keys: string[]): number =>
  sum(
    [...answers].map(([key, sent]) =>
      keys.length === 0 || keys.includes(key) ? sent.filter(({ status }) => status === 200).length : 0,
    ),
  )

/** The team's requests, with two keys of it. */
async function requests(first: Gateway): Promise<number> {
  const limits = [{ metric: 'requests', limit: requestLimit, window: '1h' }]
  const team = String((await done(first, 'POST', '/team/new', { limits }))['team_id'])
  const keys = [await newKey(first, { team_id: team }), await newKey(first, { team_id: team })]
  const answers = await exhaust(keys, count)
  expect(served(answers), 'requests: exactly').toBe(requestLimit)
  const inBooks = await eventually(async () => {
    const rows = await one(books!, `select count(*) from ledger where team_id = '${team}'`)
    return rows === sum([...answers.values()].map(sent => sent.length)) ? rows : undefined
  }, 40_000)
  expect(inBooks).toBeGreaterThanOrEqual(count)
  expect(await one(books!, `select count(*) from ledger where team_id = '${team}' and status = 200`)).toBe(requestLimit)
  return served(answers)
}

async function tokens(first: Gateway): Promise<number> {
  const limit = tokensPerCall * 100 + 10
  const key = await newKey(first, { limits: [{ metric: 'tokens', limit, window: '1h' }] })
  const used = served(await exhaust([key], 2000)) * tokensPerCall
  expect(used).toBeGreaterThanOrEqual(limit)
  expect(used, 'tokens: over by less than one call').toBeLessThan(limit + tokensPerCall)
  return used
}

/** Key, member and team in one chain, key and user in another: whichever is first refuses. */
async function money(first: Gateway): Promise<void> {
  const between = (calls: number) => dollars(calls + 0.5)
  const made = await done(first, 'POST', '/team/new', { max_budget: between(90) })
  const team_id = String(made['team_id'])
  for (const user_id of ['ann', 'bob', 'eve']) {
    const budget = user_id === 'eve' ? { max_budget: between(50) } : {}
    await done(first, 'POST', '/user/new', { user_id, auto_create_key: false, ...budget })
  }
  for (const user_id of ['ann', 'bob']) {
    const member = { role: 'user', user_id }
    const budget = user_id === 'ann' ? { max_budget_in_team: between(40) } : {}
    await done(first, 'POST', '/team/member_add', { team_id, member, ...budget })
  }
  const ann = [
    await newKey(first, { team_id, user_id: 'ann', max_budget: between(15) }),
    await newKey(first, { team_id, user_id: 'ann' }),
  ]
  const bob = [await newKey(first, { team_id, user_id: 'bob' })]
  const eve = [
    await newKey(first, { user_id: 'eve', max_budget: between(20) }),
    await newKey(first, { user_id: 'eve' }),
  ]
  const answers = await exhaust([...ann, ...bob, ...eve], 2500)

  const spent = (...keys: string[]) => served(answers, ...keys)
  const bounds: [string, number, number][] = [
    ['key of ann', spent(ann[0]!), 15],
    ['member ann', spent(...ann), 40],
    ['team', spent(...ann, ...bob), 90],
    ['key of eve', spent(eve[0]!), 20],
    ['user eve', spent(...eve), 50],
  ]
  // A limit between two calls: the one that passes it is the one call that may.
  for (const [scope, calls, fits] of bounds) expect(calls, scope).toBeLessThanOrEqual(fits + 1)
  for (const [scope, calls, fits] of bounds.filter(([scope]) => scope === 'team' || scope === 'user eve'))
    expect(calls, `${scope}: used up`).toBe(fits + 1)
  for (const sent of answers.values()) expect(sent.at(-1)!.body).toContain('budget_exceeded')

  const total = spent() * costPerCall
  await eventually(async () => {
    const inBooks = await one(books!, "select sum(cost) from ledger where cost > 0 and model_group = 'm'")
    return inBooks >= total ? true : undefined
  }, 40_000)
  for (const [table, id, keys] of [
    ['teams', `team_id = '${team_id}'`, [...ann, ...bob]],
    ['users', `user_id = 'eve'`, eve],
  ] as const) {
    const column = await eventually(async () => {
      const spend = await one(books!, `select spend from ${table} where ${id}`)
      return spend === spent(...keys) * costPerCall ? spend : undefined
    })
    expect(column, table).toBe(spent(...keys) * costPerCall)
  }
}

async function exact(name: string): Promise<void> {
  const first = fleet[0]!
  await newKey(first)
  const startedAt = performance.now()
  const inTime = await requests(first)
  const seconds = (performance.now() - startedAt) / 1000
  const used = await tokens(first)
  await money(first)
  console.info(`${name}: ${inTime} of ${count} requests served, ${used} tokens; requests took ${seconds.toFixed(1)} s`)
}

const timeout = 180_000

describe.skipIf(!services.redis).each([1, 2, 4])('%i processes over Redis and one SQLite file', processes => {
  it('keep a request, a token and a dollar limit', { timeout }, async () => {
    await start(processes, 0, 'SQLite')
    await exact(`${processes} processes, Redis, SQLite`)
  })
})

describe.skipIf(!services.redis || !services.postgres).each([2])(
  '%i processes over Redis and PostgreSQL',
  processes => {
    it('keep a request, a token and a dollar limit', { timeout }, async () => {
      await start(processes, 0, 'PostgreSQL')
      await exact(`${processes} processes, Redis, PostgreSQL`)
    })
  },
)

describe.each([1, 2, 4])('%i workers without Redis', workers => {
  it('keep a request, a token and a dollar limit', { timeout }, async () => {
    await start(1, workers, 'SQLite')
    await exact(`${workers} workers, SQLite`)
  })
})
