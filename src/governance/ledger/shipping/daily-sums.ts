import type { DailyErrorRow, DailySpendRow, DailySums } from '../../../platform/store/tables.ts'
import type { SpendRecord } from '../spend-record.ts'
import { dateOf, failed } from './ledger-row.ts'
import type { Profile } from './profiles.ts'

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
export function dailySums(profiles: Iterable<Profile>): DailySpendRow[] {
  const rows = new Map<string, DailySpendRow>()
  for (const profile of profiles) {
    const { caller, tags } = profile.sample
    add(rows, profile, 'all', '')
    // Calls of nobody and of no team have rows, too: reports by user and by team add up to everything.
    add(rows, profile, 'user', caller.userId ?? '')
    add(rows, profile, 'team', caller.teamId ?? '')
    // `<team>/<user>`, as limits name members; ids of teams are made here and hold no slash.
    if (caller.teamId !== undefined && caller.userId !== undefined) {
      add(rows, profile, 'team_member', `${caller.teamId}/${caller.userId}`)
    }
    if (caller.organizationId !== undefined) add(rows, profile, 'organization', caller.organizationId)
    if (caller.projectId !== undefined) add(rows, profile, 'project', caller.projectId)
    if (caller.agentId !== undefined) add(rows, profile, 'agent', caller.agentId)
    if (caller.endUser !== undefined) {
      add(rows, profile, 'end_user', caller.endUser)
      add(rows, profile, 'every_end_user', '')
    }
    for (const tag of new Set(tags)) {
      add(rows, profile, 'tag', tag)
      add(rows, profile, 'every_tag', '')
    }
  }
  return sorted(rows)
}

function add(rows: Map<string, DailySpendRow>, profile: Profile, entity: string, id: string): void {
  const { sample, date } = profile
  const token = sample.caller.token ?? ''
  const { model, model_group, provider, route } = calledOf(profile)
  const key = `${date}\0${entity}\0${id}\0${token}\0${model}\0${model_group}\0${provider}\0${route}`
  const row = rows.get(key)
  if (row !== undefined) addSums(row, profile)
  else {
    const sums = sumsOf(profile)
    rows.set(key, { date, entity, entity_id: id, token, model, model_group, provider, route, ...sums })
  }
}

/** What was called, as reports name it. */
export const calledOf = ({ sample }: Profile): Pick<DailySpendRow, 'model' | 'model_group' | 'provider' | 'route'> => ({
  model: sample.upstreamModel ?? sample.modelGroup ?? unknownModel,
  model_group: sample.modelGroup ?? '',
  provider: sample.provider ?? '',
  route: sample.route,
})

export const sumsOf = (profile: Profile): DailySums => ({
  requests: profile.requests,
  failed_requests: profile.failedRequests,
  cost: profile.cost,
  input_tokens: profile.inputTokens,
  output_tokens: profile.outputTokens,
  cache_read_tokens: profile.cacheReadTokens,
  cache_write_tokens: profile.cacheWriteTokens,
  reasoning_tokens: profile.reasoningTokens,
  cache_hits: profile.cacheHits,
  cached_output_tokens: profile.cachedOutputTokens,
  duration_ms: profile.durationMs,
})

export function addSums(row: DailySums, profile: Profile): void {
  row.requests += profile.requests
  row.failed_requests += profile.failedRequests
  row.cost += profile.cost
  row.input_tokens += profile.inputTokens
  row.output_tokens += profile.outputTokens
  row.cache_read_tokens += profile.cacheReadTokens
  row.cache_write_tokens += profile.cacheWriteTokens
  row.reasoning_tokens += profile.reasoningTokens
  row.cache_hits += profile.cacheHits
  row.cached_output_tokens += profile.cachedOutputTokens
  row.duration_ms += profile.durationMs
}

/** The failures of a batch by kind. */
export class DailyErrors {
  readonly #rows = new Map<string, DailyErrorRow>()

  add(record: SpendRecord): void {
    if (!failed(record)) return
    const row = {
      date: dateOf(record.startedAt),
      error: record.error ?? `http_${record.status}`,
      status: record.status,
      model_group: record.modelGroup ?? '',
      deployment_id: record.deploymentId ?? '',
      requests: 1,
    }
    const key = `${row.date}\0${row.error}\0${row.status}\0${row.model_group}\0${row.deployment_id}`
    const known = this.#rows.get(key)
    if (known === undefined) this.#rows.set(key, row)
    else known.requests++
  }

  rows(): DailyErrorRow[] {
    return sorted(this.#rows)
  }
}

export function sorted<Row>(rows: Map<string, Row>): Row[] {
  return [...rows.keys()].sort().map(key => rows.get(key) as Row)
}
