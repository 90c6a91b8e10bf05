import { createHash } from 'node:crypto'
import { rollUp } from '../../src/platform/store/migrations/0004-daily-totals.ts'
import type { Books } from './books.ts'

/**
 * A ledger as a busy gateway fills it in ninety days, made by the database itself: every column is arithmetic on the
 * number of the call, so that nothing has to be sent and everything can be summed again from the rows.
 */
export interface LoadPlan {
  readonly dialect: 'sqlite' | 'postgres'
  readonly rows: number
  /** Epoch ms of the first call and of the moment after the last one. */
  readonly from: number
  readonly until: number
  readonly keys: number
}

export const teams = 25
export const organizations = 5
export const users = 200
export const tags = 10
const models = 20
/** Every fifth key is of an application, and calls for so many customers. */
const customersPerKey = 25
const batch = 250_000

export const tokenOf = (key: number): string => createHash('sha256').update(`key-${key}`).digest('hex')

/** Fills an empty database of the gateway: objects, calls, and the sums that the ingest would have kept. */
export async function load(books: Books, plan: LoadPlan): Promise<void> {
  for (const statement of objects(plan)) await books.query(statement)
  if (plan.dialect === 'sqlite') await books.query('pragma synchronous = off')
  else await lastMonths(books, plan)
  await withoutIndexes(books, plan, 'ledger', async () => {
    for (let first = 0; first < plan.rows; first += batch) {
      await books.query(calls(plan, first, Math.min(batch, plan.rows - first)))
    }
  })
  await withoutIndexes(books, plan, 'daily_spend', async () => {
    for (const statement of [...dailySums(plan), dailyErrors, ...rollUp]) await books.query(statement)
  })
  await books.query(`update keys set spend = s.cost from (select token, sum(cost) as cost from daily_spend
    where entity = 'all' and entity_id = '' group by token) s where s.token = keys.token`)
  // A gateway does as much when it ends, and PostgreSQL by itself.
  await books.query(plan.dialect === 'postgres' ? 'vacuum analyze' : 'pragma analysis_limit = 400')
  if (plan.dialect === 'sqlite') await books.query('pragma optimize')
}

/** The months of the past have partitions in a gateway that has lived through them. */
async function lastMonths(books: Books, { from, until }: LoadPlan): Promise<void> {
  const first = new Date(from)
  for (let month = 0; ; month++) {
    const start = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month)
    const end = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month + 1)
    const name = `ledger_${new Date(start).toISOString().slice(0, 7).replace('-', '_')}`
    await books.query(`create table if not exists ${name} partition of ledger for values from (${start}) to (${end})`)
    if (end > until) return
  }
}

/** An index is made in a tenth of the time that keeping it takes. */
async function withoutIndexes(
  books: Books,
  { dialect, rows }: LoadPlan,
  table: string,
  work: () => Promise<void>,
): Promise<void> {
  if (rows < 1_000_000) return work()
  const found = await books.query(
    dialect === 'postgres'
      ? `select i.relname as name, pg_get_indexdef(i.oid) as definition from pg_index x
         join pg_class i on i.oid = x.indexrelid where x.indrelid = '${table}'::regclass and not x.indisprimary`
      : `select name, sql as definition from sqlite_master where type = 'index' and tbl_name = '${table}' and sql is not null`,
  )
  for (const { name } of found) await books.query(`drop index ${name}`)
  await work()
  for (const { definition } of found) await books.query(String(definition).replace(' ON ONLY ', ' ON '))
}

const managed = "'{}', 0, null, 0, null"

function* objects({ keys }: LoadPlan): Generator<string> {
  const list = (count: number, row: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => `(${row(index)})`).join(', ')
  const tail = 'settings, created_at, created_by, updated_at, updated_by'
  yield `insert into organizations (organization_id, organization_alias, spend, ${tail}) values ${list(organizations, index => `'organization-${index}', 'Organization ${index}', 0, ${managed}`)}`
  yield `insert into teams (team_id, team_alias, organization_id, spend, blocked, ${tail}) values ${list(teams, index => `'team-${index}', 'Team ${index}', 'organization-${index % organizations}', 0, 0, ${managed}`)}`
  yield `insert into users (user_id, user_role, spend, blocked, ${tail}) values ${list(users, index => `'user-${index}', 'internal_user', 0, 0, ${managed}`)}`
  yield `insert into keys (token, key_name, key_alias, user_id, team_id, spend, blocked, ${tail}) values ${list(
    keys,
    index =>
      `'${tokenOf(index)}', 'sk-...${index}', 'alias-${index}', 'user-${index % users}', 'team-${index % teams}', 0, 0, ${managed}`,
  )}`
  yield 'create table if not exists load_keys (k integer primary key, token text not null)'
  yield `insert into load_keys values ${list(keys, index => `${index}, '${tokenOf(index)}'`)}`
}

/**
 * Each key uses four of the models; every fiftieth call is refused, every 100,000th fails at the vendor. Every 40,000th
 * has a model and a tag that nothing else has.
 */
function calls({ dialect, rows, from, until, keys }: LoadPlan, first: number, count: number): string {
  const series =
    dialect === 'postgres'
      ? `select i::bigint as i from generate_series(${first}, ${first + count - 1}) as i`
      : `with recursive n(i) as (select ${first} union all select i + 1 from n where i < ${first + count - 1}) select i from n`
  const day =
    dialect === 'postgres'
      ? "to_char(to_timestamp(at / 1000) at time zone 'utc', 'YYYY-MM-DD')"
      : "date(at / 1000, 'unixepoch')"
  const at = `cast(${from} + i * ${(until - from) / rows} as bigint)`
  const status = 'case when i % 50 = 0 then 429 when i % 100000 = 7 then 502 else 200 end'
  const rare = 'i % 40000 = 9'
  return `
    insert into ledger (id, started_at, ended_at, date, route, operation, status, error, token, key_alias, user_id, team_id,
      organization_id, end_user, session_id, model, model_group, deployment_id, provider, cost, input_tokens, output_tokens,
      cache_read_tokens, cache_write_tokens, reasoning_tokens, cache_hit, tags, details)
    select 'call-' || (1000000000 + i), at, at + 800, ${day}, '/v1/chat/completions', 'chat',
      status, case status when 429 then 'rate_limited' when 502 then 'upstream_error' end,
      token, 'alias-' || k, 'user-' || (k % ${users}), 'team-' || (k % ${teams}), 'organization-' || (k % ${organizations}),
      case when k % 5 = 0 then 'customer-' || (k / 5 * ${customersPerKey} + i / ${keys} % ${customersPerKey}) end,
      case when i % 10 < 2 then 'session-' || (i / 10) end,
      'model-' || m, 'group-' || m, 'deployment-' || m, case when k % 2 = 0 then 'openai' else 'anthropic' end,
      case when status > 200 then 0 else (i * 31 % 997 + 1) * 1003 end, 100 + i % 900, i % 500, 0, 0, 0, 0,
      case when ${rare} then '["tag-rare"]' when k % 3 = 0 then '["tag-' || (k % ${tags}) || '","feature-' || (i / ${keys} % 10) || '"]'
        else '["tag-' || (k % ${tags}) || '"]' end,
      '{"requested_model":"group-' || m || '","cost_lines":[["input",100,1000],["output",200,2000]],"latency":{"total":800,"upstream":790,"overhead":10},"attempts":1,"fallbacks":0,"stream":false,"address":"10.0.0.1"}'
    from (select n.i as i, n.k as k, l.token as token, ${status} as status,
      case when ${rare} then 'rare' else cast((n.k * 3 + n.i / ${keys} % 4 * 5) % ${models} as text) end as m, ${at} as at
      from (select i, i * 7919 % ${keys} as k from (${series}) s) n join load_keys l on l.k = n.k) c`
}

/** What the ingest adds up, entity by entity. */
function* dailySums({ dialect }: LoadPlan): Generator<string> {
  const entities: readonly [entity: string, id: string, where: string, from?: string][] = [
    ['all', "''", '1 = 1'],
    ['user', "coalesce(user_id, '')", '1 = 1'],
    ['team', "coalesce(team_id, '')", '1 = 1'],
    ['team_member', "team_id || '/' || user_id", 'team_id is not null and user_id is not null'],
    ['organization', 'organization_id', 'organization_id is not null'],
    ['end_user', 'end_user', 'end_user is not null'],
    [
      'tag',
      't.value',
      '1 = 1',
      dialect === 'postgres' ? 'ledger l, json_array_elements_text(l.tags::json) t' : 'ledger l, json_each(l.tags) t',
    ],
  ]
  for (const [entity, id, where, source = 'ledger l'] of entities) {
    const group = 'date, entity_id, token, model, model_group, provider, route'
    yield `
      insert into daily_spend (entity, ${group}, requests, failed_requests,
        cost, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cache_hits,
        cached_output_tokens, duration_ms)
      select '${entity}', ${group}, count(*), sum(case when status >= 400 then 1 else 0 end), sum(cost), sum(input_tokens),
        sum(output_tokens), 0, 0, 0, 0, 0, count(*) * 800
      from (select l.*, ${id} as entity_id from ${source} where ${where}) c group by ${group} order by ${dialect === 'postgres' ? 'date' : group.replace('date, entity_id', 'entity_id, date')}`
  }
}

const dailyErrors = `
  insert into daily_errors (date, error, status, model_group, deployment_id, requests)
  select date, error, status, model_group, deployment_id, count(*) from ledger where error is not null
  group by date, error, status, model_group, deployment_id`
