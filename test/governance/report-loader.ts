import { createHash } from 'node:crypto'

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
export const users = 200
export const tags = 10
const models = 20
const batch = 250_000

export const tokenOf = (key: number): string => createHash('sha256').update(`key-${key}`).digest('hex')

/** Statements in order; each is a transaction of its own. */
export function* loading(plan: LoadPlan): Generator<string> {
  yield* objects(plan)
  for (let first = 0; first < plan.rows; first += batch) yield calls(plan, first, Math.min(batch, plan.rows - first))
  yield* dailySums()
  yield dailyErrors
  yield 'update keys set spend = coalesce((select sum(cost) from ledger l where l.token = keys.token), 0)'
  yield 'analyze'
}

const managed = "'{}', 0, null, 0, null"

function* objects({ keys }: LoadPlan): Generator<string> {
  const list = (count: number, row: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => `(${row(index)})`).join(', ')
  const tail = 'settings, created_at, created_by, updated_at, updated_by'
  yield `insert into teams (team_id, team_alias, spend, blocked, ${tail}) values ${list(teams, index => `'team-${index}', 'Team ${index}', 0, 0, ${managed}`)}`
  yield `insert into users (user_id, user_role, spend, blocked, ${tail}) values ${list(users, index => `'user-${index}', 'internal_user', 0, 0, ${managed}`)}`
  yield `insert into keys (token, key_name, key_alias, user_id, team_id, spend, blocked, ${tail}) values ${list(
    keys,
    index =>
      `'${tokenOf(index)}', 'sk-...${index}', 'alias-${index}', 'user-${index % users}', 'team-${index % teams}', 0, 0, ${managed}`,
  )}`
  yield 'create table if not exists load_keys (k integer primary key, token text not null)'
  yield `insert into load_keys values ${list(keys, index => `${index}, '${tokenOf(index)}'`)}`
}

/** Each key uses four of the models; every fiftieth call is refused, every fifth is for a customer. */
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
  const failed = 'i % 50 = 0'
  return `
    insert into ledger (id, started_at, ended_at, date, route, operation, status, error, token, key_alias, user_id, team_id,
      end_user, model, model_group, deployment_id, provider, cost, input_tokens, output_tokens, cache_read_tokens,
      cache_write_tokens, reasoning_tokens, cache_hit, tags, details)
    select 'call-' || (1000000000 + i), at, at + 800, ${day}, '/v1/chat/completions', 'chat',
      case when ${failed} then 429 else 200 end, case when ${failed} then 'rate_limited' end,
      token, 'alias-' || k, 'user-' || (k % ${users}), 'team-' || (k % ${teams}),
      case when i % 5 = 0 then 'customer-' || (k % 500) end,
      'model-' || m, 'group-' || m, 'deployment-' || m, case when m % 2 = 0 then 'openai' else 'anthropic' end,
      case when ${failed} then 0 else (i * 31 % 997 + 1) * 1003 end, 100 + i % 900, i % 500, 0, 0, 0, 0,
      '["tag-' || (k % ${tags}) || '"]',
      '{"requested_model":"group-' || m || '","cost_lines":[["input",100,1000],["output",200,2000]],"latency":{"total":800,"upstream":790,"overhead":10},"attempts":1,"fallbacks":0,"stream":false,"address":"10.0.0.1"}'
    from (select n.i as i, n.k as k, l.token as token, (n.k * 3 + n.i / ${keys} % 4 * 5) % ${models} as m, ${at} as at
      from (select i, i * 7919 % ${keys} as k from (${series}) s) n join load_keys l on l.k = n.k) c`
}

/** What the ingest adds up, entity by entity. */
function* dailySums(): Generator<string> {
  const entities: readonly [entity: string, id: string, where: string][] = [
    ['all', "''", '1 = 1'],
    ['user', "coalesce(user_id, '')", '1 = 1'],
    ['team', "coalesce(team_id, '')", '1 = 1'],
    ['team_member', "team_id || '/' || user_id", 'team_id is not null and user_id is not null'],
    ['end_user', 'end_user', 'end_user is not null'],
    // One tag a call: `["tag-3"]`.
    ['tag', 'substr(tags, 3, length(tags) - 4)', "tags <> '[]'"],
  ]
  for (const [entity, id, where] of entities) {
    const group = 'date, entity_id, token, model, model_group, provider, route'
    yield `
      insert into daily_spend (entity, ${group}, requests, failed_requests,
        cost, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cache_hits,
        cached_output_tokens, duration_ms)
      select '${entity}', ${group}, count(*), sum(case when status >= 400 then 1 else 0 end), sum(cost), sum(input_tokens),
        sum(output_tokens), 0, 0, 0, 0, 0, count(*) * 800
      from (select l.*, ${id} as entity_id from ledger l where ${where}) c group by ${group}`
  }
}

const dailyErrors = `
  insert into daily_errors (date, error, status, model_group, deployment_id, requests)
  select date, error, status, model_group, deployment_id, count(*) from ledger where error is not null
  group by date, error, status, model_group, deployment_id`
