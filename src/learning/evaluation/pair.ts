import type { Predictions } from './curve.ts'
import type { Outcomes } from './outcomes.ts'

/** Metrics of RouteLLM for a strong and a weak model. */
export interface PairMetrics {
  readonly strong: string
  readonly weak: string
  /** Share of the quality gap recovered, averaged over all shares of calls to the strong model. 0.5: by chance. */
  readonly apgr: number
  /** Least share of strong calls that recovers half, and four fifths, of the gap. */
  readonly cpt50: number
  readonly cpt80: number
}

/** @returns undefined unless there are two models and one is better */
export function pairMetrics(outcomes: Outcomes, predictions: Predictions): PairMetrics | undefined {
  const { models, quality } = outcomes
  if (models.length !== 2) return undefined
  const rows = quality.length / 2
  const mean = (model: number): number => {
    let sum = 0
    for (let row = 0; row < rows; row++) sum += quality[2 * row + model] ?? 0
    return sum / rows
  }
  const strong = mean(0) >= mean(1) ? 0 : 1
  const weak = 1 - strong
  const gap = mean(strong) - mean(weak)
  if (!(gap > 0)) return undefined
  const predicted = Float64Array.from(
    { length: rows },
    (_, row) => (predictions.quality[2 * row + strong] ?? 0) - (predictions.quality[2 * row + weak] ?? 0),
  )
  const order = Int32Array.from({ length: rows }, (_, row) => row).sort(
    (a, b) => (predicted[b] ?? 0) - (predicted[a] ?? 0) || a - b,
  )
  let recovered = 0
  let area = 0
  let cpt50 = 1
  let cpt80 = 1
  order.forEach((row, index) => {
    const before = recovered
    recovered += ((quality[2 * row + strong] ?? 0) - (quality[2 * row + weak] ?? 0)) / (rows * gap)
    area += (before + recovered) / 2 / rows
    const share = (index + 1) / rows
    if (recovered >= 0.5) cpt50 = Math.min(cpt50, share)
    if (recovered >= 0.8) cpt80 = Math.min(cpt80, share)
  })
  return { strong: models[strong] ?? '', weak: models[weak] ?? '', apgr: area, cpt50, cpt80 }
}
