import { expect } from 'vitest'
import { type Books, one } from './books.ts'

/** Columns of the objects and the ledger's own columns for them. */
const spendColumns = [
  { table: 'keys', key: "'' || t.token", ledger: "'' || l.token" },
  { table: 'teams', key: "'' || t.team_id", ledger: "'' || l.team_id" },
  { table: 'users', key: "'' || t.user_id", ledger: "'' || l.user_id" },
  { table: 'team_members', key: "t.team_id || '/' || t.user_id", ledger: "l.team_id || '/' || l.user_id" },
] as const

const entities = [
  { entity: 'all', id: "''" },
  { entity: 'user', id: "coalesce(l.user_id, '')" },
  { entity: 'team', id: "coalesce(l.team_id, '')" },
] as const

/** Spend columns and daily sums are the sum of the ledger, to the nano-dollar. For objects that were never reset. */
export async function accountsAgree(books: Books): Promise<void> {
  for (const { table, key, ledger } of spendColumns) {
    const differing = await books.query(`
      select ${key} as id, t.spend as spend, coalesce(sum(l.cost), 0) as ledger
      from ${table} t left join ledger l on ${ledger} = ${key}
      group by ${key}, t.spend having t.spend <> coalesce(sum(l.cost), 0)`)
    expect(differing, `spend of ${table} and ledger`).toEqual([])
  }
  for (const { entity, id } of entities) {
    const sums = (from: string, group: string, cost: string, count: string): string =>
      `select ${group} as id, sum(${cost}) as cost, ${count} as requests from ${from} group by ${group}`
    const differing = await books.query(`
      select a.id as id, a.cost as ledger, b.cost as daily, a.requests as calls, b.requests as counted
      from (${sums('ledger l', `l.date || ${id} || coalesce(l.token, '')`, 'l.cost', 'count(*)')}) a
      full join (${sums(`daily_spend d where d.entity = '${entity}'`, 'd.date || d.entity_id || d.token', 'd.cost', 'sum(d.requests)')}) b
      on a.id = b.id where a.cost is null or b.cost is null or a.cost <> b.cost or a.requests <> b.requests`)
    expect(differing, `daily sums of ${entity} and ledger`).toEqual([])
  }
  expect(await one(books, 'select count(*) from ledger')).toBeGreaterThan(0)
}
