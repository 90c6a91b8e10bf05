import type { JournalLine } from '../journal/read-segment.ts'

/** A stretch of one segment: whole lines, none of a newer kind. */
export interface Stretch {
  readonly segment: string
  readonly from: number
  readonly to: number
  /** Those without JSON are damaged. */
  readonly lines: readonly JournalLine[]
}

/** What became of the lines of a stretch. */
export interface Shipped {
  /** Records that the store did not have. */
  readonly fresh: number
  /** Lines that are no record and no body, for all their checksum says. */
  readonly damaged: number
}

/**
 * Where the lines of the journal go. Each `ship` is one transaction: the cursor of the segment moves from `from` to `to`,
 * and everything that the lines between mean is written with it, or neither is. That alone makes shipping exactly once;
 * that rows known by their id add nothing is the second line, for a store that was restored from a backup or a journal
 * that was copied.
 */
export interface Sink {
  readonly description: string
  /** False while the last contact failed. */
  readonly available: boolean
  /** How far the store has a segment, bytes. */
  cursor(segment: string): Promise<number> | number
  /** @throws CursorMoved StoreUnavailable */
  ship(stretch: Stretch, now: number): Promise<Shipped> | Shipped
  /** Segments that are gone. */
  forget(segments: readonly string[]): Promise<void> | void
}

/** Somebody else shipped this stretch, or part of it; `at` is where they are. */
export class CursorMoved extends Error {
  override readonly name = 'CursorMoved'
  readonly at: number

  constructor(segment: string, at: number) {
    super(`segment ${segment} was shipped to ${at} by another process`)
    this.at = at
  }
}

export const cursorName = (segment: string): string => `ledger:${segment}`
