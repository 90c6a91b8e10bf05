import { expect, it } from 'vitest'
import { record } from '../ledger.fixtures.ts'
import { DailyErrors, dailySums } from './daily-sums.ts'
import { Profiles } from './profiles.ts'
import { spendSums } from './spend-sums.ts'

const names = ['m', 'b', 'z', 'a', 'y']
const records = names.flatMap((name, index) =>
  names.map(other =>
    record({
      upstreamModel: other,
      status: 400 + index,
      error: other,
      tags: [name, other],
      caller: { token: name, userId: other, teamId: name, endUser: other },
    }),
  ),
)

const inOrder = (keys: readonly string[]): void => expect(keys).toEqual([...keys].sort())

/** PostgreSQL locks the rows of one INSERT in its order: two replicas that disagree about it deadlock. */
it('rows are written in the order of their keys', () => {
  const profiles = new Profiles()
  const errors = new DailyErrors()
  for (const given of records) {
    profiles.add(given)
    errors.add(given)
  }
  inOrder(
    dailySums(profiles.values()).map(row => [row.date, row.entity, row.entity_id, row.token, row.model].join('\0')),
  )
  inOrder(errors.rows().map(row => [row.date, row.error, row.status].join('\0')))
  const sums = spendSums(profiles.values())
  expect([...sums.keys()].sort()).toEqual(['end_users', 'keys', 'tags', 'team_members', 'teams', 'users'])
  for (const rows of sums.values()) inOrder(rows.map(row => row.key.join('\0')))
})
