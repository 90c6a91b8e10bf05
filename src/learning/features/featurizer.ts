import { createHash } from 'node:crypto'
import type { Featurizer } from '../predictor.ts'
import type { Prompt } from '../prompt.ts'
import { type Excerpt, readExcerpt } from './excerpt.ts'
import { requestNames, writeRequest } from './request.ts'
import { Surface, surfaceNames } from './surface.ts'
import { buckets, TokenCounts } from './tokens.ts'

/** Raised whenever the same text would give another vector: tokeniser, surface or request features, their order. */
export const featureVersion = 1

/** Everything a vector depends on beside the code; made by training, kept in the artifact. */
export interface FeatureSpec {
  readonly version: number
  /** Dimensions of the projected words. */
  readonly components: number
  readonly excerpt: Excerpt
  /** Characters of the system prompt that are read. */
  readonly systemCharacters: number
  /** Of surface and request features: which are kept (those that varied in training). */
  readonly columns: readonly number[]
  /** What one standard deviation of a column weighs beside the words' vector, whose length is 1. */
  readonly columnWeight: number
  /** Per kept column: its mean, and `columnWeight` / its standard deviation. */
  readonly centre: Float32Array
  readonly scale: Float32Array
  /** Inverse document frequency per bucket, × 4096. */
  readonly idf: Uint16Array
  /** buckets × components, row by row; a row's true values are × its `projectionScale`. */
  readonly projection: Int8Array
  readonly projectionScale: Float32Array
}

export const idfUnit = 4096
export const plainColumns = surfaceNames.length + requestNames.length
/** Standard deviations beyond which a column says no more: one odd number must not carry a vector away. */
const farthest = 3
/** ln of repeats beyond which a word counts no more: 8 times, so that repeating a word does not buy the vector. */
const mostRepetition = Math.log(8)

const logarithms = Float32Array.from({ length: 256 }, (_, count) =>
  count === 0 ? 0 : 1 + Math.min(mostRepetition, Math.log(count)),
)
/** Sublinear term frequency. */
export const termWeight = (count: number): number => logarithms[Math.min(255, count)] ?? 0

export function createFeaturizer(spec: FeatureSpec): Featurizer {
  const { components, projection, projectionScale, idf, columns, centre, scale } = spec
  const counts = new TokenCounts()
  const surface = new Surface()
  const plain = new Float32Array(plainColumns)
  // A multiple of four; the last ones may read into the next row and are not used.
  const words = new Float64Array(Math.ceil(components / 4) * 4)
  const rows = new Uint32Array(buckets)
  const weights = new Float64Array(buckets)
  const bound = farthest * spec.columnWeight

  const features = (prompt: Prompt, into: Float32Array): void => {
    countTokens(prompt, spec, counts)
    projectWords(weighTokens())
    let squares = 0
    for (let at = 0; at < components; at++) squares += (words[at] ?? 0) ** 2
    const unit = squares > 0 ? 1 / Math.sqrt(squares) : 0
    for (let at = 0; at < components; at++) into[at] = (words[at] ?? 0) * unit

    writePlain(prompt, spec.excerpt, surface, plain)
    for (let at = 0; at < columns.length; at++) {
      const value = plain[columns[at] ?? 0] ?? 0
      const standardised = Number.isNaN(value) ? 0 : (value - (centre[at] ?? 0)) * (scale[at] ?? 0)
      into[components + at] = Math.max(-bound, Math.min(bound, standardised))
    }
  }
  /** Gathers the rows of known words, with their weights. @returns how many */
  function weighTokens(): number {
    let known = 0
    for (let index = 0; index < counts.size; index++) {
      const bucket = counts.seen[index] as number
      const rowScale = projectionScale[bucket] as number
      if (rowScale === 0) continue
      rows[known] = bucket * components
      weights[known++] = termWeight(counts.counts[bucket] as number) * (idf[bucket] as number) * rowScale
    }
    return known
  }

  /** Four components at a time, so that their sums stay in registers: 3 times as fast as a row at a time. */
  function projectWords(known: number): void {
    for (let at = 0; at < components; at += 4) {
      let a = 0
      let b = 0
      let c = 0
      let d = 0
      for (let index = 0; index < known; index++) {
        const weight = weights[index] as number
        const place = (rows[index] as number) + at
        a += weight * (projection[place] as number)
        b += weight * (projection[place + 1] as number)
        c += weight * (projection[place + 2] as number)
        d += weight * (projection[place + 3] as number)
      }
      words[at] = a
      words[at + 1] = b
      words[at + 2] = c
      words[at + 3] = d
    }
  }

  return { id: featureId(spec), dims: components + columns.length, features }
}

export function countTokens(
  prompt: Prompt,
  limits: Pick<FeatureSpec, 'excerpt' | 'systemCharacters'>,
  into: TokenCounts,
): void {
  into.clear()
  readExcerpt(prompt.text, limits.excerpt, (text, from, to) => into.addText(text, from, to))
  into.addSystem(prompt.system, 0, Math.min(prompt.system.length, limits.systemCharacters))
}

/** Surface and request features, before they are standardised. */
export function writePlain(prompt: Prompt, excerpt: Excerpt, surface: Surface, into: Float32Array): void {
  surface.clear()
  readExcerpt(prompt.text, excerpt, (text, from, to) => surface.add(text, from, to))
  surface.write(prompt.text.length, into, 0)
  writeRequest(prompt, into, surfaceNames.length)
}

function featureId(spec: FeatureSpec): string {
  const { version, components, excerpt, systemCharacters, columns, columnWeight } = spec
  const hash = createHash('sha256')
  hash.update(JSON.stringify({ version, buckets, components, excerpt, systemCharacters, columns, columnWeight }))
  for (const array of [spec.centre, spec.scale, spec.idf, spec.projection, spec.projectionScale]) hash.update(array)
  return hash.digest('hex')
}
