import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { findRun, listRuns, type Run } from '../../../learning/pipeline/run-record.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { type RouterServices, recorded } from './services.ts'
import { byId, iso, routerName } from './shapes.ts'

const tag = 'router'
const paths = ['/v1/routeiq/router/runs']
const shape = z.looseObject({ id: z.string(), router: z.string(), status: z.string(), step: z.string() })

/** Runs of the training pipeline: collect → train → evaluate → gate → deploy. */
export function runRoutes(management: Management, services: RouterServices): Route[] {
  const { store } = management.governance
  return [
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths,
      summary: 'Runs of the pipeline, the newest first',
      query: z.object({
        router: routerName.optional(),
        limit: z.coerce.number().int().min(1).max(500).default(50),
      }),
      response: z.object({ data: z.array(shape) }),
      handle: async ({ query }) => ({ data: (await listRuns(store.db, query.router, query.limit)).map(shown) }),
    }),
    apiRoute({
      method: 'POST',
      permission: 'admin',
      tag,
      paths,
      summary: 'Start a run now',
      description: 'With the settings of `routeiq.router_loop.pipelines` for this router, or their defaults.',
      body: z.object({
        router: routerName.default('default'),
        deploy: z.enum(['none', 'rollout', 'activate']).optional(),
        min_rows: z.int().min(1).max(10_000_000).optional(),
      }),
      response: shape,
      status: 202,
      async handle({ body, actor }) {
        const run = await services.startRun(body.router, {
          ...(body.deploy === undefined ? {} : { deploy: body.deploy }),
          ...(body.min_rows === undefined ? {} : { minRows: body.min_rows }),
        })
        if (run === undefined) {
          throw new GatewayError('conflict', `A run of the router '${body.router}' is under way; wait for its end.`)
        }
        await recorded(
          management,
          services,
          { actor, action: 'created', objectKind: 'router_run', objectId: run.id },
          async () => ({ result: undefined, details: { router: body.router } }),
        )
        return shown(run)
      },
    }),
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths: [`${paths[0]}/:id`],
      summary: 'One run, step by step',
      params: byId,
      response: shape,
      async handle({ params: { id } }) {
        const run = await findRun(store.db, id)
        if (run === undefined) throw new GatewayError('not_found', 'There is no run of this id.')
        return shown(run)
      },
    }),
  ]
}

const shown = (run: Run) => ({
  id: run.id,
  router: run.router,
  trigger: run.trigger,
  status: run.status,
  step: run.step,
  started_at: iso(run.startedAt),
  ended_at: run.endedAt === undefined ? null : iso(run.endedAt),
  reason: run.details.reason ?? null,
  dataset_hash: run.details.datasetHash ?? null,
  artifact: run.details.artifact ?? null,
  steps: run.details.steps,
})
