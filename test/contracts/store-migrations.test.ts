import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/platform/errors/gateway-error.ts'
import { migrations } from '../../src/platform/store/migrations/list.ts'
import { migrate } from '../../src/platform/store/migrations/migrate.ts'
import type { Migration } from '../../src/platform/store/migrations/migration.ts'
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
