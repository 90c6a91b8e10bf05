import { z } from 'zod'
import type { Principal } from '../../../governance/authentication/principal.ts'
import { asToken } from '../../../governance/authentication/token-hash.ts'
import {
  type ActivityQuery,
  type DailyActivity,
  dailyActivity,
  dailyActivityPage,
} from '../../../governance/ledger/reports/daily-activity.ts'
import type { Selection } from '../../../governance/ledger/reports/sums-query.ts'
import { apiRoute, pageNumber, pageSize } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { idList, idText } from './lists.ts'
import { optionalPeriod, requiredPeriod } from './period.ts'
import type { SpendServices } from './services.ts'
import { entitySums, organizationSums, teamSums, userSums } from './visible-sums.ts'

export const metrics = z.object({
  spend: z.number().describe('Dollars.'),
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  cache_read_input_tokens: z.number(),
  cache_creation_input_tokens: z.number(),
  total_tokens: z.number(),
  successful_requests: z.number(),
  failed_requests: z.number(),
  api_requests: z.number(),
  total_response_time_ms: z.number(),
  timed_requests: z.number(),
})
const keyMetric = z.object({
  metrics,
  metadata: z.object({
    key_alias: z.string().nullable(),
    team_id: z.string().nullable(),
    user_id: z.string().nullable(),
    key_exists: z.boolean(),
  }),
})
const part = z.record(
  z.string(),
  z.object({
    metrics,
    metadata: z.record(z.string(), z.unknown()),
    api_key_breakdown: z.record(z.string(), keyMetric),
  }),
)
const activity = z.object({
  results: z.array(
    z.object({
      date: z.string(),
      metrics,
      breakdown: z.object({
        models: part,
        model_groups: part,
        providers: part,
        endpoints: part,
        mcp_servers: part,
        entities: part,
        api_keys: z.record(z.string(), keyMetric),
      }),
    }),
  ),
  metadata: z.record(z.string(), z.union([z.number(), z.boolean()])),
})

const common = {
  ...optionalPeriod,
  model: idText.optional(),
  api_key: idText.optional().describe('A key or its hash.'),
  timezone: z.coerce.number().optional().describe('Taken for LiteLLM’s sake; days are those of UTC.'),
}
const paging = { page: pageNumber, page_size: pageSize(50, 1000) }
const keyLimit = z.coerce.number().int().min(1).max(200).default(25).describe('Keys named, those that cost most.')

interface Kind {
  readonly paths: readonly string[]
  readonly what: string
  readonly shown: NonNullable<ActivityQuery['shown']>
  readonly filters: z.ZodRawShape
  readonly select: (
    principal: Principal,
    query: Readonly<Record<string, unknown>>,
  ) => Selection[] | Promise<Selection[]>
}

/** `…/daily/activity`, by pages and whole: days with totals and breakdowns. */
export function activityRoutes({ governance }: SpendServices): Route[] {
  const { db } = governance.store
  const list = (value: unknown): readonly string[] | undefined => value as readonly string[] | undefined
  const kinds: readonly Kind[] = [
    {
      paths: ['/user/daily/activity'],
      what: 'users',
      shown: 'user',
      filters: { user_id: idText.optional() },
      select: (principal, query) => userSums(principal, query['user_id'] as string | undefined),
    },
    {
      paths: ['/team/daily/activity'],
      what: 'teams',
      shown: 'team',
      filters: { team_ids: idList.optional(), exclude_team_ids: idList.optional() },
      select: (principal, query) => teamSums(db, principal, list(query['team_ids']), list(query['exclude_team_ids'])),
    },
    {
      paths: ['/organization/daily/activity'],
      what: 'organizations',
      shown: 'organization',
      filters: { organization_ids: idList.optional() },
      select: (principal, query) => organizationSums(principal, list(query['organization_ids'])),
    },
    {
      paths: ['/customer/daily/activity', '/end_user/daily/activity'],
      what: 'customers',
      shown: 'end_user',
      filters: { end_user_ids: idList.optional() },
      select: (principal, query) => entitySums(db, principal, 'end_user', list(query['end_user_ids'])),
    },
    {
      paths: ['/tag/daily/activity'],
      what: 'tags; a call counts for each of its tags',
      shown: 'tag',
      filters: { tags: idList.optional() },
      select: (principal, query) => entitySums(db, principal, 'tag', list(query['tags'])),
    },
    {
      paths: ['/agent/daily/activity'],
      what: 'agents',
      shown: 'agent',
      filters: { agent_ids: idList.optional() },
      select: (principal, query) => entitySums(db, principal, 'agent', list(query['agent_ids'])),
    },
  ]
  return kinds.flatMap(kind => routesOf(kind, (query, page) => read(db, query, page)))
}

type Read = (query: ActivityQuery, page: { page: number; size: number } | undefined) => Promise<DailyActivity>

const read = (
  db: SpendServices['governance']['store']['db'],
  query: ActivityQuery,
  page: { page: number; size: number } | undefined,
): Promise<DailyActivity> =>
  page === undefined ? dailyActivity(db, query) : dailyActivityPage(db, query, page.page, page.size)

function routesOf(kind: Kind, answer: Read): Route[] {
  const shared = { tag: 'spend', method: 'GET', permission: 'self', response: activity } as const
  const build = async (principal: Principal, query: Record<string, unknown>, limit: number): Promise<ActivityQuery> => {
    const period = requiredPeriod(query)
    const selections = narrowed(await kind.select(principal, query), query['api_key'] as string | undefined)
    return {
      ...period,
      ...wholeAndParts(kind, selections),
      model: query['model'] as string | undefined,
      shown: kind.shown,
      keyLimit: limit,
    }
  }
  return [
    apiRoute({
      ...shared,
      paths: kind.paths,
      summary: `Spend per day, by ${kind.what}`,
      description: 'By pages of daily sums: whoever reads all pages adds them up.',
      query: z.object({ ...common, ...kind.filters, ...paging }),
      handle: async ({ principal, query }) => {
        const { page, page_size } = query as { page: number; page_size: number }
        const built = await build(principal, query, 0)
        // Rows of users tell users apart, which the sums of everything do not.
        const selections = built.entitySelections ?? built.selections
        return answer({ ...built, selections }, { page, size: page_size })
      },
    }),
    apiRoute({
      ...shared,
      paths: kind.paths.map(path => `${path}/aggregated`),
      summary: `Spend per day, by ${kind.what}, in one answer`,
      query: z.object({ ...common, ...kind.filters, api_key_limit: keyLimit }),
      handle: async ({ principal, query }) => {
        const { api_key_limit } = query as { api_key_limit: number }
        return answer(await build(principal, query, api_key_limit), undefined)
      },
    }),
  ]
}

/** One key's part of what is visible. */
function narrowed(selections: Selection[], apiKey: string | undefined): Selection[] {
  if (apiKey === undefined) return selections
  const token = asToken(apiKey)
  return selections.map(selection => ({
    ...selection,
    tokens: selection.tokens === undefined || selection.tokens.includes(token) ? [token] : [],
  }))
}

/**
 * Everything is read from the sums of everything, one row per combination; whose it was is read beside it. The sums of all
 * users, and of all teams, add up to the same.
 */
function wholeAndParts(
  kind: Kind,
  selections: readonly Selection[],
): Pick<ActivityQuery, 'selections' | 'entitySelections'> {
  const [only] = selections
  const everything =
    selections.length === 1 &&
    only !== undefined &&
    only.ids === undefined &&
    (only.excludeIds ?? []).length === 0 &&
    (only.entity === 'all' || (only.entity === kind.shown && (kind.shown === 'user' || kind.shown === 'team')))
  if (!everything || (kind.shown !== 'user' && kind.shown !== 'team')) return { selections }
  const { tokens } = only
  return { selections: [{ entity: 'all', tokens }], entitySelections: [{ entity: kind.shown, tokens }] }
}
