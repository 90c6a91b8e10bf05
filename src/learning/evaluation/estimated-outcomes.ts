import type { Row } from '../dataset.ts'

/**
 * Rows of logged calls know one model's outcome, sometimes two. What a policy would have come to is estimated as in
 * doubly robust off-policy evaluation: a cell is `m + seen · (outcome − m)`, where `seen` is 1 / the probability that it
 * was seen, 0 where it was not, and `m` the model's mean. The mean over rows of the cells a policy chooses is unbiased
 * where the probabilities are right; `m` only makes it less noisy, so that the router judged has no part in it.
 */
export function estimatedCells(
  values: Float64Array,
  seen: Float64Array,
  width: number,
  expected: Float64Array = repeated(weightedMeans(values, seen, width), values.length),
): Float64Array {
  return values.map((value, at) => {
    const mean = expected[at] ?? 0
    const weight = seen[at] ?? 0
    return weight === 0 ? mean : mean + weight * (value - mean)
  })
}

/** Probabilities below this are taken as this: one row must not outweigh twenty. */
const least = 0.05

/** 1 / the probability that a cell was seen; 0 where it was not. */
export function observation(rows: readonly Row[], width: number): Float64Array {
  const partial = rows.filter(row => row.quality.some(Number.isNaN))
  const counts = new Float64Array(width)
  for (const row of partial)
    row.quality.forEach((value, model) => {
      if (!Number.isNaN(value)) counts[model] = (counts[model] ?? 0) + 1
    })
  const seen = new Float64Array(rows.length * width)
  rows.forEach((row, at) => {
    const complete = row.quality.every(value => !Number.isNaN(value))
    row.quality.forEach((value, model) => {
      if (Number.isNaN(value)) return
      // Nobody said: as often as in the other rows, whatever the prompt.
      const usual = (counts[model] ?? 0) / partial.length
      const said = row.propensity?.[model] ?? Number.NaN
      seen[at * width + model] = complete ? 1 : 1 / Math.max(least, Number.isNaN(said) ? usual : said)
    })
  })
  return seen
}

/** Calls that a policy's estimate rests on: (Σw)² / Σw² over the cells it chooses that were seen. */
export function effectiveSample(seen: Float64Array, choices: Int32Array, width: number): number {
  let sum = 0
  let squares = 0
  for (let row = 0; row < choices.length; row++) {
    const weight = seen[row * width + (choices[row] ?? 0)] ?? 0
    sum += weight
    squares += weight * weight
  }
  return squares === 0 ? 0 : (sum * sum) / squares
}

function weightedMeans(values: Float64Array, seen: Float64Array, width: number): Float64Array {
  const sums = new Float64Array(width)
  const weights = new Float64Array(width)
  values.forEach((value, at) => {
    const weight = seen[at] ?? 0
    if (weight === 0) return
    sums[at % width] = (sums[at % width] ?? 0) + weight * value
    weights[at % width] = (weights[at % width] ?? 0) + weight
  })
  return sums.map((sum, model) => ((weights[model] ?? 0) === 0 ? 0 : sum / (weights[model] ?? 1)))
}

const repeated = (row: Float64Array, length: number): Float64Array =>
  Float64Array.from({ length }, (_, at) => row[at % row.length] ?? 0)
