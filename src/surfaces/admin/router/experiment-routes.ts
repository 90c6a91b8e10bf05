import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { checkArms, type ExperimentArm, goals } from '../../../learning/experiments/experiment.ts'
import {
  findExperiment,
  listExperiments,
  startExperiment,
  stopExperiment,
} from '../../../learning/experiments/experiments.ts'
import { experimentResult } from '../../../learning/experiments/results.ts'
import { measureThresholds } from '../../../learning/rollout/tally.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { required } from './artifact-routes.ts'
import { type RouterServices, recorded } from './services.ts'
import { artifactId, byId, experimentShape, routerName, shownExperiment } from './shapes.ts'

const tag = 'router'
const paths = ['/v1/routeiq/router/experiments']

const arm = z.object({
  name: z.string().regex(/^[\w.:-]{1,64}$/),
  share: z.number().min(0).max(1),
  artifact: artifactId.optional().describe('Default: the one in force.'),
  strategy: z.string().min(1).max(100).optional().describe('Default: the route’s own.'),
})

const body = z.object({
  name: z.string().min(1).max(200),
  router: routerName.default('default'),
  arms: z.array(arm).length(2),
  goal: z.enum(goals).default('reward').describe('What decides who wins.'),
  alpha: z.number().gt(0).max(0.5).default(0.05).describe('Chance to see a difference where there is none.'),
  min_calls: z.int().min(0).max(10_000_000).default(100).describe('Per arm, before there is a winner.'),
  hours: z.number().gt(0).max(10_000).optional().describe('Length. Default: until it is stopped.'),
})

/** A/B experiments: two artifacts or strategies side by side, callers sticky to one of them. */
export function experimentRoutes(management: Management, services: RouterServices): Route[] {
  const { store } = management.governance
  const existing = async (id: string) => {
    const experiment = await findExperiment(store.db, id)
    if (experiment !== undefined) return experiment
    throw new GatewayError('not_found', 'There is no experiment of this id or name.')
  }
  return [
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths,
      summary: 'Experiments, the newest first',
      query: z.object({ router: routerName.optional() }),
      response: z.object({ data: z.array(experimentShape) }),
      handle: async ({ query }) => ({ data: (await listExperiments(store.db, query.router)).map(shownExperiment) }),
    }),
    apiRoute({
      method: 'POST',
      permission: 'admin',
      tag,
      paths,
      summary: 'Start an experiment',
      body,
      response: experimentShape,
      status: 201,
      async handle({ body: sent, actor }) {
        const arms: ExperimentArm[] = []
        for (const own of sent.arms) {
          const artifact = own.artifact === undefined ? undefined : (await required(management, own.artifact)).id
          arms.push({ name: own.name, share: own.share, artifact, strategy: own.strategy })
        }
        const now = management.clock.epoch()
        const measured = await measureThresholds(store, sent.router, now)
        const experiment = await recorded(
          management,
          services,
          { actor, action: 'created', objectKind: 'router_experiment', objectId: sent.name },
          async trx => {
            const result = await startExperiment(
              trx,
              {
                router: sent.router,
                name: sent.name,
                createdBy: actor.name,
                arms: checkArms(arms),
                goal: sent.goal,
                alpha: sent.alpha,
                minCalls: sent.min_calls,
                until: sent.hours === undefined ? undefined : Math.floor(now + sent.hours * 3_600_000),
                caps: measured === null ? undefined : { cost: measured.dear, latency: Math.max(1, measured.slow * 2) },
              },
              now,
            )
            return { result, after: shownExperiment(result) }
          },
        )
        return shownExperiment(experiment)
      },
    }),
    apiRoute({
      method: 'GET',
      permission: 'viewer',
      tag,
      paths: [`${paths[0]}/:id`],
      summary: 'An experiment and what it says by now',
      description: 'Evidence holds whenever one looks: to look often makes no false winner.',
      params: byId,
      response: experimentShape,
      async handle({ params: { id } }) {
        const experiment = await existing(id)
        return { ...shownExperiment(experiment), result: await experimentResult(store, experiment) }
      },
    }),
    apiRoute({
      method: 'POST',
      permission: 'admin',
      tag,
      paths: [`${paths[0]}/:id/stop`],
      summary: 'Stop an experiment',
      params: byId,
      response: experimentShape,
      async handle({ params: { id }, actor }) {
        const stopped = await recorded(
          management,
          services,
          { actor, action: 'updated', objectKind: 'router_experiment', objectId: id },
          async trx => {
            const result = await stopExperiment(trx, id, management.clock.epoch())
            return { result, after: shownExperiment(result), details: { operation: 'stop' } }
          },
        )
        return { ...shownExperiment(stopped), result: await experimentResult(store, stopped) }
      },
    }),
  ]
}
