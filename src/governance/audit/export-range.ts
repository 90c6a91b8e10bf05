import type { Kysely } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'
import { chainHead } from './append.ts'

export interface RangeRequest {
  readonly from_seq?: number | undefined
  readonly to_seq?: number | undefined
  /** Epoch ms, inclusive. */
  readonly start_date?: number | undefined
  readonly end_date?: number | undefined
}

/**
 * The part of the chain that holds everything asked for, without gaps: clocks of several processes may cross, so a
 * range of time can have a few records beyond its ends. `first` is above `last` when there is nothing.
 */
export async function seqRange(
  db: Kysely<Tables>,
  { from_seq = 1, to_seq, start_date, end_date }: RangeRequest,
): Promise<{ readonly first: number; readonly last: number }> {
  const [head, start, end] = await Promise.all([
    chainHead(db),
    start_date === undefined
      ? undefined
      : db
          .selectFrom('audit')
          .select(({ fn }) => fn.min<number | null>('seq').as('seq'))
          .where('at', '>=', start_date)
          .executeTakeFirst(),
    end_date === undefined
      ? undefined
      : db
          .selectFrom('audit')
          .select(({ fn }) => fn.max<number | null>('seq').as('seq'))
          .where('at', '<=', end_date)
          .executeTakeFirst(),
  ])
  // A bound that no record meets leaves nothing.
  const first = start_date === undefined ? from_seq : Math.max(from_seq, start?.seq ?? head.seq + 1)
  const last = Math.min(to_seq ?? head.seq, head.seq, end_date === undefined ? head.seq : (end?.seq ?? 0))
  return { first, last }
}
