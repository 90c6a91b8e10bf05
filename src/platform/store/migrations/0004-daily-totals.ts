import type { SchemaTarget } from './migration.ts'
import { createTable, type TableShape } from './table-shape.ts'

const keyColumns = ['entity', 'entity_id', 'date', 'token', 'model', 'model_group', 'provider', 'route'] as const

const sums = {
  requests: 'integer',
  failed_requests: 'integer',
  cost: 'integer',
  input_tokens: 'integer',
  output_tokens: 'integer',
  cache_read_tokens: 'integer',
  cache_write_tokens: 'integer',
  reasoning_tokens: 'integer',
  cache_hits: 'integer',
  cached_output_tokens: 'integer',
  duration_ms: 'integer',
} as const

/** Its key begins with the day: reports about everybody read a stretch of it, however far back the books go. */
const dailyTotals: TableShape = {
  name: 'daily_totals',
  columns: {
    date: 'text',
    entity: 'text',
    entity_id: 'text',
    model: 'text',
    model_group: 'text',
    provider: 'text',
    route: 'text',
    ...sums,
  },
  primaryKey: ['entity', 'date', 'entity_id', 'model', 'model_group', 'provider', 'route'],
  clustered: true,
  fillFactor: 70,
}

/** Entities that have the rows of `daily_spend` to themselves on PostgreSQL; the others share one partition. */
const partitions = [
  'all',
  'user',
  'team',
  'team_member',
  'organization',
  'end_user',
  'tag',
  'every_tag',
  'every_end_user',
]

/**
 * Sums without keys, for reports that tell none apart, and sums of all tags and all customers; ways to them by key and id,
 * and by model. On PostgreSQL the rows of an entity come to lie together: a report over everything reads a tenth of the
 * table. And ways to the calls that failed: few do, so they cost next to nothing.
 */
export function dailyTotalsStep(target: SchemaTarget): readonly string[] {
  return [
    ...(target.dialect === 'postgres' ? partitioned() : ['drop index "daily_spend_by_token_entity_date"']),
    ...['token', 'model'].map(
      first =>
        `create index "daily_spend_by_${first}_entity_entity_id_date" on "daily_spend" ("${first}", "entity", "entity_id", "date")`,
    ),
    ...failedCalls,
    ...createTable(target, dailyTotals),
    ...rollUp,
  ]
}

/** Queries say it in these words, or the indexes are not seen. */
const failedCall = '("error" is not null or "status" >= 400)'

const failedCalls = [['started_at'], ['error', 'started_at'], ['status', 'started_at']].map(
  columns =>
    `create index "ledger_failed_by_${columns.join('_')}" on "ledger" (${columns.map(name => `"${name}"`).join(', ')}) where ${failedCall}`,
)

function partitioned(): readonly string[] {
  const columns = [...keyColumns, ...Object.keys(sums)].map(name => `"${name}"`).join(', ')
  const part = (name: string, values: string): string =>
    `create table "daily_spend_${name}" partition of "daily_spend" ${values} with (fillfactor = 70)`
  return [
    'alter table "daily_spend" rename to "daily_spend_before"',
    'alter table "daily_spend_before" rename constraint "daily_spend_primary_key" to "daily_spend_before_primary_key"',
    'create table "daily_spend" (like "daily_spend_before") partition by list ("entity")',
    ...partitions.map(name => part(name, `for values in ('${name}')`)),
    part('default', 'default'),
    `insert into "daily_spend" (${columns}) select ${columns} from "daily_spend_before" order by "date"`,
    'drop table "daily_spend_before"',
    `alter table "daily_spend" add constraint "daily_spend_primary_key" primary key (${keyColumns.map(name => `"${name}"`).join(', ')})`,
  ]
}

const summed = Object.keys(sums)
  .map(name => `sum("${name}")`)
  .join(', ')
const sumNames = Object.keys(sums)
  .map(name => `"${name}"`)
  .join(', ')
const called = '"model", "model_group", "provider", "route"'

const total = (entity: string, id: string, calledBy: string, from: string, group: string): string =>
  `insert into "daily_totals" ("entity", "entity_id", "date", ${called}, ${sumNames}) ` +
  `select ${entity}, ${id}, "date", ${calledBy}, ${summed} from "daily_spend" where "entity" ${from} group by ${group}`

/** What the ingest would have kept, made of the sums that are there. */
export const rollUp: readonly string[] = [
  ...['tag', 'end_user'].map(
    kind =>
      `insert into "daily_spend" ("entity", "entity_id", "date", "token", ${called}, ${sumNames}) ` +
      `select 'every_${kind}', '', "date", "token", ${called}, ${summed} from "daily_spend" where "entity" = '${kind}' ` +
      `group by "date", "token", ${called}`,
  ),
  total("'all'", "''", called, "= 'all'", `"date", ${called}`),
  ...['organization', 'project', 'agent', 'tag', 'end_user'].map(kind =>
    total(`'every_${kind}'`, "''", called, `= '${kind}'`, `"date", ${called}`),
  ),
  ...['user', 'team', 'team_member', 'organization', 'project', 'agent', 'tag', 'end_user'].map(kind =>
    total(`'${kind}'`, '"entity_id"', "'', '', '', ''", `= '${kind}'`, '"date", "entity_id"'),
  ),
]
