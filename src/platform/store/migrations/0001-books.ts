import type { TableShape } from './table-shape.ts'

const counts = {
  cost: 'integer',
  input_tokens: 'integer',
  output_tokens: 'integer',
  cache_read_tokens: 'integer',
  cache_write_tokens: 'integer',
  reasoning_tokens: 'integer',
} as const

/**
 * The key is (id, started_at) on both databases. PostgreSQL demands it: a unique key of a partitioned table must hold
 * the partition column. It is as good as the id alone, because `started_at` is part of the record and never computed
 * when it is shipped: the same record always meets its own row again. It is better than the id alone where a caller
 * chose the id and uses it twice: two calls, two rows.
 */
const ledger: TableShape = {
  name: 'ledger',
  columns: {
    id: 'text',
    started_at: 'integer',
    ended_at: 'integer',
    date: 'text',
    route: 'text',
    operation: 'text',
    status: 'integer',
    error: 'text?',
    token: 'text?',
    key_alias: 'text?',
    user_id: 'text?',
    team_id: 'text?',
    organization_id: 'text?',
    project_id: 'text?',
    agent_id: 'text?',
    end_user: 'text?',
    session_id: 'text?',
    model: 'text',
    model_group: 'text?',
    deployment_id: 'text?',
    provider: 'text?',
    ...counts,
    tags: 'text',
    details: 'text',
  },
  primaryKey: ['id', 'started_at'],
  indexes: [
    ['started_at'],
    ['token', 'started_at'],
    ['team_id', 'started_at'],
    ['user_id', 'started_at'],
    ['end_user', 'started_at'],
    ['session_id'],
  ],
  partitionedBy: 'started_at',
}

const ledgerBodies: TableShape = {
  name: 'ledger_bodies',
  columns: { id: 'text', started_at: 'integer', request: 'text?', response: 'text?', expires_at: 'integer' },
  primaryKey: ['id', 'started_at'],
  indexes: [['expires_at']],
  partitionedBy: 'started_at',
}

/** The key begins with what reports ask for, so that it is their index, and one on (entity, entity_id, date) is not needed. */
const dailySpend: TableShape = {
  name: 'daily_spend',
  columns: {
    date: 'text',
    entity: 'text',
    entity_id: 'text',
    token: 'text',
    model: 'text',
    model_group: 'text',
    provider: 'text',
    route: 'text',
    requests: 'integer',
    failed_requests: 'integer',
    ...counts,
    duration_ms: 'integer',
  },
  primaryKey: ['entity', 'entity_id', 'date', 'token', 'model', 'model_group', 'provider', 'route'],
  indexes: [['token', 'entity', 'date']],
  clustered: true,
  fillFactor: 70,
}

export const books: readonly TableShape[] = [
  ledger,
  ledgerBodies,
  dailySpend,
  {
    name: 'audit',
    columns: {
      seq: 'integer',
      id: 'text',
      at: 'integer',
      actor: 'text',
      actor_token: 'text?',
      address: 'text?',
      action: 'text',
      object_kind: 'text',
      object_id: 'text',
      outcome: 'text',
      before: 'text?',
      after: 'text?',
      details: 'text?',
      previous_hash: 'text',
      hash: 'text',
    },
    primaryKey: ['seq'],
    unique: [['id']],
    indexes: [['at'], ['object_kind', 'object_id', 'at'], ['actor', 'at']],
  },
  {
    name: 'sink_cursors',
    columns: { sink: 'text', seq: 'integer', hash: 'text?', pending_seq: 'integer?', updated_at: 'integer' },
    primaryKey: ['sink'],
  },
]
