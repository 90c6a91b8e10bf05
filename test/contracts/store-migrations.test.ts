import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/platform/errors/gateway-error.ts'
import { migrations } from '../../src/platform/store/migrations/list.ts'
import { migrate } from '../../src/platform/store/migrations/migrate.ts'
import type { Migration } from '../../src/platform/store/migrations/migration.ts'
import type { DailySpendRow, Tables } from '../../src/platform/store/tables.ts'
import { adapters, closeStores } from './store-adapters.ts'
import { rows } from './store-rows.ts'

const next: Migration = {
  id: migrations.length + 1,
  name: 'next',
  statements: () => ['create table "next" ("id" integer primary key)', 'insert into "next" values (1)'],
}

describe.each(adapters.filter(({ usable }) => usable))('migrations on $name', adapter => {
  beforeAll(() => adapter.start())
  afterAll(async () => {
    await closeStores()
    await adapter.stop()
  })

  it('records what it did, and does it once', async () => {
    const { db, dialect } = await adapter.open()
    const history = async (): Promise<unknown[]> =>
      (await sql`select * from routeiq_migrations order by id`.execute(db)).rows
    const before = await history()
    expect(before).toMatchObject(migrations.map(({ id, name }) => ({ id, name })))
    await db.insertInto('settings').values(rows.settings).execute()
    await migrate(db, dialect)
    expect(await history()).toEqual(before)
    await Promise.all([1, 2, 3, 4].map(() => migrate(db, dialect, [...migrations, next])))
    expect(await history()).toHaveLength(migrations.length + 1)
    expect((await sql`select * from next`.execute(db)).rows).toEqual([{ id: 1 }])
    expect(await db.selectFrom('settings').selectAll().execute()).toEqual([rows.settings])
  })

  it('keeps the daily sums of before, and makes those that are new of them', async () => {
    const { db, dialect } = await adapter.open()
    await removeTables(db, dialect)
    await migrate(
      db,
      dialect,
      migrations.filter(({ id }) => id <= 2),
    )
    const of = (entity: string, entity_id: string, token: string, model: string, requests: number): DailySpendRow => ({
      ...rows.daily_spend,
      ...{ entity, entity_id, token, model, requests, cost: requests * 10, duration_ms: 0 },
      ...{ input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, reasoning_tokens: 0 },
    })
    const before = [
      of('all', '', 'a', 'm1', 5),
      of('all', '', 'b', 'm1', 7),
      of('all', '', 'b', 'm2', 1),
      of('agent', 'agent-1', 'b', 'm1', 7),
      of('tag', 'blue', 'a', 'm1', 5),
      of('tag', 'red', 'a', 'm1', 2),
      of('tag', 'red', 'b', 'm1', 7),
      of('user', '', 'a', 'm1', 5),
      of('user', 'u', 'b', 'm1', 7),
      of('user', 'u', 'b', 'm2', 1),
    ]
    await db.insertInto('daily_spend').values(before).execute()
    await migrate(db, dialect)
    const sums = await db
      .selectFrom('daily_spend')
      .selectAll()
      .orderBy('entity')
      .orderBy('entity_id')
      .orderBy('token')
      .orderBy('model')
      .execute()
    const everyTag = [of('every_tag', '', 'a', 'm1', 7), of('every_tag', '', 'b', 'm1', 7)]
    const place = ({ entity, entity_id, token, model }: DailySpendRow): string =>
      [entity, entity_id, token, model].join('\0')
    expect(sums).toEqual([...before, ...everyTag].sort((a, b) => (place(a) < place(b) ? -1 : 1)))
    const totals = await db
      .selectFrom('daily_totals')
      .select(['entity', 'entity_id', 'model', 'requests', 'cost'])
      .orderBy('entity')
      .orderBy('entity_id')
      .orderBy('model')
      .execute()
    expect(totals.map(row => Object.values(row))).toEqual([
      ['agent', 'agent-1', '', 7, 70],
      ['all', '', 'm1', 12, 120],
      ['all', '', 'm2', 1, 10],
      ['every_agent', '', 'm1', 7, 70],
      ['every_tag', '', 'm1', 14, 140],
      ['tag', 'blue', '', 5, 50],
      ['tag', 'red', '', 9, 90],
      ['user', '', '', 5, 50],
      ['user', 'u', '', 8, 80],
    ])
    // And goes on from there.
    await expect(db.insertInto('daily_spend').values(before.slice(0, 1)).execute()).rejects.toThrow()
    await db
      .insertInto('daily_spend')
      .values(of('project', 'new', 'a', 'm1', 1))
      .execute()
  })

  it('does all of a step or nothing', async () => {
    const { db, dialect } = await adapter.open()
    const broken = { ...next, statements: () => ['create table "half" ("id" integer)', 'create nonsense'] }
    await expect(migrate(db, dialect, [...migrations, broken])).rejects.toThrow(/nonsense/)
    await expect(sql`select * from half`.execute(db)).rejects.toThrow(/half/)
    await migrate(db, dialect, [...migrations, next])
  })

  it('refuses tables of a newer program, and of another one', async () => {
    const { db, dialect } = await adapter.open()
    await migrate(db, dialect, [...migrations, next])
    await expect(migrate(db, dialect)).rejects.toThrow(
      /has schema version \d+ \("next"\) and this program knows up to \d+/,
    )
    await expect(migrate(db, dialect)).rejects.toBeInstanceOf(GatewayError)
    const changed = { ...next, statements: () => ['create table "other" ("id" integer)'] }
    await expect(migrate(db, dialect, [...migrations, changed])).rejects.toThrow(/step \d+ \("next"\).*is not the one/)
  })
})

async function removeTables(db: Kysely<Tables>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  if (dialect === 'postgres') {
    const { rows: found } = await sql<{ name: string }>`select current_schema() as name`.execute(db)
    const schema = sql.ref(found[0]?.name ?? '')
    await sql`drop schema ${schema} cascade`.execute(db)
    await sql`create schema ${schema}`.execute(db)
    return
  }
  const { rows: found } = await sql<{ name: string }>`
    select name from sqlite_master where type = 'table' and name not like 'sqlite_%'
  `.execute(db)
  for (const { name } of found) await sql`drop table ${sql.table(name)}`.execute(db)
}
