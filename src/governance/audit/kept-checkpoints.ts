import type { Kysely } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'

/** Names in the table `settings`. */
const latest = 'audit.checkpoint'
const retained = 'audit.retained_from'

/** The latest checkpoint that was made. */
export const keptCheckpoint = (db: Kysely<Tables>): Promise<Checkpoint | undefined> => read(db, latest)

export const keepCheckpoint = (db: Kysely<Tables>, checkpoint: Checkpoint): Promise<void> =>
  write(db, latest, checkpoint)

/** The last record that retention removed: the chain is verified from there on. */
export const retainedFrom = (db: Kysely<Tables>): Promise<Checkpoint | undefined> => read(db, retained)

export const keepRetainedFrom = (db: Kysely<Tables>, checkpoint: Checkpoint): Promise<void> =>
  write(db, retained, checkpoint)

async function read(db: Kysely<Tables>, name: string): Promise<Checkpoint | undefined> {
  const row = await db.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
  return row === undefined ? undefined : parseCheckpoint(row.value)
}

async function write(db: Kysely<Tables>, name: string, checkpoint: Checkpoint): Promise<void> {
  const value = JSON.stringify(checkpoint)
  await db
    .insertInto('settings')
    .values({ name, value, revision: 1, updated_at: checkpoint.at, updated_by: 'system:audit' })
    .onConflict(conflict =>
      conflict.column('name').doUpdateSet(({ ref, eb }) => ({
        value,
        revision: eb(ref('settings.revision'), '+', 1),
        updated_at: checkpoint.at,
        updated_by: 'system:audit',
      })),
    )
    .execute()
}
