import type { Method } from '../predictor.ts'
import { createCalibration } from '../predictors/calibration.ts'
import { drawToMean } from '../predictors/novelty.ts'
import type { Part } from '../predictors/part.ts'
import { labelMeans } from './training-rows.ts'

/** From this many labels a model's predictions are taken for what they are. */
const enoughLabels = 300
/** Below, they are drawn to its mean by n / (n + 50). */
const priorLabels = 50
/** Predictions of a method that says nothing true must not be turned upside down, nor blown up. */
const stretches = { least: 0.05, most: 3 }

export interface Labelled {
  readonly models: number
  readonly quality: Float32Array
  readonly weight: Float32Array
}

/** By least squares on predictions of rows that were left out. */
export function fitCalibration(method: Method, predicted: Float32Array, labelled: Labelled): Part {
  const { models, quality, weight } = labelled
  const { means: to, labels } = labelMeans(quality, weight, models)
  const { means: from } = labelMeans(predicted, weight, models)
  // quality − to = common · shared + gap · own: two unknowns, five sums.
  let ss = 0
  let so = 0
  let oo = 0
  let sy = 0
  let oy = 0
  for (let start = 0; start < predicted.length; start += models) {
    let shared = 0
    for (let model = 0; model < models; model++) {
      shared += ((predicted[start + model] as number) - (from[model] as number)) / models
    }
    for (let model = 0; model < models; model++) {
      const trust = weight[start + model] as number
      if (trust === 0) continue
      const own = (predicted[start + model] as number) - (from[model] as number) - shared
      const truth = (quality[start + model] as number) - (to[model] as number)
      ss += trust * shared * shared
      so += trust * shared * own
      oo += trust * own * own
      sy += trust * shared * truth
      oy += trust * own * truth
    }
  }
  const { common, gap } = solveTwo(ss, so, oo, sy, oy)
  const trust = Float32Array.from(labels, count => (count >= enoughLabels ? 1 : count / (count + priorLabels)))
  return {
    facts: { [`${method}.common`]: bounded(common), [`${method}.gap`]: bounded(gap) },
    arrays: { [`${method}.from`]: from, [`${method}.to`]: to, [`${method}.trust`]: trust },
  }
}

/** A part that never varies (one model; a method that ranks only) is left as it is. */
function solveTwo(ss: number, so: number, oo: number, sy: number, oy: number): { common: number; gap: number } {
  const least = 1e-9 * (ss + oo)
  if (ss <= least && oo <= least) return { common: 1, gap: 1 }
  if (ss <= least) return { common: 1, gap: oy / oo }
  if (oo <= least) return { common: sy / ss, gap: 1 }
  const determinant = ss * oo - so * so
  if (determinant <= 1e-6 * ss * oo) return { common: sy / ss, gap: sy / ss }
  return { common: (sy * oo - oy * so) / determinant, gap: (oy * ss - sy * so) / determinant }
}

const bounded = (stretch: number): number => Math.max(stretches.least, Math.min(stretches.most, stretch))

export interface Folding {
  readonly foldOf: Uint8Array
  readonly folds: number
  /** Per row, 0..1. */
  readonly familiarity: Float32Array
}

/**
 * Predictions as a call would see them: calibrated, and drawn to the mean where the prompt is unfamiliar; each fold's by
 * what the other folds say, so that none has seen its own label.
 */
export function crossCalibrated(
  method: Method,
  predicted: Float32Array,
  labelled: Labelled,
  { foldOf, folds, familiarity }: Folding,
): Float32Array {
  const { models } = labelled
  const result = Float32Array.from(predicted)
  const variance = new Float32Array(models)
  for (let fold = 0; fold < folds; fold++) {
    const weight = labelled.weight.map((trust, at) => (foldOf[Math.floor(at / models)] === fold ? 0 : trust))
    const part = fitCalibration(method, predicted, { ...labelled, weight })
    const calibration = createCalibration(part, method, models)
    const { means } = labelMeans(labelled.quality, weight, models)
    for (const [row, its] of foldOf.entries()) {
      if (its !== fold) continue
      const quality = result.subarray(row * models, (row + 1) * models)
      calibration.apply(quality, variance)
      drawToMean(quality, variance, familiarity[row] as number, means)
    }
  }
  return result
}
