import { describe, expect, it } from 'vitest'
import { isShortRead } from './short-reads.ts'

describe('a short read', () => {
  it('reads what people manage, and nothing else', () => {
    expect(isShortRead('select * from "keys" where "token" = ?')).toBe(true)
    expect(isShortRead('select * from "keys" as "k" inner join "teams" on "k"."team_id" = "teams"."id"')).toBe(true)
    expect(isShortRead('select sum("cost") from "ledger"')).toBe(false)
    expect(isShortRead('select * from "keys" left join "daily_spend" on true')).toBe(false)
    expect(isShortRead('select * from "keys" where "id" in (select "key" from "ledger")')).toBe(false)
    expect(isShortRead('select count(*) from (select 1 from "keys")')).toBe(false)
    expect(isShortRead('select * from "keys" as "k", "ledger" where 1')).toBe(false)
    expect(isShortRead('select 1')).toBe(false)
  })
})
