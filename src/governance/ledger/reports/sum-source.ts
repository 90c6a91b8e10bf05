import { type RawBuilder, sql } from 'kysely'
import type { Dimension, Selection, SumsQuery } from './sums-query.ts'

/** Where sums are read: a table, and which of its rows. */
export interface SumSource {
  readonly table: 'daily_spend' | 'daily_totals'
  readonly condition: RawBuilder<unknown>
  /** The way to them where the key is none. SQLite has to be told: without statistics it takes the key for the best. */
  readonly index?: string | undefined
}

/** What a report tells apart or asks for. */
type Shape = Pick<SumsQuery, 'from' | 'to' | 'model' | 'modelGroup'> & { readonly dimensions: readonly Dimension[] }

const calledBy: ReadonlySet<Dimension> = new Set(['model', 'model_group', 'provider', 'route'])
const dayMs = 86_400_000
/** Look-ups by day and id that are cheaper than reading everything of those days. */
const maxLookUps = 50_000

/**
 * The coarsest rows that tell apart what a report does: a report about everybody must not read a row for every key.
 *
 * - nobody told apart: what was called by day, a few rows a day (`daily_totals`, `all` and `every_…`)
 * - ids told apart, nothing else: one row for each by day (`daily_totals`)
 * - keys: the rows by key (`daily_spend`), of all ids together where none is named
 */
export function sourceOf(selection: Selection, shape: Shape): SumSource {
  const { dimensions, model, modelGroup } = shape
  const keyed = selection.tokens !== undefined || dimensions.includes('token')
  const called =
    model !== undefined || modelGroup !== undefined || dimensions.some(dimension => calledBy.has(dimension))
  const byId = dimensions.includes('entity_id')
  if (!keyed && !byId && isEverybody(selection)) return calledByAnyone(selection, shape)
  if (!keyed && !called && selection.entity !== 'all') return callers(selection, shape)
  return keys(selection, shape, byId)
}

/** Every id of the entity. Those that are left out are subtracted, or filtered where ids are told apart. */
export const isEverybody = ({ entity, ids }: Selection): boolean => ids === undefined && entity !== 'team_member'

function calledByAnyone(selection: Selection, shape: Shape): SumSource {
  return {
    table: 'daily_totals',
    condition: all([sql`entity = ${everyName(selection)} and entity_id = ''`, range(shape), ...callFilters(shape)]),
  }
}

function callers(selection: Selection, shape: Shape): SumSource {
  const { entity, ids = [] } = selection
  const dates = datesOf(shape.from, shape.to)
  const lookUp = selection.ids !== undefined && ids.length * dates.length <= maxLookUps
  return {
    table: 'daily_totals',
    // The key begins with the day: with every day named, an id is a look-up in each.
    condition: all([
      sql`entity = ${entity}`,
      lookUp ? among('date', dates) : range(shape),
      ...idFilters(selection),
      sql`model = ''`,
    ]),
  }
}

function keys(selection: Selection, shape: Shape, byId: boolean): SumSource {
  const { entity, tokens } = selection
  // By token and by model there is an index.
  const indexed = tokens !== undefined || shape.model !== undefined
  const conditions = [range(shape), ...callFilters(shape)]
  if (tokens !== undefined) conditions.push(among('token', tokens))
  const every = everyName(selection)
  const together = entity === 'all' || (!byId && (every === 'all' || entity === 'tag' || entity === 'end_user'))
  if (isEverybody(selection) && together) {
    conditions.push(sql`entity = ${every} and entity_id = ''`)
  } else {
    conditions.push(sql`entity = ${entity}`, ...idFilters(selection))
    // The key begins with the id: named, the days before the range are not read.
    if (isEverybody(selection) && !indexed) {
      conditions.push(sql`entity_id in
        (select t.entity_id from daily_totals as t where t.entity = ${entity} and t.date >= ${shape.from} and t.date <= ${shape.to})`)
    }
  }
  const first = tokens !== undefined ? 'token' : 'model'
  const index =
    indexed && tokens?.length !== 0 && isEverybody(selection)
      ? `daily_spend_by_${first}_entity_entity_id_date`
      : undefined
  return { table: 'daily_spend', condition: all(conditions), index }
}

/** The sums of all users, and those of all teams, are those of all calls. */
function everyName({ entity }: Selection): string {
  return entity === 'all' || entity === 'user' || entity === 'team' ? 'all' : `every_${entity}`
}

const range = ({ from, to }: Shape): RawBuilder<unknown> => sql`date >= ${from} and date <= ${to}`

function callFilters({ model, modelGroup }: Shape): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = []
  if (model !== undefined) conditions.push(sql`model = ${model}`)
  if (modelGroup !== undefined) conditions.push(sql`model_group = ${modelGroup}`)
  return conditions
}

function idFilters({ ids, excludeIds = [] }: Selection): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = []
  if (ids !== undefined) conditions.push(among('entity_id', ids))
  if (excludeIds.length > 0) conditions.push(sql`not ${among('entity_id', excludeIds)}`)
  return conditions
}

const all = (conditions: readonly RawBuilder<unknown>[]): RawBuilder<unknown> => sql.join(conditions, sql` and `)

function among(column: string, values: readonly string[]): RawBuilder<unknown> {
  if (values.length === 0) return sql`1 = 0`
  return values.length === 1 ? sql`${sql.ref(column)} = ${values[0]}` : sql`${sql.ref(column)} in (${sql.join(values)})`
}

/** Every day from one to another, both included. */
export function datesOf(from: string, to: string): string[] {
  const dates: string[] = []
  for (let at = Date.parse(`${from}T00:00:00Z`); at <= Date.parse(`${to}T00:00:00Z`); at += dayMs) {
    dates.push(new Date(at).toISOString().slice(0, 10))
  }
  return dates
}
