import type { SchemaTarget } from './migration.ts'
import { createTable } from './table-shape.ts'

const spenders = [
  'keys',
  'teams',
  'team_members',
  'users',
  'organizations',
  'organization_members',
  'projects',
  'end_users',
  'tags',
]

/** What `spend` sums, what a call was answered from, and failures by kind. */
export function spendPeriods(target: SchemaTarget): readonly string[] {
  const integer = target.dialect === 'postgres' ? 'bigint' : 'integer'
  const text = target.dialect === 'postgres' ? 'text collate "C"' : 'text'
  const add = (table: string, column: string): string =>
    `alter table "${table}" add column "${column}" ${integer} not null default 0`
  return [
    ...spenders.flatMap(table => [add(table, 'spend_since'), add(table, 'spend_base')]),
    add('ledger', 'cache_hit'),
    `alter table "ledger" add column "call_id" ${text}`,
    'create index "ledger_by_call_id" on "ledger" ("call_id") where "call_id" is not null',
    'create index "ledger_by_organization_id_started_at" on "ledger" ("organization_id", "started_at") where "organization_id" is not null',
    add('daily_spend', 'cache_hits'),
    add('daily_spend', 'cached_output_tokens'),
    ...createTable(target, {
      name: 'daily_errors',
      columns: {
        date: 'text',
        error: 'text',
        status: 'integer',
        model_group: 'text',
        deployment_id: 'text',
        requests: 'integer',
      },
      primaryKey: ['date', 'error', 'status', 'model_group', 'deployment_id'],
      clustered: true,
      fillFactor: 70,
    }),
  ]
}
