import { z } from 'zod'
import { asToken } from '../../../governance/authentication/token-hash.ts'
import { entityNames } from '../../../governance/ledger/reports/entity-names.ts'
import { keyReport, spendByMember } from '../../../governance/ledger/reports/global-reports.ts'
import type { Selection } from '../../../governance/ledger/reports/sums-query.ts'
import { keyObject } from '../../../governance/management/keys/key-object.ts'
import { present } from '../../../governance/management/present.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { keyReportRows } from './global-routes.ts'
import { idList, idText } from './lists.ts'
import { optionalPeriod, requiredPeriod } from './period.ts'
import type { SpendServices } from './services.ts'
import { keySums, organizationSums, seesEverything, teamSums, userSums } from './visible-sums.ts'

const groups = ['spend_tracking_routes', 'management_routes', 'info_routes'] as const
const period = z.object(optionalPeriod)
const maxMembers = 10_000
const limit = z.coerce.number().int().min(1).max(10_000).default(1000)
const userPresentation = {
  money: ['spend'],
  times: ['created_at', 'updated_at', 'budget_reset_at'],
  flags: ['blocked'],
  hidden: ['password_hash', 'spend_since', 'spend_base'],
  defaults: { models: [], metadata: {}, max_budget: null },
}

/** `/{key,user,team,organization}/spend/report`, `/spend/keys`, `/spend/users`. */
export function reportRoutes({ governance, settings }: SpendServices): Route[] {
  const { db } = governance.store
  const read = { tag: 'spend', method: 'GET', permission: 'self', groups } as const
  const report = { ...read, response: keyReportRows } as const
  return [
    apiRoute({
      ...report,
      paths: ['/key/spend/report'],
      summary: 'Spend of a key by model; without api_key the caller’s own',
      query: period.extend({ api_key: idText.optional() }),
      handle: async ({ principal, query }) => {
        const token = query.api_key === undefined ? undefined : asToken(query.api_key)
        return keyReport(db, { ...requiredPeriod(query), selections: await keySums(db, principal, token) })
      },
    }),
    apiRoute({
      ...report,
      paths: ['/user/spend/report'],
      summary: 'Spend of a user by key and model; without internal_user_id the caller’s own',
      query: period.extend({ internal_user_id: idText.optional(), user_id: idText.optional() }),
      handle: ({ principal, query }) => {
        const user = query.internal_user_id ?? query.user_id ?? principal.userId
        return keyReport(db, { ...requiredPeriod(query), selections: userSums(principal, user) })
      },
    }),
    apiRoute({
      ...report,
      paths: ['/team/spend/report'],
      summary: 'Spend of a team by key and model; without team_id of all teams the caller sees',
      query: period.extend({ team_id: idText.optional() }),
      handle: async ({ principal, query }) => {
        const wanted = query.team_id === undefined ? undefined : [query.team_id]
        const selections = await teamSums(db, principal, wanted).catch(forbiddenInstead)
        return keyReport(db, { ...requiredPeriod(query), selections })
      },
    }),
    apiRoute({
      ...report,
      paths: ['/organization/spend/report'],
      summary: 'Spend of an organization by key and model',
      query: period.extend({ organization_id: idText.optional() }),
      handle: ({ principal, query }) => {
        const wanted = query.organization_id === undefined ? undefined : [query.organization_id]
        return keyReport(db, { ...requiredPeriod(query), selections: organizationSums(principal, wanted) })
      },
    }),
    apiRoute({
      ...read,
      paths: ['/team/spend/by_user'],
      summary: 'Spend of teams by member',
      query: period.extend({ team_ids: idList.optional() }),
      response: z.object({ results: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))) }),
      async handle({ principal, query }) {
        if (query.team_ids === undefined || query.team_ids.length === 0) {
          throw new GatewayError('missing_field', 'Give team_ids, ids with commas between.', { param: 'team_ids' })
        }
        const range = requiredPeriod(query)
        const selections = await teamSums(db, principal, query.team_ids)
        const results = await spendByMember(db, { ...range, selections: await members(selections) })
        return { results }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/spend/keys'],
      summary: 'Keys by spend, dearest first',
      query: z.object({ limit }),
      response: z.array(z.looseObject({ token: z.string(), spend: z.number() })),
      async handle({ principal, query }) {
        let keys = db.selectFrom('keys').selectAll()
        if (!seesEverything(principal) && settings().scopeListsToCaller) {
          const { userId, token, adminOfTeams, adminOfOrganizations } = principal
          keys = keys.where(eb =>
            eb.or([
              eb('token', '=', token),
              ...(userId === undefined ? [] : [eb('user_id', '=', userId)]),
              ...(adminOfTeams.length === 0 ? [] : [eb('team_id', 'in', [...adminOfTeams])]),
              ...(adminOfOrganizations.length === 0 ? [] : [eb('organization_id', 'in', [...adminOfOrganizations])]),
            ]),
          )
        }
        const rows = await keys.orderBy('spend', 'desc').orderBy('token').limit(query.limit).execute()
        return rows.map(row => keyObject(row)) as { token: string; spend: number }[]
      },
    }),
    apiRoute({
      ...read,
      paths: ['/spend/users'],
      summary: 'Users by spend, dearest first',
      query: z.object({ limit, user_id: idText.optional() }),
      response: z.array(z.looseObject({ user_id: z.string(), spend: z.number() })),
      async handle({ principal, query }) {
        let users = db.selectFrom('users').selectAll()
        if (query.user_id !== undefined) users = users.where('user_id', '=', query.user_id)
        if (!seesEverything(principal) && settings().scopeListsToCaller) {
          users = users.where('user_id', '=', principal.userId ?? '')
        }
        const rows = await users.orderBy('spend', 'desc').orderBy('user_id').limit(query.limit).execute()
        return rows.map(row => present(row, userPresentation)) as { user_id: string; spend: number }[]
      },
    }),
  ]

  /** Members of the teams a selection is of. */
  async function members(selections: readonly Selection[]): Promise<Selection[]> {
    const found: Selection[] = []
    for (const selection of selections) {
      if (selection.entity === 'team_member') found.push(selection)
      else if (selection.tokens === undefined) {
        for (const team of selection.ids ?? []) {
          found.push({ entity: 'team_member', ids: await entityNames(db, 'team_member', maxMembers, `${team}/`) })
        }
      }
    }
    return found
  }
}

/** This report answers 403 where the others know of no such team, as LiteLLM does. */
function forbiddenInstead(error: unknown): never {
  if (error instanceof GatewayError && error.code === 'not_found') {
    throw new GatewayError('permission_denied', 'You do not have access to this team.', { param: 'team_id' })
  }
  throw error
}
