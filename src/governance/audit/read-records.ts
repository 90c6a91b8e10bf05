import type { Kysely } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'
import type { AuditRecord } from './record.ts'

/** Rows per query: at the largest record size about 10 MB, usually 100 kB. */
const pageRows = 200

/** Records of `(after, through]` in order, page by page: memory holds one page, however long the log. */
export async function* readRecords(db: Kysely<Tables>, after: number, through: number): AsyncGenerator<AuditRecord> {
  let last = after
  while (last < through) {
    const page = await readPage(db, last, through, pageRows)
    yield* page
    const end = page.at(-1)
    if (end === undefined || page.length < pageRows) return
    last = end.seq
  }
}

export function readPage(
  db: Kysely<Tables>,
  after: number,
  through: number,
  limit: number,
): Promise<readonly AuditRecord[]> {
  return db
    .selectFrom('audit')
    .selectAll()
    .where('seq', '>', after)
    .where('seq', '<=', through)
    .orderBy('seq')
    .limit(limit)
    .execute()
}
