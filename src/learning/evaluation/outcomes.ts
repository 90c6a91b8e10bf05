import { groupKeys } from '../dataset/groups.ts'
import type { Dataset, Row } from '../dataset.ts'
import { estimatedCells, observation } from './estimated-outcomes.ts'

/**
 * What came of every prompt with every model: the table a router is scored on. Matrices are row by row,
 * `[row × models + model]`.
 */
export interface Outcomes {
  readonly name: string
  readonly models: readonly string[]
  readonly rows: readonly Row[]
  /**
   * Of logged calls, whose rows have gaps: cells are estimates whose means are right (see `estimated-outcomes.ts`), while
   * a single one may be far off, above 1 or below 0.
   */
  readonly estimated: boolean
  readonly quality: Float64Array
  /** US dollars. */
  readonly cost: Float64Array
  /** Milliseconds; NaN where not known. */
  readonly latency: Float64Array
  /** 1 / the probability with which a cell was seen; 0 where it was not. */
  readonly seen: Float64Array
  /** Rows that share a number (stem, template, session) are not independent evidence. */
  readonly groups: Int32Array
  /** Rows left out because some model's quality is not known. */
  readonly leftOut: number
}

/** From this share of rows without a gap on, these alone are scored: nothing has to be estimated then. */
const enoughComplete = 0.5

export function outcomesOf(dataset: Dataset): Outcomes {
  const complete = dataset.rows.filter(isComplete)
  const estimated = complete.length < enoughComplete * dataset.rows.length
  const rows = estimated ? dataset.rows.filter(row => row.quality.some(value => !Number.isNaN(value))) : complete
  const width = dataset.models.length
  const typical = dataset.models.map((_, model) => meanKnown(dataset.rows, row => row.outputTokens[model]))
  const matrix = (cell: (row: Row, model: number) => number): Float64Array => {
    const values = new Float64Array(rows.length * width)
    rows.forEach((row, at) => {
      for (let model = 0; model < width; model++) values[at * width + model] = cell(row, model)
    })
    return values
  }
  const seen = observation(rows, width)
  const quality = matrix((row, model) => row.quality[model] ?? Number.NaN)
  const expected = matrix((row, model) => expectedCost(dataset, row, model, typical[model]))
  const cost = matrix((row, model) => row.cost[model] ?? Number.NaN).map(
    (value, at) => known(value) ?? expected[at] ?? 0,
  )
  return {
    name: dataset.name,
    models: dataset.models.map(({ id }) => id),
    rows,
    estimated,
    quality: estimated ? estimatedCells(quality, seen, width) : quality,
    cost: estimated ? estimatedCells(cost, seen, width, expected) : cost,
    latency: matrix((row, model) => row.latency[model] ?? Number.NaN),
    seen,
    groups: groupNumbers(rows),
    leftOut: dataset.rows.length - rows.length,
  }
}

export const isComplete = (row: Row): boolean => row.quality.every(value => !Number.isNaN(value))

const known = (value: number | undefined): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : value

function expectedCost(dataset: Dataset, row: Row, model: number, output: number | undefined): number {
  const facts = dataset.models[model]
  return facts === undefined ? 0 : facts.inputPrice * row.inputTokens + facts.outputPrice * (output ?? 0)
}

function meanKnown(rows: readonly Row[], value: (row: Row) => number | undefined): number | undefined {
  let sum = 0
  let count = 0
  for (const row of rows) {
    const number = known(value(row))
    if (number === undefined) continue
    sum += number
    count++
  }
  return count === 0 ? undefined : sum / count
}

function groupNumbers(rows: readonly Row[]): Int32Array {
  const numbers = new Map<string, number>()
  return Int32Array.from(groupKeys(rows), key => {
    const number = numbers.get(key) ?? numbers.size
    numbers.set(key, number)
    return number
  })
}

/** Column means of a matrix over some rows. */
export function columnMeans(matrix: Float64Array, width: number): Float64Array {
  const means = new Float64Array(width)
  const rows = matrix.length / width
  for (let at = 0; at < matrix.length; at++) means[at % width] = (means[at % width] ?? 0) + (matrix[at] ?? 0) / rows
  return means
}

/** Index of the best single model: highest mean quality, the cheaper one of equals. */
export function bestSingle(quality: Float64Array, cost: Float64Array): number {
  let best = 0
  for (let model = 1; model < quality.length; model++) {
    const gain = (quality[model] ?? 0) - (quality[best] ?? 0)
    if (gain > 0 || (gain === 0 && (cost[model] ?? 0) < (cost[best] ?? 0))) best = model
  }
  return best
}
