import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import type { Json } from '../upstream/types.ts'
import { type Books, postgresBooks, sqliteBooks } from './books.ts'
import { type LoadPlan, loading, tokenOf } from './report-loader.ts'
import { api } from './setup.ts'

/**
 * Calls in the ledger. The sizes, about twenty minutes and fifteen gigabytes of disk:
 * `REPORT_ROWS=10000000 npx vitest run test/governance/reports.test.ts -t PostgreSQL`, and 2,000,000 with `-t SQLite`.
 */
const rows = Number(process.env['REPORT_ROWS'] ?? 20_000)
const large = rows > 1_000_000
const keys = rows >= 100_000 ? 1000 : 50
const days = 90
const dayMs = 86_400_000

let folder: string | undefined
let gateway: Gateway | undefined
let postgres: Service | undefined
let books: Books | undefined

afterEach(async () => {
  await gateway?.stop()
  await books?.close()
  await postgres?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  gateway = postgres = books = folder = undefined
})

const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
const midnight = Math.floor(Date.now() / dayMs) * dayMs

async function start(dialect: LoadPlan['dialect']): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-reports-'))
  const settings = { shared_buffers: '512MB', max_wal_size: '8GB', work_mem: '64MB', synchronous_commit: 'off' }
  if (dialect === 'postgres') postgres = await startPostgres(large ? { settings } : {})
  gateway = await startGateway({
    config: {
      model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m', api_key: 'sk-none' } }],
      general_settings: { master_key: 'sk-reports-master' },
      routeiq: { log_level: 'warn' },
    },
    env: { ROUTEIQ_DATA_DIR: folder, DATABASE_URL: postgres?.url },
  })
  books = postgres === undefined ? sqliteBooks(join(folder, 'routeiq.db')) : postgresBooks(postgres.url)
}

/** The months of the past have partitions in a gateway that has lived through them. */
async function pastMonths(plan: LoadPlan): Promise<void> {
  const first = new Date(plan.from)
  for (let month = 0; ; month++) {
    const [from, until] = [0, 1].map(more => Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month + more)) as [
      number,
      number,
    ]
    if (until > midnight - 31 * dayMs && new Date(from).getUTCMonth() === new Date().getUTCMonth()) return
    const name = `ledger_${dateOf(from).slice(0, 7).replace('-', '_')}`
    await books!.query(`create table ${name} partition of ledger for values from (${from}) to (${until})`)
  }
}

async function load(dialect: LoadPlan['dialect']): Promise<LoadPlan> {
  const plan: LoadPlan = { dialect, rows, from: midnight - (days - 1) * dayMs, until: Date.now() - 60_000, keys }
  if (dialect === 'postgres') await pastMonths(plan)
  for (const statement of loading(plan)) await books!.query(statement)
  return plan
}

const times: [string, number][] = []

/** The best of three, as for somebody who looks at a dashboard: the first one warms what the second finds. */
async function report(path: string, method: 'GET' | 'POST' = 'GET'): Promise<Json> {
  let best = Number.POSITIVE_INFINITY
  let answer: Json | undefined
  for (let attempt = 0; attempt < 3; attempt++) {
    const startedAt = performance.now()
    const sent = await api(gateway!, method, path, method === 'POST' ? {} : undefined)
    best = Math.min(best, performance.now() - startedAt)
    expect(sent.status, `${path}: ${sent.text.slice(0, 500)}`).toBe(200)
    answer = sent.json!
  }
  times.push([path, best])
  return answer!
}
const list = async (path: string, method?: 'POST'): Promise<Json[]> => (await report(path, method)) as unknown as Json[]

interface Sums {
  readonly cost: number
  readonly requests: number
  readonly failed: number
  readonly tokens: number
}

/** From the calls themselves. */
async function ledger(where: string): Promise<Sums> {
  const [row] = await books!.query(`
    select coalesce(sum(cost), 0) as cost, count(*) as requests,
      coalesce(sum(case when status >= 400 then 1 else 0 end), 0) as failed,
      coalesce(sum(input_tokens + output_tokens), 0) as tokens
    from ledger where ${where}`)
  return row as unknown as Sums
}
const dollars = (nano: number): number => nano / 1e9
const total = (list: readonly Json[], field: string): number => list.reduce((sum, row) => sum + Number(row[field]), 0)

const databases = [
  { name: 'SQLite', dialect: 'sqlite' as const, skip: false },
  { name: 'PostgreSQL', dialect: 'postgres' as const, skip: !services.postgres },
].filter(({ skip }) => !skip)

describe.each(databases)(`reports over ${rows} calls in $name`, ({ name, dialect }) => {
  it('say what the ledger says', { timeout: large ? 7_200_000 : 120_000 }, async () => {
    await start(dialect)
    const loadedAt = performance.now()
    await load(dialect)
    const loaded = (performance.now() - loadedAt) / 1000
    times.length = 0

    for (const back of [30, days]) {
      const from = dateOf(midnight - (back - 1) * dayMs)
      const range = `start_date=${from}&end_date=${dateOf(midnight)}`
      const inRange = `date >= '${from}'`
      const all = await ledger(inRange)
      expect(all.requests).toBeGreaterThan(rows / 4)

      const whole = await report(`/user/daily/activity/aggregated?${range}`)
      expect(whole['metadata']).toMatchObject({ total_api_requests: all.requests, total_failed_requests: all.failed })
      expect(Number((whole['metadata'] as Json)['total_spend'])).toBeCloseTo(dollars(all.cost), 6)
      expect((whole['results'] as Json[]).length).toBe(back)
      await report(`/user/daily/activity?${range}`)

      for (const [path, where] of [
        [`/team/daily/activity/aggregated?${range}&team_ids=team-3`, "team_id = 'team-3'"],
        [`/user/daily/activity/aggregated?${range}&user_id=user-7`, "user_id = 'user-7'"],
        [`/user/daily/activity/aggregated?${range}&api_key=${tokenOf(11)}`, `token = '${tokenOf(11)}'`],
        [`/user/daily/activity/aggregated?${range}&model=model-4`, "model = 'model-4'"],
        [`/tag/daily/activity/aggregated?${range}&tags=tag-2`, `tags = '["tag-2"]'`],
        [`/customer/daily/activity/aggregated?${range}&end_user_ids=customer-5`, "end_user = 'customer-5'"],
        [`/team/daily/activity/aggregated?${range}`, '1 = 1'],
      ] as const) {
        const expected = await ledger(`${inRange} and ${where}`)
        const metadata = (await report(path))['metadata'] as Json
        expect(expected.requests, path).toBeGreaterThan(0)
        expect(metadata['total_api_requests'], path).toBe(expected.requests)
        expect(Number(metadata['total_spend']), path).toBeCloseTo(dollars(expected.cost), 6)
        expect(metadata['total_tokens'], path).toBe(expected.tokens)
      }

      const activity = await report(`/global/activity?${range}`)
      expect([activity['sum_api_requests'], activity['sum_total_tokens']]).toEqual([all.requests, all.tokens])
      await report(`/global/activity/model?${range}`)
      await report(`/global/activity/exceptions?${range}&model_group=group-4`)
      expect(total(await list(`/global/spend/provider?${range}`), 'spend')).toBeCloseTo(dollars(all.cost), 6)
      expect((await list(`/global/spend/report?${range}`)).length).toBe(back)
      const perDay = await list(`/spend/logs?${range}`)
      expect(total(perDay, 'spend')).toBeCloseTo(dollars(all.cost), 6)
      const page = await report(`/spend/logs/v2?${range}&page_size=50`)
      expect((page['data'] as Json[]).length).toBe(50)
      const ofKey = await report(`/spend/logs/v2?${range}&api_key=${tokenOf(11)}&page_size=50`)
      const expected = await ledger(`${inRange} and token = '${tokenOf(11)}'`)
      if (ofKey['total_is_capped'] === false) expect(ofKey['total']).toBe(expected.requests)
      const tagged = (await report(`/global/spend/tags?${range}&tags=tag-1,tag-2`))['spend_per_tag'] as Json[]
      expect(total(tagged, 'log_count')).toBe(
        (await ledger(`${inRange} and tags in ('["tag-1"]', '["tag-2"]')`)).requests,
      )
    }

    const month = await ledger(`date > '${dateOf(midnight - 30 * dayMs)}'`)
    expect(Number((await report('/global/spend'))['spend'])).toBeCloseTo(dollars(month.cost), 6)
    expect(total(await list('/global/spend/logs'), 'spend')).toBeCloseTo(dollars(month.cost), 6)
    expect((await list('/global/spend/keys')).length).toBeGreaterThan(0)
    expect((await list('/global/spend/models')).length).toBeGreaterThan(0)
    await report('/global/spend/teams')
    expect((await list('/global/spend/end_users', 'POST')).length).toBeGreaterThan(0)
    expect(await report('/v1/routeiq/reconciliation?scope=key')).toMatchObject({ differing: 0 })

    times.sort(([, a], [, b]) => b - a)
    const lines = times.map(([path, ms]) => `${Math.round(ms).toString().padStart(7)} ms  ${path}`)
    console.info(
      `${name}: ${rows} calls loaded in ${loaded.toFixed(0)} s\n${lines.slice(0, large ? 60 : 3).join('\n')}`,
    )
  })
})
