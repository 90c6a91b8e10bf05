import { createHash } from 'node:crypto'
import type { Dataset, Row } from '../dataset.ts'

/**
 * Which fold a row is predicted in. `group`: rows of one group (of one text, where none is given) fall together;
 * `id`: by the row's id, the rule under which published figures of `routing-data` were made.
 */
export type FoldRule = 'group' | 'id'

export function foldOfRows(dataset: Dataset, rule: FoldRule, folds: number): Uint8Array {
  return Uint8Array.from(
    dataset.rows,
    row => hashed(`cv|${rule === 'id' ? row.id : (row.group ?? groupOf(row))}`) % folds,
  )
}

/** Texts that differ in numbers, case and spacing only are one template. */
const groupOf = (row: Row): string =>
  row.text
    .toLowerCase()
    .replace(/\d+/g, '0')
    .replace(/[^\p{L}0]+/gu, ' ')
    .trim()

const hashed = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE(0)
