import type { KeyObject } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'
import { chainHead } from './append.ts'
import type { Checkpoint } from './checkpoint.ts'
import { keptCheckpoint, retainedFrom } from './kept-checkpoints.ts'
import { readRecords } from './read-records.ts'
import { type Found, type Verdict, verifyChain } from './verify.ts'

export interface StoreVerification {
  /** Checkpoints kept elsewhere, on top of the one in the store. */
  readonly checkpoints?: readonly Checkpoint[] | undefined
  readonly publicKey?: KeyObject | undefined
}

/** Verifies the chain in a store, as far as it reached when the walk began. */
export async function verifyStore(db: Kysely<Tables>, options: StoreVerification = {}): Promise<Verdict> {
  const [head, kept, retained] = await Promise.all([chainHead(db), keptCheckpoint(db), retainedFrom(db)])
  const { publicKey } = options
  return verifyChain(foundIn(db, head.seq), {
    start: retained,
    checkpoints: [...(options.checkpoints ?? []), ...(kept === undefined ? [] : [kept])],
    publicKey,
  })
}

async function* foundIn(db: Kysely<Tables>, through: number): AsyncGenerator<Found> {
  for await (const record of readRecords(db, 0, through)) yield { record, place: 'the table audit' }
}
