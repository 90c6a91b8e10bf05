import { z } from 'zod'
import { asToken } from '../../../governance/authentication/token-hash.ts'
import { resetAllCounters, resetAllSpend } from '../../../governance/ledger/global-reset.ts'
import {
  activity,
  activityPerModel,
  cacheActivity,
  exceptions,
  exceptionsPerDeployment,
  gatewayActivity,
} from '../../../governance/ledger/reports/activity.ts'
import { entityNames } from '../../../governance/ledger/reports/entity-names.ts'
import {
  groupedReport,
  keyReport,
  spendPerDay,
  spendPerProvider,
  spendPerTag,
  spendPerTeam,
  topEndUsers,
  topKeys,
  topModels,
  totalSpend,
} from '../../../governance/ledger/reports/global-reports.ts'
import type { Selection } from '../../../governance/ledger/reports/sums-query.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { callTypeOfRoute } from './call-types.ts'
import { idList, idText } from './lists.ts'
import { dateText, optionalPeriod, periodOr, requiredPeriod } from './period.ts'
import type { SpendServices } from './services.ts'
import { entitySums, keySums, ownSums, seesEverything, teamSums, userSums } from './visible-sums.ts'

const groups = ['global_spend_tracking_routes', 'management_routes', 'info_routes'] as const
const period = z.object(optionalPeriod)
const rows = <T extends z.ZodRawShape>(shape: T) => z.array(z.object(shape))
const limit = (byDefault: number) => z.coerce.number().int().min(1).max(1000).default(byDefault)
/** What LiteLLM's views look back on. */
const lookBack = 30
/** Of a list of names. */
const maxNames = 10_000

const days = z.object({
  daily_data: rows({ date: z.string(), api_requests: z.number(), total_tokens: z.number() }),
  sum_api_requests: z.number(),
  sum_total_tokens: z.number(),
})
const exceptionDays = z.object({
  daily_data: rows({ date: z.string(), num_rate_limit_exceptions: z.number() }),
  sum_num_rate_limit_exceptions: z.number(),
})
const models = rows({
  model: z.string(),
  total_cost: z.number(),
  total_input_tokens: z.number(),
  total_output_tokens: z.number(),
})
export const keyReportRows = rows({
  api_key: z.string(),
  key_alias: z.string().nullable(),
  total_cost: z.number(),
  total_input_tokens: z.number(),
  total_output_tokens: z.number(),
  model_details: models,
})

/** `/global/…`: LiteLLM's reports over everything, or over what the caller spent. */
export function globalRoutes(services: SpendServices): Route[] {
  return [...spendReports(services), ...activityReports(services), ...wholeGateway(services), ...resets(services)]
}

function spendReports({ governance, clock, settings }: SpendServices): Route[] {
  const { db } = governance.store
  const read = { tag: 'spend', method: 'GET', permission: 'self', groups } as const
  return [
    apiRoute({
      ...read,
      paths: ['/global/spend'],
      summary: 'Spend of the last 30 days',
      response: z.object({ spend: z.number(), max_budget: z.number().nullable() }),
      handle: async ({ principal }) => ({
        spend: await totalSpend(db, { ...periodOr({}, lookBack, clock.epoch()), selections: ownSums(principal) }),
        max_budget: settings().maxBudget ?? null,
      }),
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/logs'],
      summary: 'Spend per day',
      query: period.extend({ api_key: idText.optional() }),
      response: rows({ date: z.string(), spend: z.number(), api_key: z.string().optional() }),
      async handle({ principal, query }) {
        const token = query.api_key === undefined ? undefined : asToken(query.api_key)
        const selections = token === undefined ? ownSums(principal) : await keySums(db, principal, token)
        return spendPerDay(db, { ...periodOr(query, lookBack, clock.epoch()), selections }, token)
      },
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/keys'],
      summary: 'Keys that cost most',
      query: period.extend({ limit: limit(100) }),
      response: rows({
        api_key: z.string(),
        key_alias: z.string().nullable(),
        key_name: z.string().nullable(),
        total_spend: z.number(),
      }),
      handle: ({ principal, query }) =>
        topKeys(db, { ...periodOr(query, lookBack, clock.epoch()), selections: ownSums(principal) }, query.limit),
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/models'],
      summary: 'Models that cost most',
      query: period.extend({ limit: limit(10) }),
      response: rows({ model: z.string(), total_spend: z.number(), total_tokens: z.number() }),
      handle: ({ principal, query }) =>
        topModels(db, { ...periodOr(query, lookBack, clock.epoch()), selections: ownSums(principal) }, query.limit),
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/teams'],
      summary: 'Spend per day and team',
      query: period,
      response: z.object({
        daily_spend: z.array(z.record(z.string(), z.union([z.string(), z.number()]))),
        teams: z.array(z.string()),
        total_spend_per_team: rows({ team_id: z.string(), total_spend: z.number() }),
      }),
      handle: async ({ principal, query }) =>
        spendPerTeam(db, {
          ...periodOr(query, lookBack, clock.epoch()),
          selections: await teamSums(db, principal, undefined),
        }),
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/provider'],
      summary: 'Spend per vendor',
      query: period,
      response: rows({ provider: z.string(), spend: z.number() }),
      handle: ({ principal, query }) =>
        spendPerProvider(db, { ...requiredPeriod(query), selections: ownSums(principal) }),
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/tags'],
      summary: 'Spend per tag',
      query: period.extend({ tags: idList.optional() }),
      response: z.object({ spend_per_tag: rows({ name: z.string(), spend: z.number(), log_count: z.number() }) }),
      async handle({ principal, query }) {
        const selections = await entitySums(db, principal, 'tag', query.tags)
        const found = await spendPerTag(db, { ...requiredPeriod(query), selections }, 1000)
        return { spend_per_tag: found.map(({ tag, spend, requests }) => ({ name: tag, spend, log_count: requests })) }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/spend/tags'],
      groups: ['spend_tracking_routes', 'management_routes', 'info_routes'],
      summary: 'Spend per tag, in the other form',
      query: period,
      response: rows({ individual_request_tag: z.string(), log_count: z.number(), total_spend: z.number() }),
      async handle({ principal, query }) {
        const selections = await entitySums(db, principal, 'tag', undefined)
        const found = await spendPerTag(db, { ...periodOr(query, 366, clock.epoch()), selections }, 1000)
        return found.map(({ tag, requests, spend }) => ({
          individual_request_tag: tag,
          log_count: requests,
          total_spend: spend,
        }))
      },
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/all_tag_names'],
      summary: 'Tags of all calls; of the last year where the caller sees its own calls only',
      response: z.object({ tag_names: z.array(z.string()) }),
      async handle({ principal }) {
        if (seesEverything(principal)) return { tag_names: [...(await entityNames(db, 'tag', maxNames))] }
        const selections = await entitySums(db, principal, 'tag', undefined)
        const found = await spendPerTag(db, { ...periodOr({}, 366, clock.epoch()), selections }, maxNames)
        return { tag_names: found.map(({ tag }) => tag) }
      },
    }),
    apiRoute({
      ...read,
      method: 'POST',
      writes: false,
      permission: 'viewer',
      paths: ['/global/spend/end_users'],
      summary: 'Customers that cost most',
      body: z.object({
        api_key: idText.nullish(),
        startTime: dateText.nullish(),
        endTime: dateText.nullish(),
      }),
      response: rows({ end_user: z.string(), total_count: z.number(), total_spend: z.number() }),
      handle({ body }) {
        const given = { start_date: body.startTime ?? undefined, end_date: body.endTime ?? undefined }
        const tokens = body.api_key == null ? undefined : [asToken(body.api_key)]
        const selections: Selection[] = [{ entity: 'end_user', tokens }]
        return topEndUsers(db, { ...periodOr(given, lookBack, clock.epoch()), selections }, 100)
      },
    }),
    apiRoute({
      ...read,
      permission: 'viewer',
      paths: ['/global/all_end_users'],
      summary: 'Customers of all calls',
      response: z.object({ end_users: z.array(z.string()) }),
      handle: async () => ({ end_users: [...(await entityNames(db, 'end_user', maxNames))] }),
    }),
    apiRoute({
      ...read,
      paths: ['/global/spend/report'],
      summary: 'Spend by team, customer or key',
      query: period.extend({
        group_by: z.enum(['team', 'customer', 'api_key']).default('team'),
        api_key: idText.optional(),
        internal_user_id: idText.optional(),
        team_id: idText.optional(),
        customer_id: idText.optional(),
      }),
      response: z.array(z.record(z.string(), z.unknown())),
      async handle({ principal, query }) {
        const range = requiredPeriod(query)
        const { api_key, internal_user_id, team_id, customer_id, group_by } = query
        if (api_key !== undefined) {
          return keyReport(db, { ...range, selections: await keySums(db, principal, asToken(api_key)) })
        }
        if (internal_user_id !== undefined) {
          return keyReport(db, { ...range, selections: userSums(principal, internal_user_id) })
        }
        if (customer_id !== undefined || (group_by === 'customer' && team_id === undefined)) {
          const ids = customer_id === undefined ? undefined : [customer_id]
          const selections = await entitySums(db, principal, 'end_user', ids)
          return groupedReport(db, { ...range, selections }, 'customer')
        }
        if (group_by === 'team' || team_id !== undefined) {
          const selections = await teamSums(db, principal, team_id === undefined ? undefined : [team_id])
          return groupedReport(db, { ...range, selections }, 'team')
        }
        return keyReport(db, { ...range, selections: ownSums(principal) })
      },
    }),
  ]
}

function activityReports({ governance }: SpendServices): Route[] {
  const { db } = governance.store
  const read = { tag: 'spend', method: 'GET', permission: 'self', groups } as const
  const ofGroup = period.extend({ model_group: idText })
  return [
    apiRoute({
      ...read,
      paths: ['/global/activity'],
      summary: 'Calls and tokens per day',
      query: period,
      response: days,
      handle: ({ principal, query }) => activity(db, { ...requiredPeriod(query), selections: ownSums(principal) }),
    }),
    apiRoute({
      ...read,
      paths: ['/global/activity/model'],
      summary: 'Calls and tokens per day of the ten busiest models',
      query: period,
      response: z.array(days.extend({ model: z.string() })),
      handle: ({ principal, query }) =>
        activityPerModel(db, { ...requiredPeriod(query), selections: ownSums(principal) }),
    }),
    apiRoute({
      ...read,
      paths: ['/global/activity/cache_hits'],
      summary: 'Answers from caches, by key and model',
      query: period,
      response: z.array(z.record(z.string(), z.union([z.string(), z.number()]))),
      handle: ({ principal, query }) =>
        cacheActivity(db, { ...requiredPeriod(query), selections: ownSums(principal) }, callTypeOfRoute),
    }),
    apiRoute({
      ...read,
      permission: 'viewer',
      paths: ['/global/activity/exceptions'],
      summary: 'Calls of a model group that ended in 429',
      query: ofGroup,
      response: exceptionDays,
      handle({ query }) {
        const { from, to } = requiredPeriod(query)
        return exceptions(db, from, to, query.model_group)
      },
    }),
    apiRoute({
      ...read,
      permission: 'viewer',
      paths: ['/global/activity/exceptions/deployment'],
      summary: 'The same by deployment',
      query: ofGroup,
      response: z.array(exceptionDays.extend({ api_base: z.string() })),
      handle({ query }) {
        const { from, to } = requiredPeriod(query)
        return exceptionsPerDeployment(db, from, to, query.model_group)
      },
    }),
  ]
}

function wholeGateway({ governance, clock }: SpendServices): Route[] {
  const counts = { successful_requests: z.number(), failed_requests: z.number() }
  return [
    apiRoute({
      tag: 'spend',
      method: 'GET',
      permission: 'viewer',
      groups,
      paths: ['/gateway/daily/activity'],
      summary: 'What the gateway answered, by day and route',
      query: period,
      response: z.object({
        total_successful_requests: z.number(),
        total_failed_requests: z.number(),
        by_date: rows({ date: z.string(), ...counts }),
        by_route: rows({ category: z.string(), route: z.string(), ...counts }),
      }),
      handle: ({ query }) =>
        gatewayActivity(governance.store.db, {
          ...periodOr(query, lookBack, clock.epoch()),
          selections: [{ entity: 'all' }],
        }),
    }),
  ]
}

function resets({ governance, clock, settings }: SpendServices): Route[] {
  const write = { tag: 'spend', method: 'POST', permission: 'admin', groups: ['management_routes'] } as const
  const response = z.object({ message: z.string(), status: z.string() })
  return [
    apiRoute({
      ...write,
      paths: ['/global/spend/reset'],
      summary: 'Set the spend of every key and team to zero',
      description: 'Calls stay in the ledger and in reports.',
      response,
      async handle({ actor }) {
        const now = clock.epoch()
        await governance.change(async trx => {
          const counts = await resetAllSpend(trx, now)
          return {
            result: undefined,
            audit: [
              {
                actor,
                action: 'updated',
                objectKind: 'spend',
                objectId: 'all keys and teams',
                after: { ...counts, spend: 0 },
              },
            ],
            notices: [{ kind: 'all', id: '' }],
          }
        })
        await resetAllCounters(governance.store.db, governance.state, settings().calendar, now)
        return { message: 'Spend for all API Keys and Teams reset successfully', status: 'success' }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/global/spend/refresh'],
      summary: 'Does nothing: sums are always current',
      response,
      handle: () => ({ message: 'MonthlyGlobalSpend view refreshed', status: 'success' }),
    }),
  ]
}
