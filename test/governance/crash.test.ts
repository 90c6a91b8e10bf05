import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { childrenOf } from '../harness/resident-memory.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import { type FastUpstream, startFastUpstream } from '../upstream/fast.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { accountsAgree } from './accounts.ts'
import { type Books, one, postgresBooks, sqliteBooks } from './books.ts'
import { Caller, type Sent } from './load.ts'
import { done, newKey } from './setup.ts'

const rounds = 20
const lanes = 24

let fast: FastUpstream
let faulty: Upstream
let caller: Caller
let folder: string
let postgres: Service | undefined
let books: Books | undefined

beforeEach(async () => {
  fast = await startFastUpstream({ chunks: 12 })
  faulty = await startUpstream({ keep: 10 })
  caller = new Caller()
  folder = mkdtempSync(join(tmpdir(), 'routeiq-killed-'))
})
afterEach(async () => {
  await caller.close()
  await fast.close()
  await faulty.close()
  await books?.close()
  await postgres?.stop()
  books = postgres = undefined
  rmSync(folder, { recursive: true, force: true })
})

function start(workers: number): Promise<Gateway> {
  const prices = { input_cost_per_token: 0.000000123, output_cost_per_token: 0.000000457 }
  return startGateway({
    config: {
      model_list: [
        deployment('m', fast, 'm', prices),
        deployment('broken', faulty, 'broken@status=500', { ...prices, max_retries: 0 }),
      ],
      general_settings: { master_key: 'sk-crash-master' },
      router_settings: { num_retries: 0, disable_cooldowns: true },
      routeiq: { log_level: 'error' },
    },
    env: { ROUTEIQ_DATA_DIR: folder, DATABASE_URL: postgres?.url },
    args: workers > 1 ? ['--num_workers', String(workers)] : [],
    startTimeout: 30_000,
    stopTimeout: 20_000,
  })
}

/** The whole of it at the same moment, workers included: none of them can tidy up. */
async function kill(gateway: Gateway): Promise<void> {
  const all = [...childrenOf(gateway.pid), gateway.pid]
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  for (const pid of all) process.kill(pid, 'SIGKILL')
  // Told that it ended by itself, which is what was wanted.
  await gateway.stop().catch(() => undefined)
}

const message = { messages: [{ role: 'user', content: 'hello there' }], max_tokens: 50 }
const bodies = {
  plain: JSON.stringify({ model: 'm', ...message }),
  stream: JSON.stringify({ model: 'm', ...message, stream: true }),
  failing: JSON.stringify({ model: 'broken', ...message }),
  unknown: JSON.stringify({ model: 'no-such-model', ...message }),
}
type Kind = keyof typeof bodies
/** Mostly what a gateway does all day, streamed and not; and what goes wrong, which is in the books as well. */
const mix: readonly Kind[] = [
  'plain',
  'stream',
  'plain',
  'stream',
  'plain',
  'stream',
  'failing',
  'plain',
  'stream',
  'unknown',
]

interface Received extends Sent {
  readonly kind: Kind
}

let serial = 0

/** Calls until the gateway is gone; keeps what came to its end. */
async function load(gateway: Gateway, keys: readonly string[], received: Received[]): Promise<void> {
  let gone = false
  const lane = async (): Promise<void> => {
    while (!gone) {
      const index = serial++
      const kind = mix[index % mix.length]!
      const id = index % 7 === 0 ? `own-${index}` : undefined
      const sent = await caller.call({ url: gateway.url, key: keys[index % keys.length]!, body: bodies[kind], id })
      if (sent.status === 0) gone = true
      if (sent.complete) received.push({ ...sent, kind })
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Teams with members and a key each, and keys of nobody. */
async function people(gateway: Gateway): Promise<string[]> {
  const keys = [await newKey(gateway), await newKey(gateway, { max_budget: 1000 })]
  for (const name of ['a', 'b']) {
    const user_id = `user-${name}`
    await done(gateway, 'POST', '/user/new', { user_id, auto_create_key: false, max_budget: 1000 })
    const members = [{ role: 'user', user_id }]
    const team = await done(gateway, 'POST', '/team/new', { max_budget: 1000, members_with_roles: members })
    keys.push(await newKey(gateway, { user_id, team_id: team['team_id'], max_budget: 1000 }))
    keys.push(await newKey(gateway, { user_id }))
  }
  return keys
}

const expected: Readonly<Record<Kind, number>> = { plain: 200, stream: 200, failing: 500, unknown: 404 }

const cases = [
  { database: 'SQLite', workers: 1 },
  { database: 'SQLite', workers: 2 },
  ...(services.postgres ? [{ database: 'PostgreSQL', workers: 1 }] : []),
]

it.each(cases)(
  `${rounds} × kill -9 under load with $database, $workers worker(s): what was received is in the books, once`,
  { timeout: 400_000 },
  async ({ database, workers }) => {
    if (database === 'PostgreSQL') postgres = await startPostgres()
    const received: Received[] = []
    let keys: string[] | undefined
    for (let round = 0; round < rounds; round++) {
      const gateway = await start(workers)
      keys ??= await people(gateway)
      const before = received.length
      const loaded = load(gateway, keys, received)
      await eventually(() => (received.length > before + 40 ? true : undefined), 30_000)
      await pause(Math.random() * 400)
      await kill(gateway)
      await loaded
    }
    expect(
      received.filter(({ kind, status }) => status !== expected[kind]).map(({ status, body }) => `${status} ${body}`),
    ).toEqual([])
    expect(received.every(({ kind, body }) => kind !== 'stream' || body.includes('[DONE]'))).toBe(true)

    const last = await start(1)
    books = postgres === undefined ? sqliteBooks(join(folder, 'routeiq.db')) : postgresBooks(postgres.url)
    let rows = -1
    await eventually(async () => {
      const now = await one(books!, 'select count(*) from ledger')
      const settled = now === rows && now >= received.length
      rows = now
      if (!settled) await pause(700)
      return settled ? true : undefined
    }, 60_000)
    for (const scope of ['key', 'team', 'user', 'team_member']) {
      const report = await done(
        last,
        'GET',
        `/v1/routeiq/reconciliation?scope=${scope}&days=true&start_date=2026-01-01`,
      )
      expect(report, scope).toMatchObject({ differing: 0 })
      expect(report['days'] as { difference: number }[]).toSatisfy((days: { difference: number }[]) =>
        days.every(({ difference }) => difference === 0),
      )
    }
    await last.stop()

    const ledger = await books.query('select id, call_id, status, cost from ledger')
    const byId = new Map<string, { status: number; cost: number }[]>()
    for (const { id, call_id, status, cost } of ledger) {
      const name = String(call_id ?? id)
      byId.set(name, [...(byId.get(name) ?? []), { status: Number(status), cost: Number(cost) }])
    }
    const wrong = received.filter(sent => {
      const records = byId.get(sent.id) ?? []
      const [record] = records
      if (records.length !== 1 || record?.status !== sent.status) return true
      // A stream's head goes out before its cost is known.
      return sent.kind === 'plain' && record.cost !== sent.cost
    })
    expect(wrong.map(({ id, kind }) => [kind, id, byId.get(id)])).toEqual([])
    expect(new Set(ledger.map(({ id }) => id)).size, 'no record twice').toBe(ledger.length)
    // Calls whose end nobody saw: those under way at the kills.
    expect(ledger.length - received.length).toBeLessThanOrEqual(rounds * lanes)
    await accountsAgree(books)
    console.info(`${database}, ${workers} worker(s): ${received.length} responses, ${ledger.length} records`)
  },
)
