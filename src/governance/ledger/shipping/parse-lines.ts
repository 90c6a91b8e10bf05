import type { LedgerBodyRow } from '../../../platform/store/tables.ts'
import { bodyKind, decodeBody } from '../bodies/body-line.ts'
import type { JournalLine } from '../journal/read-segment.ts'
import { decodeRecord, recordVersion } from '../journal/record-line.ts'
import type { SpendRecord } from '../spend-record.ts'

export interface ParsedLine {
  readonly record?: SpendRecord
  readonly body?: LedgerBodyRow
  /** With neither: damaged, and given up. */
  readonly end: number
}

/** A line that a newer program wrote: kept on disk until one reads it again. */
export class NewerLine extends Error {
  override readonly name = 'NewerLine'
}

/** Milliseconds of work between two breaths of the event loop. */
const slice = 2

/**
 * Parses lines in slices, so that 500 of them (about 2 ms) never hold up the calls of the same process.
 * @throws NewerLine when not even the first line can be read; lines before such a line are returned
 */
export async function parseLines(lines: readonly JournalLine[]): Promise<ParsedLine[]> {
  const parsed: ParsedLine[] = []
  let began = performance.now()
  for (const { json, end } of lines) {
    if ((parsed.length & 15) === 15 && performance.now() - began > slice) {
      await new Promise(setImmediate)
      began = performance.now()
    }
    try {
      parsed.push({ ...parseLine(json), end })
    } catch (error) {
      if (!(error instanceof NewerLine)) throw error
      if (parsed.length === 0) throw error
      break
    }
  }
  return parsed
}

function parseLine(json: string | undefined): Omit<ParsedLine, 'end'> {
  if (json === undefined) return {}
  try {
    const list = JSON.parse(json) as readonly unknown[]
    const kind = list[0]
    if (kind === recordVersion) return { record: decodeRecord(list) }
    if (kind === bodyKind) return { body: decodeBody(list) }
    throw new NewerLine(`a line of kind ${String(kind)}`)
  } catch (error) {
    if (error instanceof NewerLine) throw error
    // The checksum fits and the content does not: a defect of the program that wrote it, which no later try mends.
    return {}
  }
}
