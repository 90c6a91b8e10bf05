import type { LedgerBodyRow } from '../../../platform/store/tables.ts'
import { bodyKind, decodeBody } from '../bodies/body-line.ts'
import type { JournalLine } from '../journal/read-segment.ts'
import { decodeRecord, recordVersion } from '../journal/record-line.ts'
import type { SpendRecord } from '../spend-record.ts'

export type ParsedLine =
  | { readonly kind: 'record'; readonly record: SpendRecord }
  | { readonly kind: 'body'; readonly body: LedgerBodyRow }
  /** Given up. */
  | { readonly kind: 'damaged' }

/** A line that a newer program wrote: kept on disk until one reads it again. */
export class NewerLine extends Error {
  override readonly name = 'NewerLine'
}

const damaged: ParsedLine = { kind: 'damaged' }
const recordStart = `[${recordVersion},`
const bodyStart = `["${bodyKind}",`

/**
 * The lines up to the first of a newer program.
 * @throws NewerLine when not even the first line can be read
 */
export function readableLines(lines: readonly JournalLine[]): readonly JournalLine[] {
  const end = lines.findIndex(({ json }) => json !== undefined && isNewer(json))
  if (end < 0) return lines
  if (end === 0) throw new NewerLine(`a line of kind ${String(kindOf(lines[0]?.json ?? ''))}`)
  return lines.slice(0, end)
}

const isNewer = (json: string): boolean =>
  !json.startsWith(recordStart) && !json.startsWith(bodyStart) && kindOf(json) !== undefined

/** Undefined: not a list, so a defect and not a newer shape. */
function kindOf(json: string): unknown {
  try {
    const list: unknown = JSON.parse(json)
    return Array.isArray(list) ? (list[0] ?? null) : undefined
  } catch {
    return undefined
  }
}

export function parseLine(json: string | undefined): ParsedLine {
  if (json === undefined) return damaged
  try {
    const list = JSON.parse(json) as readonly unknown[]
    if (list[0] === recordVersion) return { kind: 'record', record: decodeRecord(list) }
    if (list[0] === bodyKind) return { kind: 'body', body: decodeBody(list) }
    return damaged
  } catch {
    // The checksum fits and the content does not: a defect of the program that wrote it, which no later try mends.
    return damaged
  }
}
