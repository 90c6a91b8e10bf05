import type { KeyObject } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { inTransaction } from '../../platform/store/transaction.ts'
import { append } from './append.ts'
import { makeCheckpoint } from './checkpoint.ts'
import { contentOf } from './content.ts'
import { keepRetainedFrom } from './kept-checkpoints.ts'
import { readCursor } from './shipping/cursor.ts'

export interface RetentionRequest {
  /** Epoch ms: older records may go. */
  readonly before: number
  /**
   * Milliseconds: nothing goes before the oldest record is so much older still. Every removal makes a record of its own,
   * so a few at a time would grow the log. Default 0.
   */
  readonly slack?: number | undefined
  /** Sinks that must have confirmed a record first. */
  readonly sinks: readonly string[]
  /** Signs the mark that stands in for what was removed. */
  readonly key: KeyObject | undefined
  readonly now: number
}

/** Most records removed in one transaction. */
export const retentionChunk = 2000

/**
 * Removes the oldest records and keeps the hash of the last one removed, from which the rest is verified. What a sink
 * has not confirmed stays, and so does the record at its cursor. That something was removed is itself recorded.
 * @returns how many records went; when it is `retentionChunk` there may be more.
 */
export async function applyRetention(store: Store, request: RetentionRequest): Promise<number> {
  const { before, slack = 0, sinks, key, now } = request
  return inTransaction(store, async trx => {
    const through = await lastRemovable(trx, before, slack, sinks)
    if (through === undefined) return 0
    const last = await trx.selectFrom('audit').select(['seq', 'hash']).where('seq', '=', through).executeTakeFirst()
    if (last === undefined) return 0
    await keepRetainedFrom(trx, makeCheckpoint({ ...last, at: now }, key))
    const { numDeletedRows } = await trx.deleteFrom('audit').where('seq', '<=', through).executeTakeFirst()
    const removed = Number(numDeletedRows)
    const event = {
      actor: { name: 'system:retention', token: undefined, address: undefined },
      action: 'deleted',
      objectKind: 'audit',
      objectId: `through ${through}`,
      details: { records: removed, through, hash: last.hash },
    } as const
    await append(trx, store.dialect, [contentOf(event, now)])
    return removed
  })
}

async function lastRemovable(
  trx: Kysely<Tables>,
  before: number,
  slack: number,
  sinks: readonly string[],
): Promise<number | undefined> {
  const first = await trx.selectFrom('audit').select(['seq', 'at']).orderBy('seq').limit(1).executeTakeFirst()
  if (first === undefined || first.at >= before - slack) return undefined
  const end = first.seq + retentionChunk - 1
  const young = await trx
    .selectFrom('audit')
    .select('seq')
    .where('at', '>=', before)
    .where('seq', '<=', end)
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst()
  const head = await trx.selectFrom('audit').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirstOrThrow()
  const cursors = await Promise.all(sinks.map(sink => readCursor(trx, sink)))
  const bounds = [young === undefined ? end : young.seq - 1, head.seq - 1, ...cursors.map(cursor => cursor.seq - 1)]
  const through = Math.min(...bounds)
  return through >= first.seq ? through : undefined
}
