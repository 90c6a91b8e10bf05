import type { LedgerRow } from '../../../platform/store/tables.ts'
import type { SpendRecord } from '../spend-record.ts'

const dayMs = 86_400_000
let lastDay = Number.NaN
let lastDate = ''

/** `YYYY-MM-DD`, UTC. */
export function dateOf(epoch: number): string {
  const day = Math.floor(epoch / dayMs)
  if (day !== lastDay) {
    lastDate = new Date(day * dayMs).toISOString().slice(0, 10)
    lastDay = day
  }
  return lastDate
}

export const failed = (record: SpendRecord): boolean => record.error !== undefined || record.status >= 400

/** What a record's `details` column holds: everything that is shown with one call but never searched or summed. */
export interface LedgerDetails {
  readonly requested_model: string
  /** `[item, units, nano-dollars]` */
  readonly cost_lines: readonly (readonly [string, number, number])[]
  readonly unpriced?: true
  /** Milliseconds. */
  readonly latency: {
    readonly total: number
    readonly upstream: number
    readonly overhead: number
    readonly ttft?: number | undefined
  }
  readonly attempts: number
  readonly fallbacks: number
  readonly stream: boolean
  readonly address?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

export function ledgerRow(record: SpendRecord): LedgerRow {
  const { caller, tokens } = record
  return {
    id: record.id,
    call_id: record.callId ?? null,
    started_at: record.startedAt,
    ended_at: record.endedAt,
    date: dateOf(record.startedAt),
    route: record.route,
    operation: record.operation,
    status: record.status,
    error: record.error ?? null,
    token: caller.token ?? null,
    key_alias: caller.keyAlias ?? null,
    user_id: caller.userId ?? null,
    team_id: caller.teamId ?? null,
    organization_id: caller.organizationId ?? null,
    project_id: caller.projectId ?? null,
    agent_id: caller.agentId ?? null,
    end_user: caller.endUser ?? null,
    session_id: caller.sessionId ?? null,
    model: record.upstreamModel ?? record.model,
    model_group: record.modelGroup ?? null,
    deployment_id: record.deploymentId ?? null,
    provider: record.provider ?? null,
    cost: record.cost,
    input_tokens: tokens.input,
    output_tokens: tokens.output,
    cache_read_tokens: tokens.cacheRead,
    cache_write_tokens: tokens.cacheWrite,
    reasoning_tokens: tokens.reasoning,
    cache_hit: record.cacheHit ? 1 : 0,
    tags: record.tags.length === 0 ? '[]' : JSON.stringify(record.tags),
    details: detailsOf(record),
  }
}

/** A `LedgerDetails`, written by hand: half the time of `JSON.stringify` of a new object. */
function detailsOf(record: SpendRecord): string {
  const { latency, caller, metadata } = record
  let lines = ''
  for (const { item, units, cost } of record.costLines) {
    lines += `${lines === '' ? '' : ','}[${JSON.stringify(item)},${units},${cost}]`
  }
  return (
    `{"requested_model":${JSON.stringify(record.model)},"cost_lines":[${lines}]${record.unpriced ? ',"unpriced":true' : ''}` +
    `,"latency":{"total":${latency.total},"upstream":${latency.upstream},"overhead":${latency.overhead}` +
    `${latency.ttft === undefined ? '' : `,"ttft":${latency.ttft}`}}` +
    `,"attempts":${record.attempts},"fallbacks":${record.fallbacks},"stream":${record.stream}` +
    `${caller.address === undefined ? '' : `,"address":${JSON.stringify(caller.address)}`}` +
    `${metadata === undefined ? '' : `,"metadata":${JSON.stringify(metadata)}`}}`
  )
}

/** In the order in which `ledgerColumns` of a row are bound. */
export const ledgerColumns = [
  'id',
  'call_id',
  'started_at',
  'ended_at',
  'date',
  'route',
  'operation',
  'status',
  'error',
  'token',
  'key_alias',
  'user_id',
  'team_id',
  'organization_id',
  'project_id',
  'agent_id',
  'end_user',
  'session_id',
  'model',
  'model_group',
  'deployment_id',
  'provider',
  'cost',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cache_hit',
  'tags',
  'details',
] as const satisfies readonly (keyof LedgerRow)[]
