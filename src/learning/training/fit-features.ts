import {
  countTokens,
  type FeatureSpec,
  featureVersion,
  idfUnit,
  plainColumns,
  termWeight,
  writePlain,
} from '../features/featurizer.ts'
import { Surface } from '../features/surface.ts'
import { buckets, TokenCounts } from '../features/tokens.ts'
import type { Prompt } from '../prompt.ts'
import { seededRandom } from './numerics/random.ts'
import { rightSingularVectors, type SparseMatrix } from './numerics/svd.ts'

export interface FeatureOptions {
  /** Dimensions of the projected words. */
  readonly components: number
  /** Weight of surface and request features beside the words. */
  readonly columnWeight: number
}

const excerpt = { whole: 1500, head: 300, tail: 1200 }
const systemCharacters = 1000
/** Words of fewer rows than this are counted as if they stood in this many: no name outweighs what is said with it. */
const rarest = 2

/** Learns the vector of a prompt from prompts alone (no labels): word weights, their projection, columns' scale. */
export function fitFeatures(prompts: readonly Prompt[], options: FeatureOptions, seed: number): FeatureSpec {
  const limits = { excerpt, systemCharacters }
  const { matrix, idf } = weighWords(prompts, limits)
  const projection = quantised(rightSingularVectors(matrix, options.components, seededRandom(seed)), options.components)
  return {
    version: featureVersion,
    components: options.components,
    ...limits,
    idf,
    ...projection,
    ...fitColumns(prompts, options.columnWeight),
  }
}

type Limits = Pick<FeatureSpec, 'excerpt' | 'systemCharacters'>

/** Rows of sublinear TF × IDF, each of length 1. */
function weighWords(prompts: readonly Prompt[], limits: Limits): { matrix: SparseMatrix; idf: Uint16Array } {
  const counts = new TokenCounts()
  const frequency = new Uint32Array(buckets)
  const starts = new Uint32Array(prompts.length + 1)
  let entries = 0
  for (const [row, prompt] of prompts.entries()) {
    countTokens(prompt, limits, counts)
    entries += counts.size
    starts[row + 1] = entries
    for (let at = 0; at < counts.size; at++) {
      const bucket = counts.seen[at] as number
      frequency[bucket] = (frequency[bucket] as number) + 1
    }
  }
  const idf = Uint16Array.from(frequency, documents =>
    documents === 0
      ? 0
      : Math.min(
          65_535,
          Math.round(idfUnit * (1 + Math.log((1 + prompts.length) / (1 + Math.max(rarest, documents))))),
        ),
  )
  const indices = new Uint16Array(entries)
  const values = new Float32Array(entries)
  for (const [row, prompt] of prompts.entries()) {
    countTokens(prompt, limits, counts)
    const start = starts[row] as number
    let squares = 0
    for (let at = 0; at < counts.size; at++) {
      const bucket = counts.seen[at] as number
      const value = (termWeight(counts.counts[bucket] as number) * (idf[bucket] as number)) / idfUnit
      indices[start + at] = bucket
      values[start + at] = value
      squares += value * value
    }
    const unit = squares > 0 ? 1 / Math.sqrt(squares) : 0
    for (let at = start; at < start + counts.size; at++) values[at] = (values[at] as number) * unit
  }
  return { matrix: { rows: prompts.length, columns: buckets, starts, indices, values }, idf }
}

function quantised(vectors: Float64Array, components: number): Pick<FeatureSpec, 'projection' | 'projectionScale'> {
  const projection = new Int8Array(vectors.length)
  const projectionScale = new Float32Array(buckets)
  for (let bucket = 0; bucket < buckets; bucket++) {
    const row = bucket * components
    let largest = 0
    for (let at = row; at < row + components; at++) largest = Math.max(largest, Math.abs(vectors[at] as number))
    if (largest === 0) continue
    projectionScale[bucket] = largest / 127
    for (let at = row; at < row + components; at++)
      projection[at] = Math.round(((vectors[at] as number) / largest) * 127)
  }
  return { projection, projectionScale }
}

/** Mean and spread of surface and request features; those that do not vary here say nothing and are left out. */
function fitColumns(
  prompts: readonly Prompt[],
  columnWeight: number,
): Pick<FeatureSpec, 'columns' | 'centre' | 'scale' | 'columnWeight'> {
  const surface = new Surface()
  const row = new Float32Array(plainColumns)
  const known = new Float64Array(plainColumns)
  const sums = new Float64Array(plainColumns)
  const squares = new Float64Array(plainColumns)
  for (const prompt of prompts) {
    writePlain(prompt, excerpt, surface, row)
    for (let column = 0; column < plainColumns; column++) {
      const value = row[column] as number
      if (Number.isNaN(value)) continue
      known[column] = (known[column] as number) + 1
      sums[column] = (sums[column] as number) + value
      squares[column] = (squares[column] as number) + value * value
    }
  }
  const columns: number[] = []
  const centre: number[] = []
  const scale: number[] = []
  for (let column = 0; column < plainColumns; column++) {
    const count = known[column] as number
    if (count === 0) continue
    const mean = (sums[column] as number) / count
    const variance = (squares[column] as number) / count - mean * mean
    if (variance <= 1e-7 * Math.max(1, mean * mean)) continue
    columns.push(column)
    centre.push(mean)
    scale.push(columnWeight / Math.sqrt(variance))
  }
  return { columns, centre: Float32Array.from(centre), scale: Float32Array.from(scale), columnWeight }
}
