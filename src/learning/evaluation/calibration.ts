import type { Predictions } from './curve.ts'
import type { Outcomes } from './outcomes.ts'

const bins = 10

export interface Calibration {
  /** Expected calibration error over all labelled pairs of prompt and model, ten bins of equal width. */
  readonly ece: number
  /** Mean squared error of predicted quality. */
  readonly brier: number
  /** Of a prediction that is always the model's mean: what `brier` has to be below. */
  readonly brierOfMeans: number
}

export function calibration(outcomes: Outcomes, predictions: Predictions): Calibration {
  const width = outcomes.models.length
  const counts = new Float64Array(bins)
  const predicted = new Float64Array(bins)
  const found = new Float64Array(bins)
  const sums = new Float64Array(width)
  const squares = new Float64Array(width)
  let squared = 0
  let pairs = 0
  const labels = new Float64Array(width)
  for (const [number, row] of outcomes.rows.entries())
    for (const [model, truth] of row.quality.entries()) {
      if (Number.isNaN(truth)) continue
      const at = number * width + model
      labels[model] = (labels[model] ?? 0) + 1
      sums[model] = (sums[model] ?? 0) + truth
      squares[model] = (squares[model] ?? 0) + truth * truth
      const guess = predictions.quality[at] ?? Number.NaN
      if (Number.isNaN(guess)) continue
      const bin = Math.min(bins - 1, Math.max(0, Math.floor(guess * bins)))
      counts[bin] = (counts[bin] ?? 0) + 1
      predicted[bin] = (predicted[bin] ?? 0) + guess
      found[bin] = (found[bin] ?? 0) + truth
      squared += (guess - truth) ** 2
      pairs++
    }
  const all = labels.reduce((sum, count) => sum + count, 0)
  let ece = 0
  for (let bin = 0; bin < bins; bin++) ece += Math.abs((predicted[bin] ?? 0) - (found[bin] ?? 0)) / pairs
  let variance = 0
  for (let model = 0; model < width; model++)
    if ((labels[model] ?? 0) > 0)
      variance += ((squares[model] ?? 0) - (sums[model] ?? 0) ** 2 / (labels[model] ?? 1)) / all
  return { ece, brier: squared / pairs, brierOfMeans: variance }
}

export interface CostError {
  /** Mean over calls of |predicted − true| / true. */
  readonly perCall: number
  /** Sum of predicted / sum of true − 1. */
  readonly total: number
}

/** How well what a call will cost is foreseen. Undefined where nothing costs anything. */
export function costError(outcomes: Outcomes, predictions: Predictions): CostError | undefined {
  let relative = 0
  let calls = 0
  let predicted = 0
  let spent = 0
  const width = outcomes.models.length
  for (const [number, row] of outcomes.rows.entries())
    for (const [model, truth] of row.cost.entries()) {
      const at = number * width + model
      if (!(truth > 0) || Number.isNaN(predictions.quality[at] ?? Number.NaN)) continue
      const guess = predictions.cost[at] ?? 0
      relative += Math.abs(guess - truth) / truth
      predicted += guess
      spent += truth
      calls++
    }
  return calls === 0 ? undefined : { perCall: relative / calls, total: predicted / spent - 1 }
}
