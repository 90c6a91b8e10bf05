import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isUniqueViolation } from '../../src/platform/store/database-error.ts'
import { keysetAfter, offsetPage } from '../../src/platform/store/pages.ts'
import { type Store, StoreUnavailable } from '../../src/platform/store/store.ts'
import type { Tables } from '../../src/platform/store/tables.ts'
import { containsText } from '../../src/platform/store/text-search.ts'
import { forUpdate, inTransaction } from '../../src/platform/store/transaction.ts'
import { adapters, closeStores } from './store-adapters.ts'
import { keyRow, ledgerRow, rows } from './store-rows.ts'

const names = Object.keys(rows) as (keyof Tables)[]
const setting = (name: string, revision = 1): Tables['settings'] => ({ ...rows.settings, name, revision })

describe.each(adapters.filter(({ usable }) => usable))('the store on $name', adapter => {
  let store: Store
  beforeAll(async () => {
    await adapter.start()
    store = await adapter.open()
  })
  afterAll(async () => {
    await closeStores()
    await adapter.stop()
  })

  const failure = async (work: Promise<unknown>): Promise<Error> => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(Error)
    return error as Error
  }

  describe('tables', () => {
    it.each(names)('%s keeps every column', async name => {
      const row = rows[name] as unknown as Record<string, unknown>
      await store.db
        .insertInto(name)
        .values(row as never)
        .execute()
      const [read] = await store.db.selectFrom(name).selectAll().execute()
      expect(read).toEqual(row)
      const nulls = await store.db.deleteFrom(name).executeTakeFirstOrThrow()
      expect(nulls.numDeletedRows).toBe(1n)
    })

    it('refuses a second row with the same key, and says which column', async () => {
      await store.db.insertInto('keys').values(keyRow(1)).execute()
      const sameKey = await failure(
        store.db
          .insertInto('keys')
          .values(keyRow(1, { key_alias: 'other' }))
          .execute(),
      )
      expect([isUniqueViolation(sameKey), isUniqueViolation(sameKey, 'token')]).toEqual([true, true])
      expect(isUniqueViolation(sameKey, 'key_alias')).toBe(false)
      const sameAlias = await failure(
        store.db
          .insertInto('keys')
          .values(keyRow(2, { key_alias: 'alias-1' }))
          .execute(),
      )
      expect([isUniqueViolation(sameAlias, 'key_alias'), isUniqueViolation(sameAlias, 'token')]).toEqual([true, false])
      await store.db
        .insertInto('keys')
        .values([keyRow(3, { key_alias: null }), keyRow(4, { key_alias: null })])
        .execute()
      await store.db.deleteFrom('keys').execute()
    })

    it('has the other unique keys', async () => {
      const twice = async (name: keyof Tables, change: object): Promise<boolean> => {
        await store.db
          .insertInto(name)
          .values(rows[name] as never)
          .execute()
        const error = await failure(
          store.db
            .insertInto(name)
            .values({ ...rows[name], ...change } as never)
            .execute(),
        )
        await store.db.deleteFrom(name).execute()
        return isUniqueViolation(error)
      }
      expect(await twice('access_groups', { access_group_id: 'other' })).toBe(true)
      expect(await twice('jwt_key_mappings', { id: 'other' })).toBe(true)
      expect(await twice('policies', { policy_id: 'other' })).toBe(true)
      expect(await twice('users', { user_id: 'other' })).toBe(true)
      expect(await twice('audit', { seq: 2 })).toBe(true)
      expect(await twice('ledger', { cost: 1 })).toBe(true)
      expect(await twice('daily_spend', { cost: 1 })).toBe(true)
    })

    it('writes a ledger record once, and says which are new', async () => {
      const ship = (...numbers: number[]): Promise<{ id: string }[]> =>
        store.db
          .insertInto('ledger')
          .values(numbers.map(number => ledgerRow(number)))
          .onConflict(conflict => conflict.columns(['id', 'started_at']).doNothing())
          .returning('id')
          .execute()
      expect(await ship(1, 2)).toHaveLength(2)
      expect((await ship(1, 2, 3)).map(({ id }) => id)).toEqual([ledgerRow(3).id])
      // An id that a caller used for two calls is two calls.
      await store.db
        .insertInto('ledger')
        .values(ledgerRow(1, { started_at: ledgerRow(9).started_at }))
        .execute()
      const { count } = await store.db
        .selectFrom('ledger')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      expect(count).toBe(4)
      await store.db.deleteFrom('ledger').execute()
    })

    it('adds to a row that is there', async () => {
      const add = (requests: number): Promise<unknown> =>
        store.db
          .insertInto('daily_errors')
          .values({ ...rows.daily_errors, requests })
          .onConflict(conflict =>
            conflict
              .columns(['date', 'error', 'status', 'model_group', 'deployment_id'])
              .doUpdateSet({ requests: sql<number>`daily_errors.requests + excluded.requests` }),
          )
          .execute()
      await add(2)
      await add(3)
      expect(await store.db.selectFrom('daily_errors').select('requests').execute()).toEqual([{ requests: 5 }])
      await store.db.deleteFrom('daily_errors').execute()
    })

    it('takes 500 ledger rows in one insert', async () => {
      const batch = Array.from({ length: 500 }, (_, number) => ledgerRow(number))
      await store.db.insertInto('ledger').values(batch).execute()
      const read = await store.db.selectFrom('ledger').selectAll().orderBy('started_at').execute()
      expect(read).toEqual(batch)
      await store.db.deleteFrom('ledger').execute()
    })

    it('finds what is looked up by an index', async () => {
      const looked: readonly [keyof Tables, string][] = [
        ['keys', `team_id = 'x'`],
        ['keys', `user_id in ('x', 'y')`],
        ['keys', `expires_at < 5`],
        ['users', `lower(user_email) = 'x'`],
        ['team_members', `user_id = 'x'`],
        ['ledger', `token = 'x' and started_at > 5`],
        ['ledger', `session_id = 'x'`],
        ['ledger', `started_at between 5 and 6`],
        ['daily_spend', `entity = 'team' and entity_id = 'x' and date between '2026-01-01' and '2026-02-01'`],
        ['audit', `object_kind = 'key' and object_id = 'x'`],
      ]
      for (const [table, condition] of looked) {
        expect(await plan(`select * from ${table} where ${condition}`), condition).not.toMatch(/\bscan (?!.*using)/i)
      }
      expect(await plan('select * from teams where settings = 5')).toMatch(/\bscan (?!.*using)/i)
    })

    const plan = async (statement: string): Promise<string> => {
      if (store.dialect === 'sqlite') {
        const { rows } = await sql<{
          detail: string
        }>`explain query plan ${sql.raw(statement.replace('settings = 5', "settings = 'x'"))}`.execute(store.db)
        return rows.map(({ detail }) => detail).join('\n')
      }
      return store.db.transaction().execute(async trx => {
        // Tables are empty: only then does it show what it could use.
        await sql`set local enable_seqscan = off`.execute(trx)
        const text = statement.replace('settings = 5', "settings = 'x'")
        const { rows } = await sql<{ 'QUERY PLAN': string }>`explain ${sql.raw(text)}`.execute(trx)
        return rows
          .map(row => row['QUERY PLAN'].replace(/Index Scan|Index Only Scan|Bitmap \w+ Scan/g, 'Index'))
          .join('\n')
      })
    }
  })

  describe('values', () => {
    const roundTrip = async (value: string): Promise<string> => {
      await store.db
        .insertInto('settings')
        .values({ ...setting('value'), value })
        .execute()
      const found = await store.db.selectFrom('settings').select('value').where('value', '=', value).execute()
      await store.db.deleteFrom('settings').execute()
      expect(found).toHaveLength(1)
      return found[0]!.value
    }

    it.each([
      `'; drop table settings; --`,
      `" or 1=1 --`,
      `') on conflict do nothing; delete from keys; --`,
      '$1 ?1 :name @name',
      '%_\\',
      '\\x00\\u0000',
      `\t\n\r\u001f`,
      'é ü 漢字 🚀 \u202e',
      '',
      'x'.repeat(100_000),
    ])('%# stays what it is', async value => {
      expect(await roundTrip(value)).toBe(value)
    })

    it('replaces what text cannot hold, the same way', async () => {
      expect(await roundTrip('a\u0000b')).toBe('a\ufffdb')
      expect(await roundTrip('a\ud800b')).toBe('a\ufffdb')
    })

    it('keeps names in statements from being statements', async () => {
      const hostile = `settings" where 1=1; delete from "settings`
      const error = await failure(
        store.db
          .selectFrom(hostile as 'settings')
          .selectAll()
          .execute(),
      )
      expect(error.message).toMatch(/no such table|does not exist/)
      await expect(
        store.db.selectFrom('settings').select('value').orderBy(sql.ref(`x" desc; --`)).execute(),
      ).rejects.toThrow()
    })

    it.each([2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY, true, { a: 1 }, [1], new Date(0), 5n])(
      'refuses %s',
      async value => {
        const bad = { ...setting('bad'), revision: value as number }
        await expect(store.db.insertInto('settings').values(bad).execute()).rejects.toThrow(
          /cannot be stored; parameter \d/,
        )
      },
    )

    it('refuses what is not of the column', async () => {
      for (const bad of [
        { revision: 1.5 },
        { revision: 'one' as unknown as number },
        { value: null as unknown as string },
      ]) {
        const error = await failure(
          store.db
            .insertInto('settings')
            .values({ ...setting('bad'), ...bad })
            .execute(),
        )
        expect(error).not.toBeInstanceOf(StoreUnavailable)
        expect(isUniqueViolation(error)).toBe(false)
      }
      expect(await store.db.selectFrom('settings').selectAll().execute()).toEqual([])
    })

    it('computes with integers and gives numbers', async () => {
      await store.db
        .insertInto('settings')
        .values([setting('a', 7), setting('b', 8)])
        .execute()
      const half = await store.db
        .selectFrom('settings')
        .select(({ fn }) => [
          sql<number>`min(revision / ${2})`.as('half'),
          fn.sum<number>('revision').as('sum'),
          fn.avg<number>('revision').as('average'),
          fn.countAll<number>().as('count'),
        ])
        .executeTakeFirstOrThrow()
      expect(half).toEqual({ half: 3, sum: 15, average: 7.5, count: 2 })
      await store.db.deleteFrom('settings').execute()
    })

    it('gives an error for a number it cannot give exactly', async () => {
      const { MAX_SAFE_INTEGER } = Number
      await store.db
        .insertInto('settings')
        .values([setting('a', MAX_SAFE_INTEGER), setting('b', 2)])
        .execute()
      const most = await store.db.selectFrom('settings').select('revision').where('name', '=', 'a').executeTakeFirst()
      expect(most).toEqual({ revision: MAX_SAFE_INTEGER })
      const sum = store.db.selectFrom('settings').select(({ fn }) => fn.sum<number>('revision').as('sum'))
      await expect(sum.execute()).rejects.toThrow(/too large to be represented as a JavaScript number/)
      await store.db.deleteFrom('settings').execute()
      // The connection on which that happened sees what was written since.
      expect(await store.db.selectFrom('settings').select('name').execute()).toEqual([])
      expect(await sum.execute()).toEqual([{ sum: null }])
    })
  })

  describe('transactions', () => {
    const names = async (): Promise<string[]> => {
      const found = await store.db.selectFrom('settings').select('name').orderBy('name').execute()
      return found.map(({ name }) => name)
    }

    it('keeps all of it or nothing', async () => {
      const broken = inTransaction(store, async trx => {
        await trx.insertInto('settings').values(setting('lost')).execute()
        expect(await trx.selectFrom('settings').select('name').execute()).toEqual([{ name: 'lost' }])
        throw new Error('changed my mind')
      })
      await expect(broken).rejects.toThrow('changed my mind')
      expect(await names()).toEqual([])
      const refused = inTransaction(store, async trx => {
        await trx.insertInto('settings').values(setting('lost')).execute()
        await trx.insertInto('settings').values(setting('lost')).execute()
      })
      expect(isUniqueViolation(await failure(refused))).toBe(true)
      expect(await names()).toEqual([])
      expect(
        await inTransaction(store, async trx => {
          await trx
            .insertInto('settings')
            .values([setting('a'), setting('b')])
            .execute()
          return 'result'
        }),
      ).toBe('result')
      expect(await names()).toEqual(['a', 'b'])
      await store.db.deleteFrom('settings').execute()
    })

    it('shows nobody what is not committed', async () => {
      let seen: Promise<string[]> | undefined
      await inTransaction(store, async trx => {
        await trx.insertInto('settings').values(setting('hidden')).execute()
        // In memory it waits for the transaction, elsewhere it answers at once with what was before.
        seen = names()
        if (adapter.name !== 'SQLite in memory') expect(await seen).toEqual([])
        await trx.deleteFrom('settings').execute()
      })
      expect(await seen).toEqual([])
    })

    it('goes back to a savepoint', async () => {
      const trx = await store.db.startTransaction().execute()
      await trx.insertInto('settings').values(setting('kept')).execute()
      const inner = await trx.savepoint('before').execute()
      await inner.insertInto('settings').values(setting('dropped')).execute()
      await inner.rollbackToSavepoint('before').execute()
      await inner.releaseSavepoint('before').execute()
      await trx.commit().execute()
      expect(await names()).toEqual(['kept'])
      await store.db.deleteFrom('settings').execute()
    })

    it('loses no update of many at once', async () => {
      await store.db.insertInto('settings').values(setting('counter', 0)).execute()
      const increment = (): Promise<unknown> =>
        inTransaction(store, async trx => {
          const query = trx.selectFrom('settings').select('revision').where('name', '=', 'counter')
          const { revision } = await forUpdate(store, query).executeTakeFirstOrThrow()
          await trx
            .updateTable('settings')
            .set({ revision: revision + 1 })
            .where('name', '=', 'counter')
            .execute()
        })
      await Promise.all(Array.from({ length: 40 }, increment))
      expect(await store.db.selectFrom('settings').select('revision').execute()).toEqual([{ revision: 40 }])
      await store.db.deleteFrom('settings').execute()
    })

    it('settles a deadlock by running one of them again', async () => {
      await store.db
        .insertInto('settings')
        .values([setting('a', 0), setting('b', 0)])
        .execute()
      let attempts = 0
      const both = (first: string, second: string): Promise<unknown> =>
        inTransaction(store, async trx => {
          attempts++
          for (const name of [first, second]) {
            await trx
              .updateTable('settings')
              .set({ revision: sql<number>`revision + 1` })
              .where('name', '=', name)
              .execute()
            if (attempts <= 2) await new Promise(resolve => setTimeout(resolve, 50))
          }
        })
      await Promise.all([both('a', 'b'), both('b', 'a')])
      const revisions = await store.db.selectFrom('settings').select('revision').execute()
      expect(revisions).toEqual([{ revision: 2 }, { revision: 2 }])
      // SQLite's writers come one after another and never meet.
      expect(attempts).toBe(store.dialect === 'sqlite' ? 2 : 3)
      await store.db.deleteFrom('settings').execute()
    })

    it('ends one that was forgotten', async () => {
      const impatient = await adapter.open({ idleTransactionTimeoutMs: 150 })
      const forgotten = impatient.db.transaction().execute(async trx => {
        await trx.insertInto('settings').values(setting('forgotten')).execute()
        await new Promise(resolve => setTimeout(resolve, 600))
        await trx.insertInto('settings').values(setting('late')).execute()
      })
      await expect(forgotten).rejects.toThrow()
      await expect.poll(() => impatient.available).toBe(true)
      await impatient.db.insertInto('settings').values(setting('next')).execute()
      expect(await impatient.db.selectFrom('settings').select('name').execute()).toEqual([{ name: 'next' }])
    })
  })

  describe('pages', () => {
    const aliases = ['Z', 'a', 'B', 'é', '_', '漢', 'z', '10', '9', 'aa']

    it('walks through all rows in one order', async () => {
      await store.db
        .insertInto('teams')
        .values(aliases.map(team_id => ({ ...rows.teams, team_id })))
        .execute()
      const walk = async (direction: 'asc' | 'desc'): Promise<string[]> => {
        const seen: { created_at: number; team_id: string }[] = []
        for (;;) {
          const last = seen.at(-1)
          let query = store.db.selectFrom('teams').select(['created_at', 'team_id'])
          if (last !== undefined) {
            query = query.where(keysetAfter(['created_at', 'team_id'], [last.created_at, last.team_id], direction))
          }
          const page = await query.orderBy('created_at', direction).orderBy('team_id', direction).limit(3).execute()
          seen.push(...page)
          if (page.length < 3) return seen.map(({ team_id }) => team_id)
        }
      }
      const bytewise = [...aliases].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      expect(await walk('asc')).toEqual(bytewise)
      expect(await walk('desc')).toEqual([...bytewise].reverse())
    })

    it('counts what is on all pages', async () => {
      const query = store.db.selectFrom('teams').select('team_id').where('team_id', '!=', '9').orderBy('team_id')
      const page = await offsetPage(query, 2, 4)
      expect([page.rows.map(({ team_id }) => team_id), page.total, page.pages]).toEqual([['a', 'aa', 'z', 'é'], 9, 3])
      const none = await offsetPage(query.where('team_id', '=', 'nobody'), 1, 4)
      expect(none).toEqual({ rows: [], total: 0, pages: 0 })
      await store.db.deleteFrom('teams').execute()
    })

    it('searches in text', async () => {
      const texts = ['100% Pure', 'snake_case', 'back\\slash', 'SHOUTING']
      await store.db
        .insertInto('teams')
        .values(texts.map(team_id => ({ ...rows.teams, team_id })))
        .execute()
      const found = async (text: string): Promise<string[]> => {
        const query = store.db.selectFrom('teams').select('team_id').where(containsText('team_id', text))
        return (await query.execute()).map(({ team_id }) => team_id)
      }
      expect(await found('0% p')).toEqual(['100% Pure'])
      expect(await found('E_c')).toEqual(['snake_case'])
      expect(await found('k\\s')).toEqual(['back\\slash'])
      expect(await found('shout')).toEqual(['SHOUTING'])
      expect(await found('%')).toEqual(['100% Pure'])
      expect(await found(`' or '1'='1`)).toEqual([])
      await store.db.deleteFrom('teams').execute()
    })
  })

  it('tells bad statements from outages', async () => {
    const error = await failure(sql`select nothing from nowhere`.execute(store.db))
    expect(error).not.toBeInstanceOf(StoreUnavailable)
    expect(store.available).toBe(true)
  })

  it('is unavailable once closed', async () => {
    const other = await adapter.open()
    await other.db.insertInto('settings').values(setting('a')).execute()
    expect(other.available).toBe(true)
    await other.close()
    await other.close()
    expect(other.available).toBe(false)
    await expect(other.db.selectFrom('settings').selectAll().execute()).rejects.toThrow(StoreUnavailable)
    await expect(other.db.insertInto('settings').values(setting('b')).execute()).rejects.toThrow(StoreUnavailable)
    await expect(inTransaction(other, async () => 1)).rejects.toThrow(StoreUnavailable)
  })
})
