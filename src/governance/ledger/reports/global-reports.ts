import type { Kysely } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import { masterKey } from './daily-activity.ts'
import { dearestKeysOnly, dearestOnly } from './dearest.ts'
import { KeyNames, namesOf } from './key-metadata.ts'
import { addDollars, dollars } from './spend-metrics.ts'
import { datesOf, isEverybody } from './sum-source.ts'
import { sumDaily } from './sums.ts'
import type { Selection, SumsQuery } from './sums-query.ts'

/** LiteLLM's `/global/spend/…` and `/spend/…` reports that are made of sums, each with its field names. */

export type Range = Pick<SumsQuery, 'selections' | 'from' | 'to'>

const shownToken = (token: string): string => (token === '' ? masterKey : token)

/** `/global/spend/logs`: dollars per day, oldest first; with `api_key` where one was asked for. */
export async function spendPerDay(db: Kysely<Tables>, range: Range, apiKey: string | undefined) {
  const rows = await sumDaily(db, range, ['date'], { only: ['cost'] })
  return rows
    .map(row => ({ date: row.date, spend: dollars(row.cost), ...(apiKey === undefined ? {} : { api_key: apiKey }) }))
    .sort((a, b) => (a.date < b.date ? -1 : 1))
}

export async function totalSpend(db: Kysely<Tables>, range: Range): Promise<number> {
  const [row] = await sumDaily(db, range, [], { only: ['cost'] })
  return row === undefined ? 0 : dollars(row.cost)
}

export async function topKeys(db: Kysely<Tables>, range: Range, limit: number) {
  const rows = await sumDaily(db, range, ['token'], { limit, only: ['cost'] })
  const tokens = rows.map(row => row.token).filter(token => token !== '')
  const named =
    tokens.length === 0
      ? []
      : await db.selectFrom('keys').select(['token', 'key_alias', 'key_name']).where('token', 'in', tokens).execute()
  const byToken = new Map(named.map(key => [key.token, key]))
  return rows.map(row => ({
    api_key: shownToken(row.token),
    key_alias: byToken.get(row.token)?.key_alias ?? null,
    key_name: byToken.get(row.token)?.key_name ?? null,
    total_spend: dollars(row.cost),
  }))
}

export async function topModels(db: Kysely<Tables>, range: Range, limit: number) {
  const rows = await sumDaily(db, range, ['model'], { limit, only: ['cost', 'input_tokens', 'output_tokens'] })
  return rows.map(row => ({
    model: row.model,
    total_spend: dollars(row.cost),
    total_tokens: row.input_tokens + row.output_tokens,
  }))
}

export async function spendPerProvider(db: Kysely<Tables>, range: Range) {
  const rows = await sumDaily(db, range, ['provider'], { only: ['cost'] })
  return rows.map(row => ({ provider: row.provider || 'Unknown', spend: dollars(row.cost) }))
}

/** Selections of this report are of tags. */
export async function spendPerTag(db: Kysely<Tables>, range: Range, limit: number) {
  const rows = await sumDaily(db, range, ['entity_id'], { limit, only: ['requests', 'cost'] })
  return rows.map(row => ({ tag: row.entity_id, requests: row.requests, spend: dollars(row.cost) }))
}

/** Selections of this report are of end users. */
export async function topEndUsers(db: Kysely<Tables>, range: Range, limit: number) {
  const rows = await sumDaily(db, range, ['entity_id'], { limit, only: ['requests', 'cost'] })
  return rows.map(row => ({
    end_user: row.entity_id,
    total_count: row.requests,
    total_spend: dollars(row.cost),
  }))
}

/** Selections of this report are of teams. Days oldest first, the ten dearest teams in the totals. */
export async function spendPerTeam(db: Kysely<Tables>, range: Range) {
  const rows = await sumDaily(db, range, ['date', 'entity_id'], { only: ['cost'] })
  const names = await namesOf(
    db,
    'teams',
    rows.map(row => row.entity_id),
  )
  const nameOf = (id: string): string => (id === '' ? 'Unassigned' : (names.get(id) ?? id))
  const days = new Map<string, Map<string, number>>()
  const totals = new Map<string, number>()
  for (const row of rows) {
    const name = nameOf(row.entity_id)
    const day = days.get(row.date) ?? new Map<string, number>()
    days.set(row.date, day)
    day.set(name, addDollars(day.get(name) ?? 0, row.cost))
    totals.set(name, addDollars(totals.get(name) ?? 0, row.cost))
  }
  const dearest = [...totals].sort((a, b) => b[1] - a[1])
  return {
    daily_spend: [...days]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([date, teams]) => ({ ...Object.fromEntries(teams), date })),
    teams: [...totals.keys()],
    total_spend_per_team: dearest.slice(0, 10).map(([team_id, total_spend]) => ({ team_id, total_spend })),
  }
}

/**
 * `/spend/logs` summarized: one entry per day of the range, days without calls included. Spend and models are of everything;
 * of more keys and users than an answer holds, those that cost most.
 */
export async function spendSummary(
  db: Kysely<Tables>,
  range: Range,
  userSelections: readonly Selection[],
): Promise<Record<string, unknown>[]> {
  const only = ['cost'] as const
  const [totals, models, keys, users] = await Promise.all([
    sumDaily(db, range, ['date'], { only }),
    sumDaily(db, range, ['date', 'model'], { only }),
    dearestKeysOnly(db, range).then(dearest => sumDaily(db, dearest, ['date', 'token'], { only })),
    dearestOnly(db, { ...range, selections: userSelections }).then(dearest =>
      sumDaily(db, dearest, ['date', 'entity_id'], { only }),
    ),
  ])
  const days = new Map(datesOf(range.from, range.to).map(date => [date, emptyDay()]))
  for (const row of totals) {
    const day = days.get(row.date)
    if (day !== undefined) day.spend = dollars(row.cost)
  }
  for (const row of keys) days.get(row.date)?.keys.set(shownToken(row.token), dollars(row.cost))
  for (const row of models) days.get(row.date)?.models.set(row.model, dollars(row.cost))
  for (const row of users) days.get(row.date)?.users.set(row.entity_id, dollars(row.cost))
  return [...days].map(([date, day]) => ({
    ...Object.fromEntries(day.keys),
    startTime: date,
    spend: day.spend,
    users: Object.fromEntries(day.users),
    models: Object.fromEntries(day.models),
  }))
}

const emptyDay = () => ({
  spend: 0,
  keys: new Map<string, number>(),
  users: new Map<string, number>(),
  models: new Map<string, number>(),
})

interface ModelDetail {
  readonly model: string
  readonly total_cost: number
  readonly total_input_tokens: number
  readonly total_output_tokens: number
}

/** Per key what it cost, in all and by model: `/global/spend/report?group_by=api_key` and `/{key,user,…}/spend/report`. */
export async function keyReport(db: Kysely<Tables>, range: Range) {
  const rows = await sumDaily(db, range, ['token', 'model'], { only: ['cost', 'input_tokens', 'output_tokens'] })
  const names = await KeyNames.of(
    db,
    rows.map(row => row.token),
  )
  const keys = new Map<string, { cost: number; input: number; output: number; models: ModelDetail[] }>()
  for (const row of rows) {
    const key = keys.get(row.token) ?? { cost: 0, input: 0, output: 0, models: [] }
    keys.set(row.token, key)
    key.cost += row.cost
    key.input += row.input_tokens
    key.output += row.output_tokens
    key.models.push({
      model: row.model,
      total_cost: dollars(row.cost),
      total_input_tokens: row.input_tokens,
      total_output_tokens: row.output_tokens,
    })
  }
  return [...keys]
    .sort((a, b) => b[1].cost - a[1].cost)
    .map(([token, key]) => ({
      api_key: shownToken(token),
      key_alias: names.alias(token),
      total_cost: dollars(key.cost),
      total_input_tokens: key.input,
      total_output_tokens: key.output,
      model_details: key.models,
    }))
}

/** Of days, teams, keys and models: an answer of some 2 MB. */
const maxDetails = 10_000
/** Keys told apart where no team or customer is named, those that cost most. */
const maxDetailedKeys = 25

/**
 * `/global/spend/report?group_by=team|customer`: per day and team (or customer) what each key spent on each model. Of more
 * teams, customers, keys or combinations than an answer holds, those that cost most. Totals of a team or customer are of
 * all it spent.
 */
export async function groupedReport(db: Kysely<Tables>, range: Range, group: 'team' | 'customer') {
  const dearest = await dearestOnly(db, range)
  const [totals, detailed] = await Promise.all([
    sumDaily(db, dearest, ['date', 'entity_id'], { only: ['cost'] }),
    withDearestKeys(db, range, dearest),
  ])
  const parts = await sumDaily(db, detailed, ['date', 'entity_id', 'token', 'model'], {
    limit: maxDetails,
    only: ['cost', 'input_tokens', 'output_tokens'],
  })
  const ids = totals.map(row => row.entity_id)
  const names = group === 'team' ? await namesOf(db, 'teams', ids) : new Map<string, string>()
  const nameOf = (id: string): string => (id === '' ? 'Unassigned Team' : (names.get(id) ?? id))
  const details = new Map<string, Record<string, unknown>[]>()
  for (const row of parts) {
    const place = `${row.date} ${row.entity_id}`
    const list = details.get(place) ?? []
    details.set(place, list)
    list.push({
      model: row.model,
      api_key: shownToken(row.token),
      spend: dollars(row.cost),
      total_tokens: row.input_tokens + row.output_tokens,
    })
  }
  const days = new Map<string, Record<string, unknown>[]>()
  for (const row of totals) {
    const day = days.get(row.date) ?? []
    days.set(row.date, day)
    day.push({
      [group === 'team' ? 'team_name' : 'customer']: nameOf(row.entity_id),
      total_spend: dollars(row.cost),
      metadata: details.get(`${row.date} ${row.entity_id}`) ?? [],
    })
  }
  return [...days]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([date, entries]) => ({ group_by_day: date, [group === 'team' ? 'teams' : 'customers']: entries }))
}

/** Where everybody's calls are asked for, those of the keys that cost most. */
async function withDearestKeys(db: Kysely<Tables>, asked: Range, dearest: Range): Promise<Range> {
  if (!asked.selections.some(selection => isEverybody(selection) && selection.tokens === undefined)) return dearest
  const keyed = await dearestKeysOnly(db, asked, maxDetailedKeys)
  const tokens = keyed.selections.flatMap(selection => selection.tokens ?? [])
  return {
    ...dearest,
    selections: dearest.selections.map(selection => ({ ...selection, tokens: selection.tokens ?? tokens })),
  }
}

/** `/team/spend/by_user`. Selections of this report are of team members. */
export async function spendByMember(db: Kysely<Tables>, range: Range) {
  const rows = await sumDaily(db, range, ['entity_id'])
  const members = rows.map(row => {
    const slash = row.entity_id.indexOf('/')
    return { row, team: row.entity_id.slice(0, slash), user: row.entity_id.slice(slash + 1) }
  })
  const [teams, users] = await Promise.all([
    namesOf(
      db,
      'teams',
      members.map(({ team }) => team),
    ),
    namesOf(
      db,
      'users',
      members.map(({ user }) => user),
    ),
  ])
  return members.map(({ row, team, user }) => ({
    user_id: user,
    user_email: users.get(user) ?? null,
    team_id: team,
    team_alias: teams.get(team) ?? null,
    spend: dollars(row.cost),
    prompt_tokens: row.input_tokens,
    completion_tokens: row.output_tokens,
    total_tokens: row.input_tokens + row.output_tokens,
    api_requests: row.requests,
    successful_requests: row.requests - row.failed_requests,
    failed_requests: row.failed_requests,
  }))
}
