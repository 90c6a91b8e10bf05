import type { Kysely } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import { datesOf } from './sum-source.ts'
import { sumDaily } from './sums.ts'
import type { SumsQuery } from './sums-query.ts'

/** Days times entities (or keys) of one answer, and those told apart however many days there are. */
const maxRows = 10_000
const minNamed = 20

const namedIn = ({ from, to }: SumsQuery): number => Math.max(minNamed, Math.floor(maxRows / datesOf(from, to).length))

/** The query for the users (teams, customers, …) that cost most only: as many as one answer holds with all of its days. */
export async function dearestOnly<Q extends SumsQuery>(db: Kysely<Tables>, query: Q): Promise<Q> {
  const dearest = await sumDaily(db, query, ['entity_id'], { limit: namedIn(query), only: ['cost'] })
  const wanted = new Set(dearest.map(row => row.entity_id))
  const selections = query.selections.map(selection => ({
    ...selection,
    ids: selection.ids === undefined ? [...wanted] : selection.ids.filter(id => wanted.has(id)),
    excludeIds: undefined,
  }))
  return { ...query, selections }
}

/** The query for the keys that cost most only, where no keys are named. @param limit default as many as an answer holds */
export async function dearestKeysOnly<Q extends SumsQuery>(db: Kysely<Tables>, query: Q, limit?: number): Promise<Q> {
  const dearest = await sumDaily(db, query, ['token'], { limit: limit ?? namedIn(query), only: ['cost'] })
  const tokens = dearest.map(row => row.token)
  return {
    ...query,
    selections: query.selections.map(selection => ({ ...selection, tokens: selection.tokens ?? tokens })),
  }
}
