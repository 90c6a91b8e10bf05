import type { Dataset } from '../dataset.ts'
import type { Method, OperatingPoint } from '../predictor.ts'

/** 0 and 80 values from 1e-4 to 1e2, evenly spaced in their logarithm. */
export const lambdas: readonly number[] = [0, ...Array.from({ length: 80 }, (_, step) => 10 ** (-4 + (6 * step) / 79))]

export interface CostTable {
  /** rows × models, US dollars: as predicted, and as they were (predicted where that is not known). */
  readonly predicted: Float32Array
  readonly actual: Float32Array
  /** Mean over all pairs. */
  readonly mean: number
}

/** Costs as routing would expect them, beside what they were. */
export function costTable({ rows, models }: Dataset, outputTokens: Float32Array): CostTable {
  const predicted = new Float32Array(rows.length * models.length)
  const actual = new Float32Array(rows.length * models.length)
  let sum = 0
  for (const [row, { inputTokens, cost }] of rows.entries()) {
    for (const [model, { inputPrice, outputPrice }] of models.entries()) {
      const at = row * models.length + model
      const expected = inputTokens * inputPrice + (outputTokens[at] as number) * outputPrice
      const known = cost[model] ?? Number.NaN
      predicted[at] = expected
      actual[at] = Number.isFinite(known) ? known : expected
      sum += actual[at] as number
    }
  }
  return { predicted, actual, mean: actual.length === 0 ? 0 : sum / actual.length }
}

/**
 * Mean quality and cost of routing at each λ. Where the chosen model was not tried on a row, its prediction stands in.
 * λ rises; points that cost no less than the one before are left out.
 */
export function operatingPoints(
  method: Method,
  predicted: Float32Array,
  quality: Float32Array,
  costs: CostTable,
  models: number,
): OperatingPoint[] {
  const rows = predicted.length / models
  const points: OperatingPoint[] = []
  const price = costs.mean > 0 ? 1 / costs.mean : 0
  for (const lambda of lambdas) {
    const counts = new Uint32Array(models)
    let qualitySum = 0
    let costSum = 0
    for (let row = 0; row < rows; row++) {
      const chosen = best(predicted, costs.predicted, row * models, models, lambda * price)
      const at = row * models + chosen
      counts[chosen] = (counts[chosen] as number) + 1
      const known = quality[at] as number
      qualitySum += Number.isNaN(known) ? (predicted[at] as number) : known
      costSum += costs.actual[at] as number
    }
    const cost = rounded(costSum / rows)
    const previous = points.at(-1)
    if (previous !== undefined && cost >= previous.cost) continue
    points.push({
      method,
      lambda,
      quality: rounded(qualitySum / rows),
      cost,
      shares: Array.from(counts, count => rounded(count / rows)),
    })
  }
  return points
}

/** Ties go to the cheaper, then to the first by name order of the data: never to luck. */
function best(quality: Float32Array, cost: Float32Array, start: number, models: number, lambda: number): number {
  let chosen = 0
  let utility = Number.NEGATIVE_INFINITY
  for (let model = 0; model < models; model++) {
    const value = (quality[start + model] as number) - lambda * (cost[start + model] as number)
    const tie = value === utility && (cost[start + model] as number) < (cost[start + chosen] as number)
    if (value > utility || tie) {
      chosen = model
      utility = value
    }
  }
  return chosen
}

const rounded = (value: number): number => Number(value.toPrecision(6))
