import { z } from 'zod'
import type { Experiment } from '../../../learning/experiments/experiment.ts'
import type { StoredArtifact } from '../../../learning/registry/artifact-store.ts'
import { type RouterState, shareOf, stageOf } from '../../../learning/rollout/state.ts'
import type { RouterTransitionRow } from '../../../platform/store/learning-tables.ts'

export const routerName = z
  .string()
  .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, colons, hyphens or underscores')
export const artifactId = z.string().regex(/^[0-9a-f]{12,64}$/, 'must be 12 to 64 digits of its hash, in lower case')
export const reason = z.string().min(1).max(500)
export const byRouter = z.object({ router: routerName })
export const byId = z.object({ id: z.string().min(1).max(255) })

export const artifactShape = z.looseObject({
  id: z.string(),
  router: z.string(),
  name: z.string(),
  trained_at: z.string(),
  signed: z.boolean(),
  dataset_hash: z.string(),
})

export const shownArtifact = (artifact: StoredArtifact) => ({
  id: artifact.id,
  router: artifact.router,
  created_at: iso(artifact.createdAt),
  created_by: artifact.createdBy ?? null,
  trained_at: iso(artifact.trainedAt),
  bytes: artifact.bytes,
  signed: artifact.signed,
  dataset_hash: artifact.datasetHash,
  run_id: artifact.runId ?? null,
  ...artifact.details,
})

export const stateShape = z.looseObject({
  router: z.string(),
  stage: z.string().describe('`none`, `active`, `shadow`, `canary_5`, …'),
  active: z.string().nullable(),
  previous: z.string().nullable(),
  revision: z.int(),
})

export const shownState = (router: string, state: RouterState, revision: number) => ({
  router,
  stage: stageOf(state),
  active: state.active,
  previous: state.previous,
  rollout:
    state.rollout === null
      ? null
      : {
          id: state.rollout.id,
          artifact: state.rollout.artifact,
          share: shareOf(state.rollout),
          step: state.rollout.step,
          shares: state.rollout.shares,
          automatic: state.rollout.automatic,
          started_at: iso(state.rollout.startedAt),
          step_since: iso(state.rollout.stepAt),
          guards: state.rollout.guards,
          thresholds: state.rollout.thresholds,
        },
  frozen: state.frozen === null ? null : { since: iso(state.frozen.since), reason: state.frozen.reason },
  exploration: state.exploration,
  revision,
})

export const transitionShape = z.looseObject({
  at: z.string(),
  actor: z.string(),
  from: z.string(),
  to: z.string(),
  artifact: z.string().nullable(),
  reason: z.string(),
})

export const shownTransition = (row: RouterTransitionRow) => ({
  id: row.id,
  at: iso(row.at),
  actor: row.actor,
  from: row.from_stage,
  to: row.to_stage,
  artifact: row.artifact,
  reason: row.reason,
  details: JSON.parse(row.details) as Record<string, unknown>,
})

export const experimentShape = z.looseObject({
  id: z.string(),
  router: z.string(),
  name: z.string(),
  status: z.enum(['running', 'stopped']),
})

export const shownExperiment = ({ id, router, name, status, settings, createdAt, endedAt }: Experiment) => ({
  id,
  router,
  name,
  status,
  arms: settings.arms,
  goal: settings.goal,
  alpha: settings.alpha,
  min_calls: settings.minCalls,
  until: settings.until === undefined ? null : iso(settings.until),
  created_at: iso(createdAt),
  ended_at: endedAt === undefined ? null : iso(endedAt),
})

export const iso = (epochMs: number): string => new Date(epochMs).toISOString()
