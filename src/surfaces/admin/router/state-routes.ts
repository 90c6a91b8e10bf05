import { z } from 'zod'
import type { Actor } from '../../../governance/audit/audit-log.ts'
import type { Management } from '../../../governance/management/management.ts'
import { readUploaded, refused, staleness } from '../../../learning/registry/admit.ts'
import { readBytes, type StoredArtifact } from '../../../learning/registry/artifact-store.ts'
import type { GuardSettings } from '../../../learning/rollout/guard-settings.ts'
import { judge } from '../../../learning/rollout/judge.ts'
import { emptyState, type RouterState } from '../../../learning/rollout/state.ts'
import { changeState, readState, readStates, readTransitions } from '../../../learning/rollout/state-store.ts'
import { measureThresholds, tallyStage } from '../../../learning/rollout/tally.ts'
import {
  activate,
  advance,
  begin,
  deactivate,
  rollBack,
  type Step,
  unfreeze,
} from '../../../learning/rollout/transitions.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { required } from './artifact-routes.ts'
import { type RouterServices, recorded } from './services.ts'
import { artifactId, byRouter, reason, shownState, shownTransition, stateShape, transitionShape } from './shapes.ts'

const tag = 'router'
const of = (action = ''): string[] => [`/v1/routeiq/router/routers/:router${action}`]
const why = z.object({ reason: reason.optional() })

const points = z.number().min(0).max(1)
const guards = z
  .object({
    max_error_increase: points.optional(),
    max_slow_increase: points.optional(),
    max_cost_increase: z.number().min(0).max(100).optional(),
    max_feedback_drop: points.optional(),
    false_alarms: z.number().gt(0).max(0.5).optional(),
    min_calls: z.int().min(0).max(10_000_000).optional(),
    min_seconds: z.number().min(0).max(10_000_000).optional(),
  })
  .describe('Default: `routeiq.router_loop.rollout`.')

const rolloutBody = z.object({
  artifact: artifactId,
  automatic: z.boolean().default(true).describe('Advance by itself while no guard objects.'),
  shares: z.array(points).min(1).max(12).optional().describe('Steps; 0 is the shadow. Default: of the configuration.'),
  guards: guards.optional(),
  force: z.boolean().default(false).describe('Although it is older than the one in force.'),
})

const activateBody = z.object({
  artifact: artifactId,
  reason: reason.optional(),
  force: z.boolean().default(false).describe('Although it is older than the one in force, or than allowed.'),
})

/** What decides, and how it changes: activate, roll out, advance, roll back. */
export function stateRoutes(management: Management, services: RouterServices): Route[] {
  const { store } = management.governance
  const write = { tag, permission: 'admin', method: 'POST' } as const
  const read = { tag, permission: 'viewer', method: 'GET' } as const

  const change = (router: string, actor: Actor, action: string, step: (state: RouterState) => Step) =>
    recorded(management, services, { actor, action: 'updated', objectKind: 'router', objectId: router }, async trx => {
      const now = management.clock.epoch()
      const changed = await changeState(trx, store.dialect, { router, actor: actor.name, now }, step)
      // Without an expected revision it is always made.
      const after = changed?.after
      const shown = shownState(router, after?.state ?? emptyState, after?.revision ?? 0)
      return {
        result: shown,
        before:
          changed === undefined ? undefined : { active: changed.before.active, stage: changed.transition.from_stage },
        after: { active: shown.active, stage: shown.stage },
        details: { operation: action, artifact: changed?.transition.artifact, reason: changed?.transition.reason },
      }
    })

  return [
    apiRoute({
      ...read,
      paths: ['/v1/routeiq/router/routers'],
      summary: 'Routers: what decides in each, and what is on its way',
      response: z.object({ data: z.array(stateShape) }),
      handle: async () => ({
        data: (await readStates(store.db)).map(({ router, state, revision }) => shownState(router, state, revision)),
      }),
    }),
    apiRoute({
      ...read,
      paths: of(),
      summary: 'One router, with the readings of its guards',
      params: byRouter,
      response: stateShape,
      async handle({ params: { router } }) {
        const found = await readState(store.db, router)
        const shown = shownState(router, found?.state ?? emptyState, found?.revision ?? 0)
        const rollout = found?.state.rollout ?? null
        const here = {
          problems: Object.fromEntries(
            [...services.directory.artifacts.problems].map(([id, { problem }]) => [id, problem]),
          ),
        }
        if (rollout === null) return { ...shown, ...here }
        const tally = await tallyStage(store, rollout.id, rollout.stepAt, rollout.thresholds)
        return { ...shown, ...here, tally, verdict: judge(rollout, tally, management.clock.epoch()) }
      },
    }),
    apiRoute({
      ...read,
      paths: of('/transitions'),
      summary: 'What happened to a router, the newest first',
      params: byRouter,
      query: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) }),
      response: z.object({ data: z.array(transitionShape) }),
      handle: async ({ params, query }) => ({
        data: (await readTransitions(store.db, params.router, query.limit)).map(shownTransition),
      }),
    }),
    apiRoute({
      ...write,
      paths: of('/activate'),
      summary: 'Put an artifact into force at once',
      description: 'The careful way is `rollout`. Ends a rollout that was on its way and lifts a freeze.',
      params: byRouter,
      body: activateBody,
      response: stateShape,
      async handle({ params: { router }, body, actor }) {
        const artifact = await usable(management, services, router, body)
        return change(router, actor, 'activate', state =>
          activate(state, artifact.id, body.reason ?? 'activated by hand'),
        )
      },
    }),
    apiRoute({
      ...write,
      paths: of('/rollout'),
      summary: 'Roll an artifact out: shadow, canary, active',
      params: byRouter,
      body: rolloutBody,
      response: stateShape,
      status: 201,
      async handle({ params: { router }, body, actor }) {
        const artifact = await usable(management, services, router, body)
        const now = management.clock.epoch()
        await refuseExperiment(management, router)
        const thresholds = await measureThresholds(store, router, now)
        const { shares } = services.settings().rollout
        return change(router, actor, 'rollout', state =>
          begin(state, {
            id: newId(now),
            artifact: artifact.id,
            now: Math.floor(now),
            guards: guardSettings(services, body.guards),
            automatic: body.automatic,
            shares: body.shares ?? shares,
            thresholds,
          }),
        )
      },
    }),
    apiRoute({
      ...write,
      paths: of('/advance'),
      summary: 'Move a rollout to its next step now',
      params: byRouter,
      body: why,
      response: stateShape,
      async handle({ params: { router }, body, actor }) {
        const rollout = (await readState(store.db, router))?.state.rollout
        const tally =
          rollout == null ? undefined : await tallyStage(store, rollout.id, rollout.stepAt, rollout.thresholds)
        return change(router, actor, 'advance', state =>
          advance(
            state,
            Math.floor(management.clock.epoch()),
            body.reason ?? 'advanced by hand',
            state.rollout?.step === 0 ? undefined : tally?.control,
          ),
        )
      },
    }),
    apiRoute({
      ...write,
      paths: of('/rollback'),
      summary: 'Roll back: the candidate, or the artifact in force to the one before it',
      params: byRouter,
      body: why,
      response: stateShape,
      handle: ({ params: { router }, body, actor }) =>
        change(router, actor, 'rollback', state => rollBack(state, body.reason ?? 'rolled back by hand')),
    }),
    apiRoute({
      ...write,
      paths: of('/deactivate'),
      summary: 'Take the artifact out of force; what is configured decides again',
      params: byRouter,
      body: why,
      response: stateShape,
      handle: ({ params: { router }, body, actor }) =>
        change(router, actor, 'deactivate', state => deactivate(state, body.reason ?? 'deactivated by hand')),
    }),
    apiRoute({
      ...write,
      paths: of('/acknowledge'),
      summary: 'Acknowledge drift: promotions are possible again, exploration as configured',
      params: byRouter,
      body: why,
      response: stateShape,
      handle: ({ params: { router }, body, actor }) =>
        change(router, actor, 'acknowledge', state => unfreeze(state, body.reason ?? 'drift acknowledged')),
    }),
  ]
}

/** The artifact, read once more: what is activated must be usable now. @throws GatewayError */
async function usable(
  management: Management,
  services: RouterServices,
  router: string,
  { artifact: id, force }: { readonly artifact: string; readonly force: boolean },
): Promise<StoredArtifact> {
  const { store } = management.governance
  const artifact = await required(management, id)
  const bytes = await readBytes(store.db, artifact.id)
  if (bytes === undefined) throw refused('its bytes in the store are not whole')
  const trained = readUploaded(bytes, services.read)
  if (trained.id !== artifact.id) throw refused('its content is not the one it was stored under')
  if (force) return artifact
  const active = (await readState(store.db, router))?.state.active
  const current = active == null ? undefined : await required(management, active).catch(() => undefined)
  const days = services.settings().max_artifact_age_days
  const stale = staleness(trained, {
    active: current === undefined ? undefined : { createdAt: current.trainedAt },
    now: management.clock.epoch(),
    maxAge: days === undefined ? undefined : days * 86_400_000,
    served: services.served(),
  })
  if (stale !== undefined) throw refused(`${stale} ("force": true overrules this)`)
  return artifact
}

/** Two things that assign calls to arms would each spoil the other's numbers. */
async function refuseExperiment(management: Management, router: string): Promise<void> {
  const running = await management.governance.store.db
    .selectFrom('router_experiments')
    .select('name')
    .where('router', '=', router)
    .where('status', '=', 'running')
    .executeTakeFirst()
  if (running === undefined) return
  throw new GatewayError('conflict', `The experiment '${running.name}' runs on this router; stop it first.`)
}

export function guardSettings(
  services: Pick<RouterServices, 'settings'>,
  own: z.output<typeof guards> = {},
): GuardSettings {
  const configured = services.settings().rollout
  return {
    maxErrorIncrease: own.max_error_increase ?? configured.max_error_increase,
    maxSlowIncrease: own.max_slow_increase ?? configured.max_slow_increase,
    maxCostIncrease: own.max_cost_increase ?? configured.max_cost_increase,
    maxFeedbackDrop: own.max_feedback_drop ?? configured.max_feedback_drop,
    falseAlarms: own.false_alarms ?? configured.false_alarms,
    minCalls: own.min_calls ?? configured.min_calls,
    minTime: (own.min_seconds ?? configured.min_seconds) * 1000,
  }
}
