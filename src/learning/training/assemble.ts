import type { Dataset } from '../dataset.ts'
import { type ArtifactModel, type Method, methods } from '../predictor.ts'
import { createNovelty } from '../predictors/novelty.ts'
import type { Part } from '../predictors/part.ts'
import type { RouterContents } from '../predictors/trained-router.ts'
import { crossCalibrated, fitCalibration } from './calibrate.ts'
import type { FittedModel } from './fit-model.ts'
import { costTable, operatingPoints } from './operating-points.ts'
import type { RowPredictions } from './predict-rows.ts'
import type { TaskInput } from './task.ts'
import { labelMeans } from './training-rows.ts'

/** What models fitted to the other folds say of each row: the honest basis of every figure. Rows × models. */
export interface OutOfFold {
  /** Calibrated by the other folds, and shrunk where the prompt is unfamiliar: as a call would see it. */
  readonly quality: Partial<Record<Method, Float32Array>>
  readonly outputTokens: Float32Array
  /** US dollars, from predicted tokens and prices. */
  readonly cost: Float32Array
  /** Per row. */
  readonly familiarity: Float32Array
  readonly foldOf: Uint8Array
}

interface Identity {
  readonly name: string
  readonly createdAt: number
}

/** From what was fitted and predicted to a router: calibration, novelty, operating points, facts of the models. */
export function assemble(
  dataset: Dataset,
  { rows, foldOf }: TaskInput,
  folds: number,
  model: FittedModel,
  predictions: RowPredictions,
  identity: Identity,
): { contents: RouterContents; outOfFold: OutOfFold } {
  const { closeness, outputTokens } = predictions
  const novelty = fitNovelty(closeness)
  const { familiarity: familiar } = createNovelty(novelty)
  const familiarity = closeness.map(value => familiar(value))
  const trained = methods.filter(method => predictions.quality[method] !== undefined)
  const calibration: Part[] = []
  const quality: Partial<Record<Method, Float32Array>> = {}
  for (const method of trained) {
    const predicted = predictions.quality[method] as Float32Array
    calibration.push(fitCalibration(method, predicted, rows))
    quality[method] = crossCalibrated(method, predicted, rows, { foldOf, folds, familiarity })
  }
  const costs = costTable(dataset, outputTokens)
  const points = trained.flatMap(method =>
    operatingPoints(method, quality[method] as Float32Array, rows.quality, costs, rows.models),
  )
  const contents: RouterContents = {
    ...identity,
    models: modelFacts(dataset, rows.quality, rows.weight),
    meanCost: costs.mean,
    datasetHash: dataset.hash,
    operatingPoints: points,
    clusters: model.clusters,
    features: model.features,
    parts: { ...model.parts, calibration: joined(calibration), novelty },
  }
  return { contents, outOfFold: { quality, outputTokens, cost: costs.predicted, familiarity, foldOf } }
}

const joined = (parts: readonly Part[]): Part => ({
  facts: Object.assign({}, ...parts.map(part => part.facts)),
  arrays: Object.assign({}, ...parts.map(part => part.arrays)),
})

/** Rows that stand more alone than this share are where predictions begin to be distrusted. */
const aloneShare = 0.05

function fitNovelty(closeness: Float32Array): Part {
  const sorted = Float32Array.from(closeness).sort()
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] as number
  const known = at(aloneShare)
  const unknown = Math.min(known - 0.02, known - 2 * (at(0.5) - known))
  return { facts: { known, unknown }, arrays: {} }
}

function modelFacts(dataset: Dataset, quality: Float32Array, weight: Float32Array): ArtifactModel[] {
  const { means, labels } = labelMeans(quality, weight, dataset.models.length)
  return dataset.models.map(({ id, inputPrice, outputPrice }, model) => ({
    id,
    inputPrice,
    outputPrice,
    labels: labels[model] as number,
    meanQuality: Math.max(0, Math.min(1, means[model] as number)),
    meanLatency: meanLatency(dataset, model),
  }))
}

function meanLatency({ rows }: Dataset, model: number): number | undefined {
  let sum = 0
  let count = 0
  for (const { latency } of rows) {
    const value = latency[model]
    if (value === undefined || !Number.isFinite(value)) continue
    sum += value
    count++
  }
  return count === 0 ? undefined : sum / count
}
