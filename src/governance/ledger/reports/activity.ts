import { type Kysely, sql } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import { KeyNames } from './key-metadata.ts'
import { sumDaily } from './sums.ts'
import type { SumsQuery } from './sums-query.ts'

/** LiteLLM's `/global/activity…` and `/gateway/daily/activity`. */

type Range = Pick<SumsQuery, 'selections' | 'from' | 'to'>

/** `Jan 22`, as LiteLLM's charts label days. */
const label = (date: string): string =>
  new Date(`${date}T00:00:00Z`).toLocaleDateString('en-US', { month: 'short', day: '2-digit', timeZone: 'UTC' })

const byDate = <T extends { readonly date: string }>(rows: readonly T[]): T[] =>
  [...rows].sort((a, b) => (a.date < b.date ? -1 : 1))

const counted = { only: ['requests', 'input_tokens', 'output_tokens'] } as const

export async function activity(db: Kysely<Tables>, range: Range) {
  return summed(await sumDaily(db, range, ['date'], counted))
}

/** The ten busiest model groups. */
export async function activityPerModel(db: Kysely<Tables>, range: Range) {
  const rows = await sumDaily(db, range, ['date', 'model_group'], counted)
  return [...grouped(rows, row => row.model_group)]
    .map(([model, days]) => ({ model, ...summed(days) }))
    .sort((a, b) => b.sum_api_requests - a.sum_api_requests)
    .slice(0, 10)
}

function summed(rows: readonly { date: string; requests: number; input_tokens: number; output_tokens: number }[]) {
  const daily_data = byDate(rows).map(row => ({
    date: label(row.date),
    api_requests: row.requests,
    total_tokens: row.input_tokens + row.output_tokens,
  }))
  return {
    daily_data,
    sum_api_requests: daily_data.reduce((sum, day) => sum + day.api_requests, 0),
    sum_total_tokens: daily_data.reduce((sum, day) => sum + day.total_tokens, 0),
  }
}

function grouped<T>(rows: readonly T[], nameOf: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const name = nameOf(row)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [row])
    else group.push(row)
  }
  return groups
}

/** Hits of the response cache, and of vendors' prompt caches. `callTypeOf` names a route the way LiteLLM does. */
export async function cacheActivity(db: Kysely<Tables>, range: Range, callTypeOf: (route: string) => string) {
  const rows = await sumDaily(db, range, ['token', 'route', 'model'], {
    only: [
      'requests',
      'failed_requests',
      'output_tokens',
      'cache_hits',
      'cached_output_tokens',
      'cache_read_tokens',
      'cache_write_tokens',
    ],
  })
  const names = await KeyNames.of(
    db,
    rows.map(row => row.token),
  )
  return rows.map(row => ({
    api_key: names.alias(row.token) ?? 'Unnamed Key',
    call_type: callTypeOf(row.route),
    model: row.model,
    total_rows: row.requests,
    cache_hit_true_rows: row.cache_hits,
    failed_rows: row.failed_requests,
    cached_completion_tokens: row.cached_output_tokens,
    generated_completion_tokens: row.output_tokens - row.cached_output_tokens,
    cache_read_input_tokens: row.cache_read_tokens,
    cache_creation_input_tokens: row.cache_write_tokens,
  }))
}

interface ErrorRow {
  readonly date: string
  readonly deployment_id: string
  readonly requests: number
}

/** Calls that ended in 429, of one model group. */
async function rateLimited(db: Kysely<Tables>, from: string, to: string, group: string): Promise<readonly ErrorRow[]> {
  const { rows } = await sql<ErrorRow>`
    select date, deployment_id, cast(sum(requests) as bigint) as requests from daily_errors
    where date >= ${from} and date <= ${to} and model_group = ${group} and status = 429
    group by date, deployment_id
  `.execute(db)
  return rows
}

export async function exceptions(db: Kysely<Tables>, from: string, to: string, group: string) {
  return summedExceptions(await rateLimited(db, from, to, group))
}

/** The ten deployments with most of them. */
export async function exceptionsPerDeployment(db: Kysely<Tables>, from: string, to: string, group: string) {
  return [...grouped(await rateLimited(db, from, to, group), row => row.deployment_id)]
    .map(([api_base, days]) => ({ api_base, ...summedExceptions(days) }))
    .sort((a, b) => b.sum_num_rate_limit_exceptions - a.sum_num_rate_limit_exceptions)
    .slice(0, 10)
}

function summedExceptions(rows: readonly ErrorRow[]) {
  const days = [...grouped(rows, row => row.date)].map(([date, found]) => ({
    date,
    count: found.reduce((sum, row) => sum + row.requests, 0),
  }))
  return {
    daily_data: byDate(days).map(({ date, count }) => ({ date: label(date), num_rate_limit_exceptions: count })),
    sum_num_rate_limit_exceptions: days.reduce((sum, day) => sum + day.count, 0),
  }
}

/** What the gateway answered, by day and by route. */
export async function gatewayActivity(db: Kysely<Tables>, range: Range) {
  const rows = await sumDaily(db, range, ['date', 'route'], { only: ['requests', 'failed_requests'] })
  const counts = (found: readonly { requests: number; failed_requests: number }[]) => ({
    successful_requests: found.reduce((sum, row) => sum + row.requests - row.failed_requests, 0),
    failed_requests: found.reduce((sum, row) => sum + row.failed_requests, 0),
  })
  const total = counts(rows)
  return {
    total_successful_requests: total.successful_requests,
    total_failed_requests: total.failed_requests,
    by_date: byDate([...grouped(rows, row => row.date)].map(([date, found]) => ({ date, ...counts(found) }))),
    by_route: [...grouped(rows, row => row.route)]
      .map(([route, found]) => ({ category: 'llm', route, ...counts(found) }))
      .sort((a, b) => b.successful_requests - a.successful_requests),
  }
}
