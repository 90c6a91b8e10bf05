import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
import { type FastUpstream, startFastUpstream } from '../upstream/fast.ts'
import type { Json } from '../upstream/types.ts'
import { accountsAgree } from './accounts.ts'
import { type Books, one, postgresBooks } from './books.ts'
import { Caller, fullSize, type Sent } from './load.ts'
import { api, done, newKey } from './setup.ts'

/** The minute, or less of it. */
const outage = (fullSize ? 60 : 8) * 1000
const lanes = 16
/** Milliseconds a caller waits for an answer that takes the upstream none. */
const callersPatience = 10_000

let upstream: FastUpstream
let caller: Caller
let redis: Service
let postgres: Service
let books: Books
let folder: string
let fleet: Gateway[]

beforeEach(async () => {
  upstream = await startFastUpstream({ chunks: 5 })
  caller = new Caller()
  folder = mkdtempSync(join(tmpdir(), 'routeiq-outage-'))
  fleet = []
  if (!services.redis || !services.postgres) return
  redis = await startRedis()
  postgres = await startPostgres()
  books = postgresBooks(postgres.url)
})
afterEach(async () => {
  await Promise.all(fleet.map(gateway => gateway.stop()))
  await caller.close()
  await books.close()
  await upstream.close()
  await redis.stop()
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(processes: number, mode: 'open' | 'closed'): Promise<Gateway[]> {
  const config: Json = {
    model_list: [
      deployment('m', upstream, 'm', { input_cost_per_token: 0.000000123, output_cost_per_token: 0.000000457 }),
    ],
    // Callers are looked up again in the outage, and have to be remembered over it.
    general_settings: { master_key: 'sk-outage-master', user_api_key_cache_ttl: 2 },
    routeiq: { log_level: 'warn', limits: { on_state_unavailable: { rate: mode, budget: mode } } },
  }
  const env = { REDIS_URL: redis.url, DATABASE_URL: postgres.url, ROUTEIQ_DATA_DIR: folder }
  for (let i = 0; i < processes; i++) fleet.push(await startGateway({ config, env, stopTimeout: 20_000 }))
  return fleet
}

const message = { model: 'm', max_tokens: 50, messages: [{ role: 'user', content: 'hello there' }] }
const bodies = [JSON.stringify(message), JSON.stringify({ ...message, stream: true })]

interface Timed extends Sent {
  readonly ms: number
  readonly at: number
}

/** Plain and streamed calls at all processes with all keys, at a pace that leaves the machine time for the rest. */
function load(keys: readonly string[]): { readonly answers: Timed[]; stop(): Promise<void> } {
  const answers: Timed[] = []
  let running = true
  let serial = 0
  const lane = async (): Promise<void> => {
    while (running) {
      const index = serial++
      const at = performance.now()
      const key = keys[index % keys.length]!
      const sent = await caller.call({ url: fleet[index % fleet.length]!.url, key, body: bodies[(index >> 2) % 2]! })
      answers.push({ ...sent, at, ms: performance.now() - at })
      await pause(20)
    }
  }
  const all = Promise.all(Array.from({ length: lanes }, lane))
  return {
    answers,
    async stop() {
      running = false
      await all
    },
  }
}

/** Keys that everything limits, and keys that nothing does. */
async function people(gateway: Gateway): Promise<string[]> {
  const limits = { rpm_limit: 1_000_000, tpm_limit: 1_000_000_000, max_budget: 1000, max_parallel_requests: 200 }
  const keys = [await newKey(gateway), await newKey(gateway, limits)]
  await done(gateway, 'POST', '/user/new', { user_id: 'ann', auto_create_key: false, ...limits })
  const team = await done(gateway, 'POST', '/team/new', {
    ...limits,
    members_with_roles: [{ role: 'user', user_id: 'ann' }],
  })
  keys.push(await newKey(gateway, { user_id: 'ann', team_id: team['team_id'], ...limits }))
  keys.push(await newKey(gateway, { user_id: 'ann', ...limits }))
  return keys
}

const journalBytes = (): number => {
  let bytes = 0
  const add = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) add(join(path, entry.name))
      else bytes += statSync(join(path, entry.name), { throwIfNoEntry: false })?.size ?? 0
    }
  }
  add(join(folder, 'ledger'))
  return bytes
}

type Cut = 'SIGSTOP' | 'SIGKILL'

async function cut(service: Service, how: Cut): Promise<() => Promise<void>> {
  if (how === 'SIGSTOP') {
    service.pause()
    return async () => service.resume()
  }
  await service.kill()
  return () => service.start()
}

interface Case {
  readonly what: string
  readonly how: Cut
  readonly redisCut: boolean
  readonly postgresCut: boolean
}

const cases = (['SIGSTOP', 'SIGKILL'] as const).flatMap((how): Case[] => [
  { what: 'Redis', how, redisCut: true, postgresCut: false },
  { what: 'PostgreSQL', how, redisCut: false, postgresCut: true },
  { what: 'Redis and PostgreSQL', how, redisCut: true, postgresCut: true },
])

describe.skipIf(!services.redis || !services.postgres)(`an outage of ${outage / 1000} s under load`, () => {
  it.each(cases)(
    '$what, $how: nothing that could be served fails, nothing is lost',
    { timeout: outage + 180_000 },
    async ({ how, redisCut, postgresCut }) => {
      const [first] = await start(2, 'open')
      const keys = await people(first!)
      const stranger = await newKey(first!)
      const running = load(keys)
      await eventually(() => (running.answers.length > 300 ? true : undefined), 30_000)
      const rss = fleet.map(gateway => gateway.rss())
      const keysBefore = await one(books, 'select count(*) from keys')

      const restores: (() => Promise<void>)[] = []
      if (redisCut) restores.push(await cut(redis, how))
      if (postgresCut) restores.push(await cut(postgres, how))
      const cutAt = performance.now()
      const outageAnswers: Sent[] = []
      const refusedChanges: string[] = []
      if (postgresCut) {
        // Known to the database alone: it cannot be told from a wrong key, and neither is told that it is one.
        for (const key of [stranger, 'sk-nobody-knows-this-one'])
          outageAnswers.push(await caller.call({ url: first!.url, key, body: bodies[0]! }))
        const changes = [
          api(first!, 'POST', '/key/generate', { key_alias: 'made-in-the-outage' }),
          api(first!, 'POST', '/team/new', { team_alias: 'made-in-the-outage' }),
          api(first!, 'GET', '/key/list'),
        ]
        for (const answer of await Promise.all(changes)) refusedChanges.push(`${answer.status} ${answer.text}`)
      }
      await pause(Math.max(0, outage - (performance.now() - cutAt)))
      const journal = journalBytes()
      const under = running.answers.length
      for (const restore of restores) await restore()
      const restoredAt = performance.now()

      // The load goes on until everything is as it was: both are used again.
      await pause(3000)
      await running.stop()
      const { answers } = running
      expect(
        answers
          .filter(({ status, complete }) => status !== 200 || !complete)
          .map(({ status, body, at }) => [Math.round(at - cutAt), status, body])
          .slice(0, 5),
      ).toEqual([])
      const slowest = Math.max(...answers.map(({ ms }) => ms))
      expect(slowest, 'the slowest answer').toBeLessThan(callersPatience)
      expect(answers.filter(({ at }) => at > cutAt && at < restoredAt).length, 'calls in the outage').toBeGreaterThan(
        outage / 100,
      )
      expect(outageAnswers.map(({ status }) => status)).toEqual(outageAnswers.map(() => 503))
      expect(refusedChanges.filter(text => !text.startsWith('503'))).toEqual([])

      const records = await eventually(async () => {
        const count = await one(books, 'select count(*) from ledger')
        return count >= answers.length ? count : undefined
      }, 60_000)
      expect(records).toBe(answers.length)
      const inBooks = new Map(
        (await books.query('select id, status, cost from ledger')).map(({ id, ...row }) => [id, row]),
      )
      expect(answers.filter(({ id }) => inBooks.get(id)?.['status'] !== 200)).toEqual([])
      await accountsAgree(books)
      expect(await one(books, 'select count(*) from keys')).toBe(keysBefore)
      expect(await one(books, "select count(*) from teams where team_alias = 'made-in-the-outage'")).toBe(0)

      // Spend columns, ledger and the counters of Redis: what was spent while it was away has been brought there.
      for (const scope of ['key', 'team', 'user', 'team_member']) {
        let report: Json = {}
        await eventually(async () => {
          report = await done(first!, 'GET', `/v1/routeiq/reconciliation?scope=${scope}`)
          return report['differing'] === 0 ? true : undefined
        }, 15_000).catch(() => undefined)
        expect(report, scope).toMatchObject({ differing: 0, rows: [] })
      }
      const grown = fleet.map((gateway, index) => gateway.rss() - rss[index]!)
      // What V8 lets lie before it cleans up is most of it; what the outage keeps back is on disk.
      for (const bytes of grown) expect(bytes).toBeLessThan(300_000_000)
      expect(journal).toBeLessThan(4_000_000 + under * 3000)
      console.info(
        `${how}: ${answers.length} answers, slowest ${Math.round(slowest)} ms, journal ${journal} B at the end of the outage, memory ${grown.map(bytes => Math.round(bytes / 1e6)).join(', ')} MB more`,
      )
    },
  )

  it.each(['SIGSTOP', 'SIGKILL'] as const)(
    'Redis, %s, with limits closed: 503 for calls with limits, nothing else',
    { timeout: 120_000 },
    async how => {
      const [gateway] = await start(1, 'closed')
      const free = await newKey(gateway!)
      const limited = [await newKey(gateway!, { rpm_limit: 1000 }), await newKey(gateway!, { max_budget: 10 })]
      const ask = (key: string) => caller.call({ url: gateway!.url, key, body: bodies[0]! })
      for (const key of [free, ...limited]) expect((await ask(key)).status).toBe(200)
      const restore = await cut(redis, how)
      for (let i = 0; i < 5; i++) {
        for (const key of limited) {
          const refused = await ask(key)
          expect([refused.status, JSON.parse(refused.body).error.code]).toEqual([503, 'limits_unavailable'])
          expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
        }
        expect((await ask(free)).status).toBe(200)
      }
      await restore()
      for (const key of limited)
        await eventually(async () => ((await ask(key)).status === 200 ? true : undefined), 15_000)
    },
  )
})
