import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { RouterExperimentRow } from '../../platform/store/learning-tables.ts'
import { bucketOf } from './sticky.ts'

/** One side of an A/B experiment: an artifact of the registry, or a strategy by its name, or both. */
export interface ExperimentArm {
  readonly name: string
  /** Share of calls, 0..1; the shares of all arms make 1. */
  readonly share: number
  /** Artifact id; undefined: the one in force. */
  readonly artifact?: string | undefined
  /** `llmrouter-knn`, `simple-shuffle`, …; undefined: the route's own. */
  readonly strategy?: string | undefined
}

/** What is compared. `reward`: feedback; `checks`: automatic checks of answers; the others are better when they are less. */
export const goals = ['reward', 'checks', 'cost', 'latency', 'errors'] as const
export type Goal = (typeof goals)[number]

export interface ExperimentSettings {
  readonly arms: readonly [ExperimentArm, ExperimentArm]
  readonly goal: Goal
  /** Chance to see a difference that is none. */
  readonly alpha: number
  /** Calls per arm before anything is said. */
  readonly minCalls: number
  /** Epoch ms; undefined: until stopped. */
  readonly until?: number | undefined
  /** What counts as dear (nano-dollars) and as slow (ms): fixed at the start. */
  readonly caps?: { readonly cost: number; readonly latency: number } | undefined
}

export interface Experiment {
  readonly id: string
  readonly router: string
  readonly name: string
  readonly status: 'running' | 'stopped'
  readonly settings: ExperimentSettings
  readonly createdAt: number
  readonly endedAt: number | undefined
}

/** The arm of a key: always the same one as long as the experiment runs, on every replica. */
export function armOf({ id, settings }: Pick<Experiment, 'id' | 'settings'>, stickyKey: string): ExperimentArm {
  const [first, second] = settings.arms
  return bucketOf(id, stickyKey) < first.share ? first : second
}

/** @throws GatewayError 400 */
export function checkArms(arms: readonly ExperimentArm[]): readonly [ExperimentArm, ExperimentArm] {
  const [first, second] = arms
  if (first === undefined || second === undefined || arms.length !== 2) {
    throw invalid('An experiment compares two arms.')
  }
  if (first.name === second.name) throw invalid('The two arms need different names.')
  if (Math.abs(first.share + second.share - 1) > 1e-6) throw invalid("The arms' shares must make 1.")
  if (first.artifact === second.artifact && first.strategy === second.strategy) {
    throw invalid('The two arms are the same: give one of them another artifact or strategy.')
  }
  return [first, second]
}

const invalid = (message: string): GatewayError => new GatewayError('invalid_request', message, { param: 'arms' })

export function experimentOf(row: RouterExperimentRow): Experiment {
  return {
    id: row.id,
    router: row.router,
    name: row.name,
    status: row.status === 'running' ? 'running' : 'stopped',
    settings: JSON.parse(row.settings) as ExperimentSettings,
    createdAt: row.created_at,
    endedAt: row.ended_at ?? undefined,
  }
}
