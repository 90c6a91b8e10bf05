import { Readable } from 'node:stream'
import { z } from 'zod'
import { seqRange } from '../../../governance/audit/export-range.ts'
import { auditSortColumns, findRecord, queryAudit } from '../../../governance/audit/query.ts'
import { readRecords } from '../../../governance/audit/read-records.ts'
import { recordLine } from '../../../governance/audit/record.ts'
import type { Verdict } from '../../../governance/audit/verify.ts'
import { verifyStore } from '../../../governance/audit/verify-store.ts'
import type { Management } from '../../../governance/management/management.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Store } from '../../../platform/store/store.ts'
import { apiRoute, pageNumber, pageSize } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { asRow, auditRow } from './audit-row.ts'
import { endOf, startOf } from './dates.ts'

const id = z.string().min(1).max(512).optional()

const filters = z.object({
  page: pageNumber,
  page_size: pageSize(10),
  changed_by: id.describe('Actor, or on whose behalf it acted.'),
  changed_by_api_key: id.describe('SHA-256 of the actor’s key.'),
  action: id,
  table_name: id.describe('LiteLLM’s table name or our kind of object.'),
  object_id: id,
  object_team_id: id.describe('`team_id` in the values before or after.'),
  object_key_hash: id.describe('`token` in the values before or after.'),
  outcome: z.enum(['success', 'denied', 'failed']).optional(),
  search: id.describe('Equals id, object, actor or key hash.'),
  start_date: startOf.optional(),
  end_date: endOf.optional(),
  sort_by: z.enum(Object.keys(auditSortColumns) as (keyof typeof auditSortColumns)[]).default('updated_at'),
  sort_order: z.enum(['asc', 'desc']).default('desc'),
})

const range = z.object({
  from_seq: z.coerce.number().int().min(1).optional(),
  to_seq: z.coerce.number().int().min(1).optional(),
  start_date: startOf.optional(),
  end_date: endOf.optional(),
})

const verdict = z.object({
  valid: z.boolean(),
  records: z.int(),
  first: z.int().optional(),
  last: z.int().optional(),
  hash: z.string(),
  repeated: z.int(),
  checkpoints: z.int(),
  break: z.object({ kind: z.string(), seq: z.int(), message: z.string(), place: z.string().optional() }).optional(),
})

const tag = 'audit'
const read = { tag, method: 'GET', permission: 'viewer' } as const

/** Who changed what: LiteLLM's `/audit`, and export and verification of the chain. */
export function auditRoutes(management: Management): Route[] {
  const { store } = management.governance
  let verifying: Promise<Verdict> | undefined
  return [
    apiRoute({
      ...read,
      paths: ['/audit'],
      summary: 'List audit records',
      query: filters,
      response: z.object({
        audit_logs: z.array(auditRow),
        total: z.int(),
        page: z.int(),
        page_size: z.int(),
        total_pages: z.int(),
      }),
      handle: ({ query }) => list(store, query),
    }),
    apiRoute({
      ...read,
      paths: ['/audit/:id'],
      summary: 'One audit record',
      params: z.object({ id: z.string().min(1).max(512) }),
      response: auditRow,
      async handle({ params }) {
        const record = await findRecord(store, params.id)
        if (record === undefined) throw new GatewayError('not_found', 'There is no audit record with this id.')
        return asRow(record)
      },
    }),
    apiRoute({
      ...read,
      paths: ['/v1/routeiq/audit/export'],
      summary: 'Export the log as NDJSON',
      description:
        'One record per line, in the order of the chain; `routeiq audit verify --export` checks it. A download that breaks off is not complete.',
      query: range,
      response: z.unknown(),
      async handle({ query, actor, reply }) {
        const { first, last } = await seqRange(store.db, query)
        await management.governance.change(async () => ({
          result: undefined,
          audit: [
            {
              actor,
              action: 'exported',
              objectKind: 'audit',
              objectId: `${first} to ${last}`,
              details: { first, last },
            },
          ],
          notices: [],
        }))
        reply.type('application/x-ndjson')
        reply.header('content-disposition', `attachment; filename="audit-${first}-${last}.ndjson"`)
        return Readable.from(lines(store, first, last), { objectMode: false, highWaterMark: 65_536 })
      },
    }),
    apiRoute({
      ...read,
      paths: ['/v1/routeiq/audit/verify'],
      summary: 'Verify the chain',
      description: 'Reads the whole log; whoever asks while it is read gets the same verdict.',
      response: verdict,
      async handle() {
        verifying ??= verifyStore(store.db).finally(() => {
          verifying = undefined
        })
        return verifying
      },
    }),
  ]
}

async function list(store: Store, query: z.output<typeof filters>) {
  const { page, page_size, sort_by, sort_order } = query
  const { records, total } = await queryAudit(store, {
    filter: {
      changedBy: query.changed_by,
      changedByApiKey: query.changed_by_api_key,
      action: query.action,
      tableName: query.table_name,
      objectId: query.object_id,
      objectTeamId: query.object_team_id,
      objectKeyHash: query.object_key_hash,
      outcome: query.outcome,
      search: query.search,
      from: query.start_date,
      to: query.end_date,
    },
    page,
    pageSize: page_size,
    sortBy: sort_by,
    descending: sort_order === 'desc',
  })
  return {
    audit_logs: records.map(asRow),
    total,
    page,
    page_size,
    total_pages: Math.ceil(total / page_size),
  }
}

/** Lines in chunks of a page: one write per record would be all overhead. */
async function* lines(store: Store, first: number, last: number): AsyncGenerator<string> {
  let text = ''
  for await (const record of readRecords(store.db, first - 1, last)) {
    text += `${recordLine(record)}\n`
    if (text.length < 65_536) continue
    yield text
    text = ''
  }
  if (text !== '') yield text
}
