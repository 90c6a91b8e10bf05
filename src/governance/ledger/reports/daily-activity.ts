import { type Kysely, sql } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Tables } from '../../../platform/store/tables.ts'
import { dailyRows, maxLeafed } from './daily-rows.ts'
import { dearestOnly } from './dearest.ts'
import { type KeyMetadata, KeyNames, namesOf } from './key-metadata.ts'
import { addSums, metricsOf, noMetrics, type SpendMetrics, shownSums } from './spend-metrics.ts'
import { from, type Sums, sumDaily } from './sums.ts'
import type { Entity, Selection, SumsQuery } from './sums-query.ts'

export interface KeyMetric {
  metrics: SpendMetrics
  metadata: KeyMetadata
}

export interface Metric {
  metrics: SpendMetrics
  metadata: Record<string, unknown>
  api_key_breakdown: Record<string, KeyMetric>
}

export interface Breakdown {
  mcp_servers: Record<string, Metric>
  models: Record<string, Metric>
  model_groups: Record<string, Metric>
  providers: Record<string, Metric>
  endpoints: Record<string, Metric>
  api_keys: Record<string, KeyMetric>
  entities: Record<string, Metric>
}

export interface ActivityDay {
  date: string
  metrics: SpendMetrics
  breakdown: Breakdown
}

export interface DailyActivity {
  results: ActivityDay[]
  metadata: Record<string, number | boolean>
}

export interface ActivityQuery extends SumsQuery {
  /** Entity the breakdown names; undefined: none. */
  readonly shown: Exclude<Entity, 'all' | 'team_member'> | undefined
  /** Where the breakdown by entity is read, when it is not where the sums are. */
  readonly entitySelections?: readonly Selection[] | undefined
  /** Keys named in breakdowns, those that cost most; totals cover every key. */
  readonly keyLimit: number
}

const nameTable = {
  user: 'users',
  team: 'teams',
  organization: 'organizations',
  end_user: 'end_users',
  project: 'projects',
} as const

/** How reports name the calls of administrators, which belong to no key. */
export const masterKey = 'master_key'

/** Days times keys times what they called: an answer of some 12 MB. */
const maxKeyRows = 10_000

/**
 * Days with totals and breakdowns: LiteLLM's `…/daily/activity/aggregated`. Grouped reads of the daily sums: what was
 * called, by which keys, for whom.
 */
export async function dailyActivity(db: Kysely<Tables>, query: ActivityQuery): Promise<DailyActivity> {
  const [called, topKeys, entities] = await Promise.all([
    sumDaily(db, query, ['date', 'model', 'model_group', 'provider', 'route'], { only: shownSums }),
    sumDaily(db, query, ['token'], { limit: query.keyLimit + 1, only: ['cost'] }),
    dearestEntities(db, query),
  ])
  const { byKey, tokens } = await byDearestKeys(
    db,
    query,
    topKeys.slice(0, query.keyLimit).map(({ token }) => token),
  )
  const [keys, names] = await Promise.all([
    KeyNames.of(db, tokens),
    entityNames(
      db,
      query.shown,
      entities.map(row => row.entity_id),
    ),
  ])

  const report = new ActivityReport(query.shown, keys, names)
  for (const row of called) report.addCalled(row)
  for (const row of byKey) report.addKey(row)
  for (const row of entities) report.addEntity(row)
  return report.finish({
    page: 1,
    total_pages: 1,
    has_more: false,
    api_key_limit: query.keyLimit,
    // One more than the limit is looked for, not all: "more than" is what the number is for.
    total_api_keys: topKeys.length,
    shown_api_keys: tokens.length,
  })
}

type KeyRow = CalledRow & { readonly token: string }

/** Of the keys that cost most, as many as one answer holds with everything they called. */
async function byDearestKeys(
  db: Kysely<Tables>,
  query: ActivityQuery,
  dearest: readonly string[],
): Promise<{ readonly byKey: readonly KeyRow[]; readonly tokens: readonly string[] }> {
  const of = (tokens: readonly string[]): SumsQuery => ({
    ...query,
    selections: query.selections.map(selection => ({ ...selection, tokens })),
  })
  const { rows } = await sql<{ token: string; combinations: number }>`
    select token, count(*) as combinations from ${from(db, of(dearest), ['token'])} group by token
  `.execute(db)
  const sizes = new Map(rows.map(({ token, combinations }) => [token, combinations]))
  let left = maxKeyRows
  const tokens = dearest.filter((token, index) => {
    left -= sizes.get(token) ?? 0
    return left >= 0 || index === 0
  })
  const byKey = await sumDaily(db, of(tokens), ['date', 'token', 'model', 'model_group', 'provider', 'route'], {
    only: shownSums,
  })
  return { byKey, tokens }
}

/** Those that cost most, each with all of its days. */
async function dearestEntities(
  db: Kysely<Tables>,
  query: ActivityQuery,
): Promise<(Sums & Record<'date' | 'entity_id', string>)[]> {
  if (query.shown === undefined) return []
  const selections = query.entitySelections ?? query.selections
  const dearest = await dearestOnly<SumsQuery>(db, { ...query, selections })
  return sumDaily(db, dearest, ['date', 'entity_id'], { only: shownSums })
}

/**
 * The same by pages of daily sums, LiteLLM's `…/daily/activity`: each page holds the days and breakdowns of its own rows,
 * and whoever reads all pages adds them up.
 */
export async function dailyActivityPage(
  db: Kysely<Tables>,
  query: ActivityQuery,
  page: number,
  pageSize: number,
): Promise<DailyActivity> {
  if ((page - 1) * pageSize >= maxLeafed) {
    throw new GatewayError(
      'invalid_request',
      `'page' goes beyond the first ${maxLeafed} rows. Ask for a shorter range, or for …/daily/activity/aggregated.`,
      { param: 'page' },
    )
  }
  const { rows, total, capped } = await dailyRows(db, query, page, pageSize)
  const [keys, names] = await Promise.all([
    KeyNames.of(
      db,
      rows.map(row => row.token),
    ),
    entityNames(
      db,
      query.shown,
      rows.map(row => row.entity_id),
    ),
  ])
  const report = new ActivityReport(query.shown, keys, names)
  for (const row of rows) {
    report.addCalled(row)
    report.addKey(row)
    if (query.shown !== undefined) report.addEntity(row)
  }
  return report.finish({
    page,
    total_pages: Math.ceil(total / pageSize),
    has_more: page * pageSize < total,
    total_is_capped: capped,
  })
}

type CalledRow = Sums & Record<'date' | 'model' | 'model_group' | 'provider' | 'route', string>

class ActivityReport {
  readonly #days = new Map<string, ActivityDay>()
  readonly #totals = noMetrics()
  readonly #shown: ActivityQuery['shown']
  readonly #keys: KeyNames
  readonly #names: ReadonlyMap<string, string>

  constructor(shown: ActivityQuery['shown'], keys: KeyNames, names: ReadonlyMap<string, string>) {
    this.#shown = shown
    this.#keys = keys
    this.#names = names
  }

  addCalled(row: CalledRow): void {
    addSums(this.#totals, row)
    const day = dayOf(this.#days, row.date)
    addSums(day.metrics, row)
    for (const [part, name] of partsOf(row)) addSums(metricIn(day.breakdown[part], name).metrics, row)
  }

  addKey(row: CalledRow & { readonly token: string }): void {
    const { breakdown } = dayOf(this.#days, row.date)
    addSums(keyIn(breakdown.api_keys, row.token, this.#keys).metrics, row)
    for (const [part, name] of partsOf(row)) {
      addSums(keyIn(metricIn(breakdown[part], name).api_key_breakdown, row.token, this.#keys).metrics, row)
    }
  }

  addEntity(row: Sums & Record<'date' | 'entity_id', string>): void {
    const id = shownId(row.entity_id, this.#shown)
    const entity = metricIn(dayOf(this.#days, row.date).breakdown.entities, id)
    addSums(entity.metrics, row)
    Object.assign(entity.metadata, nameMetadata(this.#shown, this.#names.get(id)))
  }

  finish(paging: Record<string, number | boolean>): DailyActivity {
    return {
      results: [...this.#days.values()].sort((a, b) => (a.date < b.date ? 1 : -1)),
      metadata: { ...totalsOf(this.#totals), ...paging },
    }
  }
}

/** The parts of a breakdown that a combination belongs to. Providers are named `unknown` where there was none. */
function partsOf(
  row: Record<'model' | 'model_group' | 'provider' | 'route', string>,
): [keyof Omit<Breakdown, 'api_keys'>, string][] {
  const parts: [keyof Omit<Breakdown, 'api_keys'>, string][] = [['providers', row.provider || 'unknown']]
  if (row.model !== '') parts.push(['models', row.model])
  if (row.model_group !== '' || row.model !== '') parts.push(['model_groups', row.model_group || row.model])
  if (row.route !== '') parts.push(['endpoints', row.route])
  return parts
}

/** A member's sums show under the member's team. */
function shownId(id: string, shown: ActivityQuery['shown']): string {
  if (id === '') return 'Unassigned'
  return shown === 'team' && id.includes('/') ? id.slice(0, id.indexOf('/')) : id
}

function nameMetadata(shown: ActivityQuery['shown'], name: string | undefined): Record<string, unknown> {
  if (name === undefined) return {}
  switch (shown) {
    case 'user':
      return { user_email: name }
    case 'team':
      return { team_alias: name, alias: name }
    case 'organization':
      return { organization_alias: name, alias: name }
    default:
      return { alias: name }
  }
}

function entityNames(
  db: Kysely<Tables>,
  shown: ActivityQuery['shown'],
  ids: readonly string[],
): Promise<Map<string, string>> {
  if (shown === undefined || shown === 'tag' || shown === 'agent') return Promise.resolve(new Map())
  return namesOf(
    db,
    nameTable[shown],
    ids.map(id => shownId(id, shown)),
  )
}

function dayOf(days: Map<string, ActivityDay>, date: string): ActivityDay {
  let day = days.get(date)
  if (day === undefined) {
    const breakdown = {
      mcp_servers: {},
      models: {},
      model_groups: {},
      providers: {},
      endpoints: {},
      api_keys: {},
      entities: {},
    }
    day = { date, metrics: noMetrics(), breakdown }
    days.set(date, day)
  }
  return day
}

function metricIn(part: Record<string, Metric>, name: string): Metric {
  const known = own(part, name)
  if (known !== undefined) return known
  const metric = { metrics: noMetrics(), metadata: {}, api_key_breakdown: {} }
  put(part, name, metric)
  return metric
}

function keyIn(part: Record<string, KeyMetric>, token: string, keys: KeyNames): KeyMetric {
  const name = token === '' ? masterKey : token
  const known = own(part, name)
  if (known !== undefined) return known
  const metric = { metrics: noMetrics(), metadata: keys.get(token) }
  put(part, name, metric)
  return metric
}

/** Names come from callers: `__proto__` is one like any other. */
const own = <T>(part: Record<string, T>, name: string): T | undefined =>
  Object.hasOwn(part, name) ? part[name] : undefined
const put = <T>(part: Record<string, T>, name: string, value: T): void => {
  Object.defineProperty(part, name, { value, enumerable: true, configurable: true, writable: true })
}

export function totalsOf(totals: SpendMetrics): Record<string, number> {
  return {
    total_spend: totals.spend,
    total_prompt_tokens: totals.prompt_tokens,
    total_completion_tokens: totals.completion_tokens,
    total_tokens: totals.total_tokens,
    total_api_requests: totals.api_requests,
    total_successful_requests: totals.successful_requests,
    total_failed_requests: totals.failed_requests,
    total_cache_read_input_tokens: totals.cache_read_input_tokens,
    total_cache_creation_input_tokens: totals.cache_creation_input_tokens,
    total_response_time_ms: totals.total_response_time_ms,
    total_timed_requests: totals.timed_requests,
  }
}

/** Days only, for reports that need no breakdown, oldest first. */
export async function dailyTotals(
  db: Kysely<Tables>,
  query: SumsQuery,
): Promise<{ date: string; metrics: SpendMetrics; sums: Sums }[]> {
  const rows = await sumDaily(db, query, ['date'])
  return rows
    .map(row => ({ date: row.date, metrics: metricsOf(row), sums: row }))
    .sort((a, b) => (a.date < b.date ? -1 : 1))
}
