import { Readable } from 'node:stream'
import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { gatewayRecords } from '../../../learning/decisions/gateway-records.ts'
import { logged } from '../../../learning/decisions/read-decisions.ts'
import { readDrift } from '../../../learning/drift/monitor.ts'
import { NotEnoughEvidence, policyValue } from '../../../learning/off-policy/estimate.ts'
import { loggedChoices, type TargetPolicy } from '../../../learning/off-policy/from-log.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { required } from './artifact-routes.ts'
import { type RouterServices, recorded } from './services.ts'
import { artifactId, byRouter, iso, routerName } from './shapes.ts'

const tag = 'router'
const day = 86_400_000

const evaluation = z.object({
  lambda: z.number().min(0).max(1000).optional().describe('The same predictions at another price of quality.'),
  model: z.string().min(1).max(255).optional().describe('Always this model.'),
  shadow: artifactId.optional().describe('What this artifact would have chosen while it was in shadow.'),
  days: z.number().gt(0).max(365).default(7),
  reward: z.enum(['feedback', 'checks', 'any']).default('any'),
  max_weight: z.number().min(1).max(1000).default(50),
})

const estimate = z.object({ value: z.number(), standardError: z.number() })

/** What was decided, what came of it, and what it says. */
export function insightRoutes(management: Management, services: RouterServices): Route[] {
  const { store } = management.governance
  return [
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths: ['/v1/routeiq/router/decisions'],
      summary: 'Recorded decisions, the newest first',
      query: z.object({
        router: routerName.optional(),
        request_id: z.string().min(1).max(255).optional(),
        experiment: z.string().min(1).max(255).optional(),
        limit: z.coerce.number().int().min(1).max(500).default(50),
      }),
      response: z.object({ data: z.array(z.looseObject({ id: z.string(), chosen: z.string() })) }),
      async handle({ query }) {
        let rows = store.db.selectFrom('router_decisions').selectAll().orderBy('at', 'desc').limit(query.limit)
        if (query.router !== undefined) rows = rows.where('router', '=', query.router)
        if (query.experiment !== undefined) rows = rows.where('experiment', '=', query.experiment)
        const id = query.request_id
        if (id !== undefined) rows = rows.where(eb => eb.or([eb('id', '=', id), eb('call_id', '=', id)]))
        return {
          data: (await rows.execute()).map(row => {
            const { text: _, at, ...decision } = logged(row)
            return {
              ...decision,
              at: iso(at),
              status: row.status,
              call_id: row.call_id,
              key_hash: row.token.slice(0, 16),
            }
          }),
        }
      },
    }),
    apiRoute({
      method: 'GET',
      permission: 'admin',
      tag,
      paths: ['/v1/routeiq/router/decisions/export'],
      summary: 'Decisions, outcomes and feedback as NDJSON, to build data sets from',
      description:
        'With text where it was captured. `routeiq router dataset build` reads it. A download that breaks off is not complete.',
      query: z.object({
        router: routerName.optional(),
        days: z.coerce.number().gt(0).max(3650).default(30),
        with_text: z.enum(['true', 'false']).default('false').describe('Only decisions with captured text.'),
      }),
      response: z.unknown(),
      async handle({ query, actor, reply }) {
        await recorded(
          management,
          services,
          { actor, action: 'exported', objectKind: 'router_decisions', objectId: query.router ?? 'all' },
          async () => ({ result: undefined, details: { days: query.days } }),
        )
        const filter = {
          from: management.clock.epoch() - query.days * day,
          withText: query.with_text === 'true',
          ...(query.router === undefined ? {} : { router: query.router }),
        }
        reply.type('application/x-ndjson')
        reply.header('content-disposition', 'attachment; filename="decisions.jsonl"')
        return Readable.from(gatewayRecords(store, filter), { objectMode: false, highWaterMark: 65_536 })
      },
    }),
    apiRoute({
      method: 'DELETE',
      permission: 'admin',
      tag,
      paths: ['/v1/routeiq/router/captures'],
      summary: 'Delete captured text',
      query: z.object({
        key_hash: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional()
          .describe('Of one key. Default: all.'),
        team_id: z.string().min(1).max(255).optional(),
      }),
      response: z.object({ deleted: z.int() }),
      handle: ({ query, actor }) =>
        recorded(
          management,
          services,
          {
            actor,
            action: 'deleted',
            objectKind: 'router_captures',
            objectId: query.key_hash ?? query.team_id ?? 'all',
          },
          async trx => {
            let rows = trx.deleteFrom('router_captures')
            if (query.key_hash !== undefined) rows = rows.where('token', '=', query.key_hash)
            if (query.team_id !== undefined) rows = rows.where('team_id', '=', query.team_id)
            const { numDeletedRows } = await rows.executeTakeFirstOrThrow()
            return { result: { deleted: Number(numDeletedRows) }, details: { deleted: Number(numDeletedRows) } }
          },
        ),
    }),
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths: ['/v1/routeiq/router/routers/:router/drift'],
      summary: 'Monitors of prompts and outcomes',
      params: byRouter,
      response: z.looseObject({ router: z.string(), alarms: z.array(z.looseObject({ signal: z.string() })) }),
      async handle({ params: { router } }) {
        const state = await readDrift(store, router)
        if (state === undefined) return { router, alarms: [] }
        return {
          router,
          artifact: state.artifact,
          since: iso(state.since),
          decisions: state.decisions,
          input_psi: state.inputIndex,
          novel: state.novel.n === 0 ? null : state.novel.sum / state.novel.n,
          models: Object.fromEntries(
            Object.entries(state.models).map(([model, { reference, current }]) => [model, { reference, current }]),
          ),
          cells: Object.keys(state.cells).length,
          alarms: state.alarms.map(({ signal, what, since, value }) => ({ signal, what, since: iso(since), value })),
        }
      },
    }),
    apiRoute({
      method: 'POST',
      permission: 'viewer',
      writes: false,
      tag,
      paths: ['/v1/routeiq/router/routers/:router/evaluate'],
      summary: 'What another policy would have earned',
      description:
        'Off-policy: from decisions that were made by chance now and then. The doubly robust estimate is the one to go by. Refused where the decisions say too little.',
      params: byRouter,
      body: evaluation,
      response: z.looseObject({
        rows: z.int(),
        effectiveRows: z.number(),
        doublyRobust: estimate,
        ips: estimate,
        snips: estimate,
      }),
      async handle({ params: { router }, body }) {
        const policy = await policyOf(management, body)
        const now = management.clock.epoch()
        const rows = await loggedChoices(store, policy, {
          router,
          from: now - body.days * day,
          until: now,
          reward: body.reward,
          most: 200_000,
        })
        try {
          return { policy, ...policyValue(rows, { maxWeight: body.max_weight }) }
        } catch (error) {
          if (!(error instanceof NotEnoughEvidence)) throw error
          throw new GatewayError('unprocessable_entity', error.message)
        }
      },
    }),
  ]
}

async function policyOf(management: Management, body: z.output<typeof evaluation>): Promise<TargetPolicy> {
  const given = [body.lambda, body.model, body.shadow].filter(value => value !== undefined)
  if (given.length !== 1) throw new GatewayError('invalid_request', "Give one of 'lambda', 'model' and 'shadow'.")
  if (body.lambda !== undefined) return { kind: 'lambda', lambda: body.lambda }
  if (body.model !== undefined) return { kind: 'model', model: body.model }
  const { id } = await required(management, body.shadow ?? '')
  return { kind: 'shadow', artifact: id.slice(0, 12) }
}
