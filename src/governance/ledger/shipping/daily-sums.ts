import type { DailyErrorRow, DailySpendRow } from '../../../platform/store/tables.ts'
import type { SpendRecord } from '../spend-record.ts'
import { dateOf, failed } from './ledger-row.ts'

export const dailyKeyColumns = [
  'date',
  'entity',
  'entity_id',
  'token',
  'model',
  'model_group',
  'provider',
  'route',
] as const satisfies readonly (keyof DailySpendRow)[]

export const dailySumColumns = [
  'requests',
  'failed_requests',
  'cost',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cache_hits',
  'cached_output_tokens',
  'duration_ms',
] as const satisfies readonly (keyof DailySpendRow)[]

export const errorKeyColumns = [
  'date',
  'error',
  'status',
  'model_group',
  'deployment_id',
] as const satisfies readonly (keyof DailyErrorRow)[]

/** Of calls that found no model group: the names callers invent must not become rows. */
export const unknownModel = 'unknown'

/** The daily sums of a batch, one row per key, in the order of the keys: all writers lock rows in that order. */
export function dailySums(records: readonly SpendRecord[]): DailySpendRow[] {
  const rows = new Map<string, DailySpendRow>()
  for (const record of records) {
    const { caller } = record
    add(rows, record, 'all', '')
    // Calls of nobody and of no team have rows, too: reports by user and by team add up to everything.
    add(rows, record, 'user', caller.userId ?? '')
    add(rows, record, 'team', caller.teamId ?? '')
    // `<team>/<user>`, as limits name members; ids of teams are made here and hold no slash.
    if (caller.teamId !== undefined && caller.userId !== undefined) {
      add(rows, record, 'team_member', `${caller.teamId}/${caller.userId}`)
    }
    if (caller.organizationId !== undefined) add(rows, record, 'organization', caller.organizationId)
    if (caller.projectId !== undefined) add(rows, record, 'project', caller.projectId)
    if (caller.agentId !== undefined) add(rows, record, 'agent', caller.agentId)
    if (caller.endUser !== undefined) add(rows, record, 'end_user', caller.endUser)
    for (const tag of new Set(record.tags)) add(rows, record, 'tag', tag)
  }
  return sorted(rows)
}

function add(rows: Map<string, DailySpendRow>, record: SpendRecord, entity: string, id: string): void {
  const { tokens } = record
  const date = dateOf(record.startedAt)
  const token = record.caller.token ?? ''
  const group = record.modelGroup ?? ''
  const model = record.upstreamModel ?? record.modelGroup ?? unknownModel
  const provider = record.provider ?? ''
  const key = `${date}\0${entity}\0${id}\0${token}\0${model}\0${group}\0${provider}\0${record.route}`
  let row = rows.get(key)
  if (row === undefined) {
    row = {
      date,
      entity,
      entity_id: id,
      token,
      model,
      model_group: group,
      provider,
      route: record.route,
      requests: 0,
      failed_requests: 0,
      cost: 0,
      input_tokens: 0,
      output_tokens: 0,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
      reasoning_tokens: 0,
      cache_hits: 0,
      cached_output_tokens: 0,
      duration_ms: 0,
    }
    rows.set(key, row)
  }
  row.requests++
  if (failed(record)) row.failed_requests++
  row.cost += record.cost
  row.input_tokens += tokens.input
  row.output_tokens += tokens.output
  row.cache_read_tokens += tokens.cacheRead
  row.cache_write_tokens += tokens.cacheWrite
  row.reasoning_tokens += tokens.reasoning
  if (record.cacheHit) {
    row.cache_hits++
    row.cached_output_tokens += tokens.output
  }
  row.duration_ms += Math.max(0, Math.round(record.latency.total))
}

export function dailyErrors(records: readonly SpendRecord[]): DailyErrorRow[] {
  const rows = new Map<string, DailyErrorRow>()
  for (const record of records) {
    if (!failed(record)) continue
    const row = {
      date: dateOf(record.startedAt),
      error: record.error ?? `http_${record.status}`,
      status: record.status,
      model_group: record.modelGroup ?? '',
      deployment_id: record.deploymentId ?? '',
      requests: 1,
    }
    const key = `${row.date}\0${row.error}\0${row.status}\0${row.model_group}\0${row.deployment_id}`
    const known = rows.get(key)
    if (known === undefined) rows.set(key, row)
    else known.requests++
  }
  return sorted(rows)
}

function sorted<Row>(rows: Map<string, Row>): Row[] {
  return [...rows.keys()].sort().map(key => rows.get(key) as Row)
}
