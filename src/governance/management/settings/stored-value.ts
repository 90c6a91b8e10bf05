import type { Kysely } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'

/** A value of the table `settings`, or undefined. @throws StoreUnavailable */
export async function storedValue(db: Kysely<Tables>, name: string): Promise<unknown> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
  return row === undefined ? undefined : JSON.parse(row.value)
}

/** The same with its row locked until the transaction ends: two who change it at once both count. */
export async function lockedValue(
  trx: Kysely<Tables>,
  name: string,
  byDefault: unknown,
  now: number,
): Promise<unknown> {
  await trx
    .insertInto('settings')
    .values({ name, value: JSON.stringify(byDefault), revision: 0, updated_at: now, updated_by: null })
    .onConflict(conflict => conflict.column('name').doUpdateSet({ updated_at: now }))
    .execute()
  return storedValue(trx, name)
}

/** Replaces a value that is locked. */
export async function replaceValue(
  trx: Kysely<Tables>,
  name: string,
  value: unknown,
  by: { readonly name: string; readonly now: number },
): Promise<void> {
  await trx
    .updateTable('settings')
    .set(eb => ({
      value: JSON.stringify(value),
      revision: eb('revision', '+', 1),
      updated_at: by.now,
      updated_by: by.name,
    }))
    .where('name', '=', name)
    .execute()
}
