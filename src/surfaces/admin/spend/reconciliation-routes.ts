import { z } from 'zod'
import { reconcile, reconcileDays } from '../../../governance/ledger/reconciliation.ts'
import { apiRoute, queryFlag } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { idText } from './lists.ts'
import { optionalPeriod, periodOr } from './period.ts'
import type { SpendServices } from './services.ts'

const tables = {
  key: 'keys',
  team: 'teams',
  team_member: 'team_members',
  user: 'users',
  organization: 'organizations',
  project: 'projects',
  end_user: 'end_users',
  tag: 'tags',
} as const
const kinds = Object.keys(tables) as (keyof typeof tables)[]
/** Rows read by one request. */
const maxRows = 500

const nano = z.number().describe('Nano-dollars.')
const row = z.object({
  scope: z.string(),
  id: z.string(),
  spend: nano,
  ledger: nano,
  difference: nano,
  counters: z.array(
    z.object({
      counter: z.string(),
      used: nano,
      reserved: nano,
      ledger: nano,
      difference: z.number().nullable(),
    }),
  ),
})
const account = z.object({ requests: z.number(), cost: nano })

/** `GET /v1/routeiq/reconciliation`: three accounts of the same calls, held against each other. */
export function reconciliationRoutes({ governance, clock, settings }: SpendServices): Route[] {
  const { store, state } = governance
  return [
    apiRoute({
      tag: 'spend',
      method: 'GET',
      permission: 'viewer',
      paths: ['/v1/routeiq/reconciliation'],
      summary: 'Compare spend columns, limits and ledger',
      description:
        'While nobody calls and everything is shipped every difference is 0. Read on with `after` = `next` until it is null. Days are read call by call: ask for few.',
      query: z.object({
        scope: z.enum(kinds).default('key'),
        after: z.string().max(2000).optional().describe('`next` of the page before.'),
        limit: z.coerce.number().int().min(1).max(maxRows).default(100),
        all: queryFlag.default(false).describe('Also rows without a difference.'),
        ...optionalPeriod,
        days: queryFlag.default(false).describe('Also the daily sums against the ledger, today by default.'),
      }),
      response: z.object({
        scope: z.string(),
        checked: z.int(),
        differing: z.int(),
        rows: z.array(row),
        next: z.string().nullable(),
        days: z.array(z.object({ date: z.string(), ledger: account, daily: account, difference: nano })).optional(),
      }),
      async handle({ query }) {
        const now = clock.epoch()
        const options = { store, state, calendar: settings().calendar, now }
        const after = query.after === undefined ? undefined : afterOf(query.after)
        const { rows, next } = await reconcile(options, tables[query.scope], after, query.limit)
        const differing = rows.filter(
          ({ difference, counters }) => difference !== 0 || counters.some(counter => (counter.difference ?? 0) !== 0),
        )
        const { from, to } = periodOr(query, 1, now)
        return {
          scope: query.scope,
          checked: rows.length,
          differing: differing.length,
          rows: query.all ? rows : differing,
          next: next === undefined ? null : JSON.stringify(next),
          ...(query.days ? { days: await reconcileDays(store.db, from, to) } : {}),
        }
      },
    }),
  ]
}

function afterOf(text: string): readonly string[] | undefined {
  const parsed = z.array(idText).min(1).max(2).safeParse(jsonOf(text))
  return parsed.success ? parsed.data : undefined
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
