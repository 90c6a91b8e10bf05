import type { TrainedRouter } from '../../../learning/predictor.ts'
import type { Deployment } from '../../deployment.ts'
import type { ModelGroup } from '../types.ts'
import { type Arm, type ArmOptions, armsOf, namesOf } from './arms.ts'
import { modelHash } from './session-memory.ts'

/** A call that is not known yet: tokens in and out. */
const nominal = { input: 500, output: 300 }
/** Milliseconds, where no training data says. */
const nominalLatency = 2000

/** The models of one group as one artifact sees them, with everything that does not change from call to call. */
export interface ArmSet {
  readonly arms: readonly Arm[]
  /** Deployment id → place in `arms`. */
  readonly byDeployment: ReadonlyMap<string, number>
  /** As `SessionMemory` keeps them. */
  readonly hashes: readonly number[]
  /** US dollars: the unit of λ. */
  readonly meanCost: number
  /** Milliseconds: the unit of μ. */
  readonly meanLatency: number
  /** Of the best by mean quality, and of the cheapest. */
  readonly strongest: number
  readonly cheapest: number
  /** Place of the model with this name, whichever of its names it is; −1: not in this pool. */
  find(name: string): number
}

export function armSetOf(group: ModelGroup, artifact: TrainedRouter | undefined, options: ArmOptions): ArmSet {
  const arms = armsOf(group.deployments, artifact, options)
  const byDeployment = new Map<string, number>()
  const byName = new Map<string, number>()
  for (const [place, { name, deployments }] of arms.entries()) {
    byName.set(name.toLowerCase(), place)
    for (const deployment of deployments) byDeployment.set(deployment.id, place)
  }
  for (const [place, { deployments }] of arms.entries()) {
    for (const name of deployments.flatMap((deployment: Deployment) => namesOf(deployment))) {
      if (!byName.has(name)) byName.set(name, place)
    }
  }
  const quality = (arm: Arm): number => artifact?.models[arm.column]?.meanQuality ?? arm.strength
  const price = (arm: Arm): number =>
    arm.prices === undefined ? Number.POSITIVE_INFINITY : arm.prices.input + arm.prices.output
  return {
    arms,
    byDeployment,
    hashes: arms.map(({ name }) => modelHash(name)),
    meanCost: artifact !== undefined && artifact.meanCost > 0 ? artifact.meanCost : nominalCost(arms),
    meanLatency: mean(artifact?.models.map(({ meanLatency }) => meanLatency) ?? []) ?? nominalLatency,
    strongest: best(arms, (a, b) => quality(a) > quality(b) || (quality(a) === quality(b) && price(a) > price(b))),
    cheapest: best(arms, (a, b) => price(a) < price(b)),
    find: name => byName.get(name.toLowerCase()) ?? -1,
  }
}

function nominalCost(arms: readonly Arm[]): number {
  const costs = arms.map(({ prices }) =>
    prices === undefined ? undefined : nominal.input * prices.input + nominal.output * prices.output,
  )
  return mean(costs) ?? 0
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length
}

function best(arms: readonly Arm[], better: (a: Arm, b: Arm) => boolean): number {
  let found = 0
  for (let i = 1; i < arms.length; i++) if (better(arms[i] as Arm, arms[found] as Arm)) found = i
  return found
}
