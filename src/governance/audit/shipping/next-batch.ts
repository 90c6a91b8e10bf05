import type { Kysely } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import { readPage } from '../read-records.ts'
import { type AuditRecord, recordLine } from '../record.ts'
import type { Cursor } from './cursor.ts'
import type { Batch, BatchLimits } from './sink.ts'

const pageRows = 100

/** The records after the cursor: up to the limits, or, for a batch that was decided before, exactly up to its end. */
export async function gather(
  db: Kysely<Tables>,
  { seq, pending }: Cursor,
  limits: BatchLimits,
): Promise<Batch | undefined> {
  const records: AuditRecord[] = []
  const lines: string[] = []
  let bytes = 0
  let after = seq
  for (;;) {
    const page = await readPage(db, after, pending ?? Number.MAX_SAFE_INTEGER, pageRows)
    for (const record of page) {
      const line = `${recordLine(record)}\n`
      const size = Buffer.byteLength(line)
      const fits = records.length < limits.records && bytes + size <= limits.bytes
      if (!fits && pending === undefined && records.length > 0) return batchOf(records, lines)
      records.push(record)
      lines.push(line)
      bytes += size
      after = record.seq
    }
    if (page.length < pageRows) break
  }
  return batchOf(records, lines)
}

function batchOf(records: readonly AuditRecord[], lines: readonly string[]): Batch | undefined {
  const first = records[0]
  const last = records.at(-1)
  if (first === undefined || last === undefined) return undefined
  return { first: first.seq, last: last.seq, records, ndjson: lines.join('') }
}
