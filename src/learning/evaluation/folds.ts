import { createHash } from 'node:crypto'
import { groupKeys } from '../dataset/groups.ts'
import type { Row } from '../dataset.ts'

/**
 * Fold of every row: sha256("cv|" + key), first 32 bits, modulo the number of folds. The key is the row's group where
 * rows have one, so that no template stands on both sides; of published tables, which have none, it is the id, as their
 * published results have it.
 */
export function foldsOf(rows: readonly Row[], folds: number, by: 'group' | 'id' = defaultKey(rows)): Int32Array {
  const keys = by === 'id' ? rows.map(({ id }) => id) : groupKeys(rows)
  return Int32Array.from(keys, key => createHash('sha256').update(`cv|${key}`).digest().readUInt32BE(0) % folds)
}

export const defaultKey = (rows: readonly Row[]): 'group' | 'id' =>
  rows.some(({ group }) => group !== undefined) ? 'group' : 'id'
