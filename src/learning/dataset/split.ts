import { createHash } from 'node:crypto'
import type { Split } from './example.ts'

export interface SplitRow {
  readonly group: string
  /** Epoch ms; undefined: not known. */
  readonly at: number | undefined
  /** Said by the data. */
  readonly given: Split | undefined
}

export interface SplitResult {
  readonly splits: readonly Split[]
  /** For the card. */
  readonly rule: string
}

/** A test of less than this part of what was wanted is too small: most groups go on through all the time. */
const enough = 0.25

/**
 * Splits by group, never by row. Where most rows have a time the test is the newest part: groups that begin after the
 * cut, since that is what a router meets once it is deployed. Else groups are drawn by their hash.
 */
export function splitRows(rows: readonly SplitRow[], testShare: number): SplitResult {
  if (rows.some(({ given }) => given !== undefined)) {
    const test = new Set(rows.filter(({ given }) => given === 'test').map(({ group }) => group))
    return {
      splits: rows.map(({ group }) => (test.has(group) ? 'test' : 'train')),
      rule: 'as the data say, whole groups',
    }
  }
  const times = rows.flatMap(({ at }) => (at === undefined ? [] : [at])).sort((a, b) => a - b)
  if (times.length > rows.length / 2) {
    const cut = times[Math.floor((1 - testShare) * times.length)] ?? Number.POSITIVE_INFINITY
    const begins = new Map<string, number>()
    for (const { group, at } of rows)
      begins.set(group, Math.min(begins.get(group) ?? Number.POSITIVE_INFINITY, at ?? 0))
    const splits = rows.map(({ group }): Split => ((begins.get(group) ?? 0) >= cut ? 'test' : 'train'))
    const tested = splits.filter(split => split === 'test').length
    if (tested >= enough * testShare * rows.length && tested < rows.length)
      return { splits, rule: `by time: groups that begin on or after ${new Date(cut).toISOString()} are the test` }
  }
  const drawn = (group: string): boolean =>
    createHash('sha256').update(`split|${group}`).digest().readUInt32BE(0) / 2 ** 32 < testShare
  return { splits: rows.map(({ group }) => (drawn(group) ? 'test' : 'train')), rule: 'by the hash of the group' }
}
