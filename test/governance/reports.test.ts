import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { type StreamAnswer, send } from '../harness/http.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import type { Json } from '../upstream/types.ts'
import { type Books, postgresBooks, sqliteBooks } from './books.ts'
import { type LoadPlan, load, tokenOf } from './report-loader.ts'
import { PlanLog } from './report-plans.ts'
import { type ReportRequest, reportRequests, shortName } from './report-requests.ts'
import { api, newKey } from './setup.ts'

/**
 * Calls in the ledger. The sizes that docs/spend.md speaks of, ten to thirty minutes and twenty gigabytes of disk:
 * `REPORT_ROWS=10000000 npx vitest run test/governance/reports.test.ts -t PostgreSQL`, and 2,000,000 with `-t SQLite`.
 */
const rows = Number(process.env['REPORT_ROWS'] ?? 5000)
const large = rows > 1_000_000
const keys = large ? 1000 : 15
/** An answer grows with them; for how it is read they do not matter. */
const days = large ? 90 : 15
const third = days / 3
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
const rangeOf = (back: number): [from: string, to: string] => [dateOf(midnight - (back - 1) * dayMs), dateOf(midnight)]

async function start(dialect: LoadPlan['dialect']): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-reports-'))
  // Large: what a small server has. Small: plans in the log, and every index used that there is.
  const settings: Record<string, string | number> = large
    ? { shared_buffers: '512MB', max_wal_size: '8GB', synchronous_commit: 'off', maintenance_work_mem: '256MB' }
    : {
        session_preload_libraries: 'auto_explain',
        'auto_explain.log_min_duration': 0,
        enable_seqscan: 'off',
        jit: 'off',
      }
  if (dialect === 'postgres') postgres = await startPostgres({ settings })
  gateway = await startGateway({
    config: {
      model_list: [{ model_name: 'm', litellm_params: { model: 'openai/m', api_key: 'sk-none' } }],
      general_settings: { master_key: 'sk-reports-master' },
      routeiq: { log_level: 'warn' },
    },
    env: { ROUTEIQ_DATA_DIR: folder, DATABASE_URL: postgres?.url },
  })
  books = postgres === undefined ? sqliteBooks(join(folder, 'routeiq.db')) : postgresBooks(postgres.url)
  await load(books, { dialect, rows, from: midnight - (days - 1) * dayMs, until: Date.now() - 60_000, keys })
}

async function report(path: string, method: 'GET' | 'POST' = 'GET'): Promise<Json> {
  const sent = await api(gateway!, method, path, method === 'POST' ? {} : undefined)
  expect(sent.status, `${path}: ${sent.text.slice(0, 500)}`).toBe(200)
  return sent.json!
}
const list = async (path: string, method?: 'POST'): Promise<Json[]> => (await report(path, method)) as unknown as Json[]

async function ask({ path, method, body, asUser }: ReportRequest, userKey: string): Promise<StreamAnswer> {
  const answer = await send(`${gateway!.url}${path}`, {
    method: method ?? 'GET',
    headers: { authorization: `Bearer ${asUser === true ? userKey : gateway!.key}` },
    ...(body === undefined ? {} : { body }),
  })
  expect(answer.status, `${path}: ${answer.text.slice(0, 500)}`).toBe(200)
  return answer
}

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
/** Asks again from where the search stopped, as the documentation says, until all of the range was looked at. */
async function searchAll(from: string, to: string, filter: string) {
  let end = to
  let total = 0
  let first: { data: Json[]; total: number } | undefined
  for (let looks = 1; ; looks++) {
    const path = `/spend/logs/v2?start_date=${from}&end_date=${encodeURIComponent(end)}&${filter}&page_size=50`
    const page = await report(path)
    total += Number(page['total'])
    first ??= { data: page['data'] as Json[], total: Number(page['total']) }
    const stopped = page['search_stopped_at'] as string | null
    if (stopped === null) return { total, looks, first: first.data, firstTotal: first.total }
    expect(Date.parse(stopped), `${filter}: goes back in time`).toBeLessThan(looks === 1 ? Date.now() : Date.parse(end))
    end = stopped
  }
}
const dollars = (nano: number): number => nano / 1e9
const total = (list: readonly Json[], field: string): number => list.reduce((sum, row) => sum + Number(row[field]), 0)

const databases = [
  { name: 'SQLite', dialect: 'sqlite' as const, skip: false },
  { name: 'PostgreSQL', dialect: 'postgres' as const, skip: !services.postgres },
].filter(({ skip }) => !skip)

describe.each(databases)(`reports over ${rows} calls in $name`, ({ name, dialect }) => {
  it('say what the ledger says, and read no more than they show', {
    timeout: large ? 7_200_000 : 120_000,
  }, async () => {
    await start(dialect)
    for (const back of [third, days]) await agree(back)
    const month = await ledger(`date > '${dateOf(midnight - 30 * dayMs)}'`)
    expect(Number((await report('/global/spend'))['spend'])).toBeCloseTo(dollars(month.cost), 6)
    expect(total(await list('/global/spend/logs'), 'spend')).toBeCloseTo(dollars(month.cost), 6)
    expect((await list('/global/spend/keys')).length).toBeGreaterThan(0)
    expect((await list('/global/spend/models')).length).toBeGreaterThan(0)
    expect((await list('/global/spend/end_users', 'POST')).length).toBeGreaterThan(0)
    expect(await report('/v1/routeiq/reconciliation?scope=key')).toMatchObject({ differing: 0 })

    const userKey = await newKey(gateway!, { user_id: 'user-7', team_id: 'team-7' })
    if (large) await timed(name, userKey)
    else if (dialect === 'postgres') await planned(userKey)
  })
})

async function agree(back: number): Promise<void> {
  const [from, to] = rangeOf(back)
  const range = `start_date=${from}&end_date=${to}`
  const inRange = `date >= '${from}'`
  const all = await ledger(inRange)
  expect(all.requests).toBeGreaterThan(rows / 4)

  const whole = await report(`/user/daily/activity/aggregated?${range}`)
  expect(whole['metadata']).toMatchObject({ total_api_requests: all.requests, total_failed_requests: all.failed })
  expect(Number((whole['metadata'] as Json)['total_spend'])).toBeCloseTo(dollars(all.cost), 6)
  expect((whole['results'] as Json[]).length).toBe(back)

  for (const [path, where] of [
    [`/team/daily/activity/aggregated?${range}&team_ids=team-3`, "team_id = 'team-3'"],
    [`/team/daily/activity/aggregated?${range}&exclude_team_ids=team-3,team-4`, "team_id not in ('team-3', 'team-4')"],
    [`/organization/daily/activity/aggregated?${range}`, '1 = 1'],
    [
      `/organization/daily/activity/aggregated?${range}&organization_ids=organization-2`,
      "organization_id = 'organization-2'",
    ],
    [`/user/daily/activity/aggregated?${range}&user_id=user-7`, "user_id = 'user-7'"],
    [`/user/daily/activity/aggregated?${range}&api_key=${tokenOf(11)}`, `token = '${tokenOf(11)}'`],
    [`/user/daily/activity/aggregated?${range}&model=model-4`, "model = 'model-4'"],
    [`/customer/daily/activity/aggregated?${range}`, 'end_user is not null'],
    [`/customer/daily/activity/aggregated?${range}&end_user_ids=customer-5`, "end_user = 'customer-5'"],
    [`/customer/daily/activity/aggregated?${range}&model=model-5`, "end_user is not null and model = 'model-5'"],
    [`/tag/daily/activity/aggregated?${range}&tags=tag-2`, `tags like '%"tag-2"%'`],
    [`/team/daily/activity/aggregated?${range}`, '1 = 1'],
  ] as const) {
    const expected = await ledger(`${inRange} and ${where}`)
    const answer = await report(path)
    const metadata = answer['metadata'] as Json
    expect(expected.requests, path).toBeGreaterThan(0)
    expect(metadata['total_api_requests'], path).toBe(expected.requests)
    expect(Number(metadata['total_spend']), path).toBeCloseTo(dollars(expected.cost), 6)
    expect(metadata['total_tokens'], path).toBe(expected.tokens)
  }
  // Each page once is everything, newest day first.
  for (const path of [`/team/daily/activity?${range}`, `/customer/daily/activity?${range}&model=model-5`]) {
    let requests = 0
    let pages = 1
    const seen: string[] = []
    for (let page = 1; page <= Math.min(pages, 200); page++) {
      const { metadata, results } = (await report(`${path}&page_size=1000&page=${page}`)) as {
        metadata: Json
        results: Json[]
      }
      pages = Number(metadata['total_pages'])
      requests += Number(metadata['total_api_requests'])
      seen.push(...results.map(day => String(day['date'])))
      if (large) break
    }
    expect(seen).toEqual([...seen].sort().reverse())
    const where = path.includes('customer') ? "end_user is not null and model = 'model-5'" : '1 = 1'
    if (!large) expect(requests, path).toBe((await ledger(`${inRange} and ${where}`)).requests)
  }

  const activity = await report(`/global/activity?${range}`)
  expect([activity['sum_api_requests'], activity['sum_total_tokens']]).toEqual([all.requests, all.tokens])
  expect(total(await list(`/global/spend/provider?${range}`), 'spend')).toBeCloseTo(dollars(all.cost), 6)
  expect((await list(`/global/spend/report?${range}`)).length).toBe(back)
  const perDay = await list(`/spend/logs?${range}`)
  expect(total(perDay, 'spend')).toBeCloseTo(dollars(all.cost), 6)
  const byTeam = (await report(`/global/spend/teams?${range}`))['total_spend_per_team'] as Json[]
  expect(byTeam.length).toBe(10)
  const tagged = (await report(`/global/spend/tags?${range}&tags=tag-1,tag-2`))['spend_per_tag'] as Json[]
  const withTags = await ledger(`${inRange} and (tags like '%"tag-1"%' or tags like '%"tag-2"%')`)
  expect(total(tagged, 'log_count')).toBe(withTags.requests)

  // Lists: the whole of it where that is few, and what is left out is said.
  for (const [filter, where] of [
    [`api_key=${tokenOf(11)}`, `token = '${tokenOf(11)}'`],
    ['key_alias=alias-11', `token = '${tokenOf(11)}'`],
    ['model=model-rare', "model = 'model-rare'"],
    ['model_group=group-rare', "model_group = 'group-rare'"],
    ['tag=tag-rare', `tags like '%"tag-rare"%'`],
    ['tag=tag-rare&model=model-4', '1 = 0'],
    ['team_id=team-3&model=model-rare', "team_id = 'team-3' and model = 'model-rare'"],
    ['error=upstream_error', "error = 'upstream_error'"],
    ['error_code=502', 'status = 502'],
    ['end_user=customer-5', "end_user = 'customer-5'"],
    ['tag=no-such', '1 = 0'],
  ] as const) {
    const expected = (await ledger(`${inRange} and ${where}`)).requests
    const found = await searchAll(from, to, filter)
    expect(found.total, filter).toBe(Math.min(expected, 10_000))
    expect(found.first.length, filter).toBe(Math.min(found.firstTotal, 50))
    // Few calls among a hundred thousand a day of the same model may take more than one look.
    if (!large) expect(found.looks, filter).toBe(1)
  }
  const page = await report(`/spend/logs/v2?${range}&min_spend=5`)
  expect(page).toMatchObject({ data: [], total: 0, total_is_capped: large })
  expect(page['search_stopped_at'] === null).toBe(!large)
}

/** The table of docs/spend.md. The best of three: the first one warms what the second finds. */
async function timed(name: string, userKey: string): Promise<void> {
  const times: [best: number, first: number, what: string][] = []
  for (const back of [third, days]) {
    for (const request of reportRequests(...rangeOf(back))) {
      const took: number[] = []
      for (let attempt = 0; attempt < 3; attempt++) {
        const startedAt = performance.now()
        await ask(request, userKey)
        took.push(performance.now() - startedAt)
      }
      times.push([Math.min(...took), took[0]!, `${back} days  ${shortName(request)}`])
    }
  }
  times.sort(([a], [b]) => b - a)
  const ms = (value: number): string => Math.round(value).toString().padStart(6)
  const lines = times.map(([best, first, what]) => `${ms(best)} ${ms(first)}  ${what}`)
  console.info(`${name}, ${rows} calls, milliseconds (best, first)\n${lines.join('\n')}`)
  expect(times.filter(([best]) => best > 1000).map(([best, , what]) => `${ms(best)} ${what}`)).toEqual([])
}

/** Reports about everybody read no call, and no more sums than they must: not the time is looked at but the plan. */
async function planned(userKey: string): Promise<void> {
  const log = new PlanLog(postgres!, books!)
  await log.mark()
  for (const request of reportRequests(...rangeOf(third))) {
    // Of a later page nothing is planned otherwise.
    if (request.path.includes('page=2')) continue
    await ask(request, userKey)
    const reads = await log.mark()
    const what = shortName(request)
    if (!request.path.startsWith('/spend/users') && !request.path.startsWith('/spend/keys')) {
      expect(reads.length, `${what} reads something`).toBeGreaterThan(0)
    }
    const aboutCalls = request.path.startsWith('/spend/logs')
    for (const { table, condition, plan } of reads) {
      if (!aboutCalls) expect(table, `${what}\n${plan}`).not.toMatch(/^ledger/)
      // Without a range it is the newest calls that are asked for, and the index is read from its end.
      if (request.path.includes('start_date')) expect(condition, `${what}\n${plan}`).toBe(true)
    }
  }
}
