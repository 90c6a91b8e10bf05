import { posteriorMean } from '../../../learning/bandits/posterior.ts'
import { expectedCost } from '../../../learning/objective/expected-cost.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import type { Method, Prediction, TrainedRouter } from '../../../learning/predictor.ts'
import { RecentPredictions } from '../../../learning/predictors/recent-predictions.ts'
import type { LearnedRouting } from '../../../learning/rollout/port.ts'
import { DifficultyGuess } from '../../../learning/rules/difficulty.ts'
import { guessQuality } from '../../../learning/rules/strength.ts'
import type { Candidate, RoutingContext } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import type { Arm } from './arms.ts'
import type { Predicts } from './route-policy.ts'

/** Tokens of an answer when nothing is known of it. */
const usualOutput = 300
const charactersPerToken = 4
/** What a mean over other prompts says of this one. */
const unknownVariance = 0.05

/** What is said of one call beside the scores. Reused from call to call. */
export interface Reading {
  /** 0..1. */
  familiarity: number
  /** −1: decided without an artifact. */
  cluster: number
  /** For people, no text of the prompt in it. */
  because: string
  features: Float32Array | undefined
}

const predictions = new WeakMap<TrainedRouter, RecentPredictions>()
let guess: DifficultyGuess | undefined

/** The artifact's own method, or what comes nearest to it in this one. */
export function methodIn(artifact: TrainedRouter, wanted: Method): Method | undefined {
  if (artifact.methods.includes(wanted)) return wanted
  return artifact.methods.includes('average') ? 'average' : artifact.methods[0]
}

/**
 * Writes expected quality, variance, cost and time of every arm into the scores, which hold one row per arm in their
 * order.
 * @param lead per arm the deployment that would be called, for its live numbers; undefined: none is up
 */
export function scoreCall(
  set: ArmSet,
  artifact: TrainedRouter | undefined,
  predicts: Predicts,
  context: RoutingContext,
  lead: readonly (Candidate | undefined)[],
  loop: LearnedRouting | undefined,
  scores: Scores,
  reading: Reading,
): void {
  const { arms } = set
  const { prompt, inputCharacters } = context
  const prediction = predictQuality(set, artifact, predicts, context, scores, reading)
  const input = inputCharacters / charactersPerToken
  const limit = prompt.shape.maxOutputTokens ?? Number.POSITIVE_INFINITY
  const learned = artifact !== undefined && prediction !== undefined && loop !== undefined
  for (let i = 0; i < arms.length; i++) {
    const arm = arms[i] as Arm
    if (learned && arm.column >= 0) {
      const cell = loop.posterior(artifact.id.slice(0, 12), reading.cluster, arm.name)
      if (cell !== undefined) scores.quality[i] = posteriorMean(scores.quality[i] as number, cell)
    }
    const column = arm.column >= 0 ? arm.column : arm.sibling
    const expected = column < 0 ? undefined : prediction?.outputTokens[column]
    const output = Math.min(limit, expected !== undefined && expected > 0 ? expected : usualOutput)
    if (arm.prices !== undefined) scores.cost[i] = expectedCost(arm.prices, { input, cached: 0, output })
    scores.latency[i] = expectedLatency(lead[i], output) ?? artifact?.models[arm.column]?.meanLatency ?? Number.NaN
  }
}

function expectedLatency(candidate: Candidate | undefined, output: number): number | undefined {
  const { latency, perToken } = candidate?.live ?? {}
  return latency === undefined ? undefined : perToken === true ? latency * output : latency
}

function predictQuality(
  set: ArmSet,
  artifact: TrainedRouter | undefined,
  predicts: Predicts,
  context: RoutingContext,
  scores: Scores,
  reading: Reading,
): Prediction | undefined {
  const { arms } = set
  reading.familiarity = 0
  reading.cluster = -1
  reading.features = undefined
  if (predicts.kind === 'method' && artifact !== undefined) {
    const method = methodIn(artifact, predicts.method)
    if (method !== undefined) return fromArtifact(arms, artifact, method, context, scores, reading)
  }
  if (predicts.kind === 'custom') {
    const models = arms.map(({ name, prices }) =>
      prices === undefined ? { name } : { name, inputPrice: prices.input, outputPrice: prices.output },
    )
    const qualities = predicts.predict(context.prompt, models)
    for (let i = 0; i < arms.length; i++) {
      const quality = qualities[i]
      if (typeof quality !== 'number' || !(quality >= 0 && quality <= 1)) {
        throw new TypeError('predict() must give a number from 0 to 1 for every model')
      }
      scores.quality[i] = quality
    }
    reading.because = 'the custom module'
    return undefined
  }
  if (predicts.kind === 'size') {
    for (let i = 0; i < arms.length; i++) {
      const { strength } = arms[i] as Arm
      scores.quality[i] = predicts.largest ? strength : 1 - strength
    }
    reading.because = predicts.largest ? 'the largest model' : 'the smallest model'
    return undefined
  }
  guess ??= new DifficultyGuess()
  const difficulty = guess.of(context.prompt)
  for (let i = 0; i < arms.length; i++) {
    scores.quality[i] = guessQuality((arms[i] as Arm).strength, difficulty.value)
    scores.variance[i] = unknownVariance
  }
  reading.because = difficulty.because
  return undefined
}

function fromArtifact(
  arms: readonly Arm[],
  artifact: TrainedRouter,
  method: Method,
  context: RoutingContext,
  scores: Scores,
  reading: Reading,
): Prediction {
  let recent = predictions.get(artifact)
  if (recent === undefined) {
    recent = new RecentPredictions(artifact)
    predictions.set(artifact, recent)
  }
  const prediction = recent.predict(context.prompt, method)
  for (let i = 0; i < arms.length; i++) {
    const { column, sibling } = arms[i] as Arm
    scores.quality[i] = column >= 0 ? (prediction.quality[column] ?? 0) : (artifact.models[sibling]?.meanQuality ?? 0.5)
    scores.variance[i] = column >= 0 ? (prediction.variance[column] ?? 0) : unknownVariance
  }
  reading.familiarity = prediction.familiarity
  reading.cluster = prediction.cluster
  reading.features = prediction.features
  const about = artifact.clusters[prediction.cluster]?.about
  reading.because = about === undefined ? `cluster ${prediction.cluster}` : `cluster ${prediction.cluster} (${about})`
  return prediction
}
