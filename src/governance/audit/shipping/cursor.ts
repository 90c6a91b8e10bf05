import type { Kysely } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import type { Batch } from './sink.ts'

/** How far a sink is. Kept in the store, so that any process goes on where another stopped. */
export interface Cursor {
  /** The last record the sink has confirmed. */
  readonly seq: number
  /** Its hash. */
  readonly hash: string | undefined
  /** The last record of the batch that is under way: decided once, so that a batch sent again is the same batch. */
  readonly pending: number | undefined
}

export async function readCursor(db: Kysely<Tables>, sink: string): Promise<Cursor> {
  const row = await db
    .selectFrom('sink_cursors')
    .select(['seq', 'hash', 'pending_seq'])
    .where('sink', '=', sink)
    .executeTakeFirst()
  return { seq: row?.seq ?? 0, hash: row?.hash ?? undefined, pending: row?.pending_seq ?? undefined }
}

/** Decides the end of the next batch. False: another process has decided, or has moved the cursor. */
export async function plan(
  db: Kysely<Tables>,
  sink: string,
  cursor: Cursor,
  end: number,
  now: number,
): Promise<boolean> {
  await db
    .insertInto('sink_cursors')
    .values({ sink, seq: 0, hash: null, pending_seq: null, updated_at: now })
    .onConflict(conflict => conflict.column('sink').doNothing())
    .execute()
  const { numUpdatedRows } = await db
    .updateTable('sink_cursors')
    .set({ pending_seq: end, updated_at: now })
    .where('sink', '=', sink)
    .where('seq', '=', cursor.seq)
    .where('pending_seq', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** The sink has the batch: the cursor moves to its end. Only forward, and only from where the batch began. */
export async function confirm(
  db: Kysely<Tables>,
  sink: string,
  cursor: Cursor,
  { last, records }: Batch,
  now: number,
): Promise<void> {
  await db
    .updateTable('sink_cursors')
    .set({ seq: last, hash: records.at(-1)?.hash ?? null, pending_seq: null, updated_at: now })
    .where('sink', '=', sink)
    .where('seq', '=', cursor.seq)
    .execute()
}

/**
 * Whether the record the sink confirmed last is still the one in the log. It is not after a restore of an older backup,
 * or when somebody rewrote or cut the table.
 */
export async function isFollowed(db: Kysely<Tables>, { seq, hash }: Cursor): Promise<boolean> {
  if (hash === undefined) return true
  const row = await db.selectFrom('audit').select('hash').where('seq', '=', seq).executeTakeFirst()
  return row?.hash === hash
}

/** Sends everything again: what the sink has is not what the log says now, and the sink shall show both. */
export async function rewind(db: Kysely<Tables>, sink: string, now: number): Promise<void> {
  await db
    .updateTable('sink_cursors')
    .set({ seq: 0, hash: null, pending_seq: null, updated_at: now })
    .where('sink', '=', sink)
    .execute()
}
