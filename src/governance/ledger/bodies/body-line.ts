import type { LedgerBodyRow } from '../../../platform/store/tables.ts'

/** First element of a journal line that holds bodies; records have their version there. */
export const bodyKind = 'body1'

export const encodeBody = (row: LedgerBodyRow): string =>
  JSON.stringify([bodyKind, row.id, row.started_at, row.request, row.response, row.expires_at])

export function decodeBody(line: readonly unknown[]): LedgerBodyRow {
  const [, id, startedAt, request, response, expiresAt] = line
  return {
    id: String(id),
    started_at: Number(startedAt),
    request: typeof request === 'string' ? request : null,
    response: typeof response === 'string' ? response : null,
    expires_at: Number(expiresAt),
  }
}
