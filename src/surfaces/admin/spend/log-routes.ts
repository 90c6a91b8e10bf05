import { z } from 'zod'
import type { Principal } from '../../../governance/authentication/principal.ts'
import { asToken } from '../../../governance/authentication/token-hash.ts'
import { visibilityOf } from '../../../governance/authorization/tenancy.ts'
import { spendSummary } from '../../../governance/ledger/reports/global-reports.ts'
import type { LogFilter } from '../../../governance/ledger/reports/log-filter.ts'
import { findLog, listLogs, newestLogs } from '../../../governance/ledger/reports/logs.ts'
import type { Selection } from '../../../governance/ledger/reports/sums-query.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { parseDollars } from '../../../platform/money.ts'
import { apiRoute, pageNumber, pageSize, queryFlag } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { endOf, startOf } from '../audit/dates.ts'
import { idText } from './lists.ts'
import { optionalPeriod, requiredPeriod } from './period.ts'
import type { SpendServices } from './services.ts'
import { keySums, ownSums, userSums } from './visible-sums.ts'

const log = z
  .looseObject({
    request_id: z.string(),
    api_key: z.string().describe('Hash of the key; empty for an administrator’s.'),
    spend: z.number().describe('Dollars.'),
    startTime: z.string(),
    endTime: z.string(),
    model: z.string(),
    model_group: z.string().nullable(),
    status: z.enum(['success', 'failure']),
  })
  .describe('A call, as LiteLLM’s spend logs show it.')

const dollars = z.coerce
  .number()
  .min(0)
  .transform(value => parseDollars(value))

const filters = {
  api_key: idText.optional().describe('A key or its hash.'),
  user_id: idText.optional(),
  request_id: idText.optional().describe('The id the caller saw (x-litellm-call-id).'),
  team_id: idText.optional(),
  end_user: idText.optional(),
  session_id: idText.optional(),
  key_alias: idText.optional(),
  model: idText.optional(),
  model_group: idText.optional(),
  model_id: idText.optional(),
  status_filter: z.enum(['success', 'failure']).optional(),
  error_code: z.coerce.number().int().optional().describe('HTTP status.'),
  error: idText.optional().describe('Error code of this gateway, such as rate_limit_exceeded.'),
  tag: idText.optional(),
  min_spend: dollars.optional(),
  max_spend: dollars.optional(),
}
const page = z.object({
  data: z.array(log),
  total: z.int(),
  total_is_capped: z.boolean(),
  search_stopped_at: z.string().nullable().describe('Calls before this time were not looked at; null: all were.'),
  page: z.int(),
  page_size: z.int(),
  total_pages: z.int(),
})
const sorts = ['startTime', 'endTime', 'spend', 'total_tokens', 'request_duration_ms', 'model'] as const

type Filters = z.output<z.ZodObject<typeof filters>>

/** Most calls an answer without pages holds. */
const maxUnpaged = 1000
const groups = ['spend_tracking_routes', 'management_routes', 'info_routes'] as const

/** `/spend/logs…`: calls one by one, and by day. */
export function logRoutes({ governance }: SpendServices): Route[] {
  const { db } = governance.store
  const read = { tag: 'spend', method: 'GET', permission: 'self', groups } as const
  return [
    apiRoute({
      ...read,
      paths: ['/spend/logs'],
      summary: 'Calls, or spend per day',
      description: `With start_date and end_date: spend per day, by key, user and model; with summarize=false the calls. Otherwise calls. The newest ${maxUnpaged} calls at most; /spend/logs/v2 has pages.`,
      query: z.object({
        api_key: filters.api_key,
        user_id: filters.user_id,
        request_id: filters.request_id,
        ...optionalPeriod,
        summarize: queryFlag.default(true),
      }),
      response: z.array(z.union([log, z.record(z.string(), z.unknown())])),
      async handle({ principal, query }) {
        const { start_date, end_date, summarize, ...given } = query
        const scope = visibilityOf(principal)
        const filter = filterOf(given)
        if (start_date === undefined && end_date === undefined) return newestLogs(db, filter, scope, maxUnpaged)
        const period = requiredPeriod(query)
        if (summarize && given.request_id === undefined) {
          const selections = await summarized(db, principal, given)
          return spendSummary(db, { ...period, selections }, byUser(selections))
        }
        const from = Date.parse(`${period.from}T00:00:00Z`)
        const to = Date.parse(`${period.to}T00:00:00Z`) + 86_399_999
        return newestLogs(db, { ...filter, from, to }, scope, maxUnpaged)
      },
    }),
    apiRoute({
      ...read,
      paths: ['/spend/logs/v2', '/spend/logs/ui'],
      summary: 'Calls, by pages',
      description: 'Newest first. At most the newest 10,000 calls that match are counted, leafed through and sorted.',
      query: z.object({
        ...filters,
        start_date: startOf.optional(),
        end_date: endOf.optional(),
        page: pageNumber,
        page_size: pageSize(50),
        sort_by: z.enum(sorts).default('startTime'),
        sort_order: z.enum(['asc', 'desc']).default('desc'),
      }),
      response: page,
      handle({ principal, query }) {
        const { start_date: from, end_date: to, page, page_size: pageSize, sort_by, sort_order, ...given } = query
        if (given.request_id === undefined && (from === undefined || to === undefined)) {
          const param = from === undefined ? 'start_date' : 'end_date'
          throw new GatewayError('missing_field', 'Give start_date and end_date, such as 2026-01-31 08:00:00.', {
            param,
          })
        }
        const paging = { page, pageSize, order: sort_by, ascending: sort_order === 'asc' }
        return listLogs(db, { ...filterOf(given), from, to }, visibilityOf(principal), paging)
      },
    }),
    apiRoute({
      ...read,
      paths: ['/spend/logs/session/ui'],
      summary: 'Calls of a session',
      query: z.object({ session_id: idText, page: pageNumber, page_size: pageSize(50) }),
      response: page,
      handle: ({ principal, query }) =>
        listLogs(db, { sessionId: query.session_id }, visibilityOf(principal), {
          page: query.page,
          pageSize: query.page_size,
          order: 'startTime',
          ascending: true,
        }),
    }),
    apiRoute({
      ...read,
      paths: ['/spend/logs/ui/:request_id'],
      summary: 'One call with its bodies',
      description: 'Bodies are there where store_prompts_in_spend_logs was on, until their retention ends.',
      params: z.object({ request_id: idText }),
      query: z.object({ start_date: z.string().optional(), end_date: z.string().optional() }),
      response: z.looseObject({
        request_id: z.string(),
        messages: z.unknown(),
        response: z.unknown(),
        proxy_server_request: z.unknown(),
      }),
      async handle({ principal, params }) {
        const found = await findLog(db, params.request_id, visibilityOf(principal))
        if (found === undefined) {
          throw new GatewayError('not_found', 'There is no call with this id that you may see.', {
            param: 'request_id',
          })
        }
        return {
          ...found.log,
          messages: messagesOf(found.request),
          proxy_server_request: found.request,
          response: found.response,
        }
      },
    }),
  ]
}

function filterOf(given: Partial<Filters>): LogFilter {
  return {
    requestId: given.request_id,
    token: given.api_key === undefined ? undefined : asToken(given.api_key),
    userId: given.user_id,
    teamId: given.team_id,
    endUser: given.end_user,
    sessionId: given.session_id,
    keyAlias: given.key_alias,
    model: given.model,
    modelGroup: given.model_group,
    deploymentId: given.model_id,
    status: given.status_filter,
    statusCode: given.error_code,
    error: given.error,
    tag: given.tag,
    minCost: given.min_spend,
    maxCost: given.max_spend,
  }
}

/** LiteLLM filters by the first of key and user. */
function summarized(
  db: SpendServices['governance']['store']['db'],
  principal: Principal,
  given: Partial<Filters>,
): Selection[] | Promise<Selection[]> {
  if (given.api_key !== undefined) return keySums(db, principal, asToken(given.api_key))
  return given.user_id === undefined ? ownSums(principal) : userSums(principal, given.user_id)
}

const byUser = (selections: readonly Selection[]): Selection[] =>
  selections.map(selection => (selection.entity === 'all' ? { ...selection, entity: 'user' } : selection))

/** Chat messages, a prompt or an input: what the dashboard shows as the question. */
function messagesOf(request: unknown): unknown {
  if (typeof request !== 'object' || request === null) return null
  const body = request as Readonly<Record<string, unknown>>
  return body['messages'] ?? body['input'] ?? body['prompt'] ?? null
}
