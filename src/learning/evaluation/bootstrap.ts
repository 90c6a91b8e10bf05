import { aiq, costFor, hull, type Point } from './curve.ts'
import type { Outcomes } from './outcomes.ts'
import { dice } from './random.ts'

/** Standard errors by resampling groups of rows with replacement. Differences are paired: same resample on both sides. */
export interface Noise {
  readonly aiq: number
  /** Of AIQ − AIQ of the hull of single models. */
  readonly aiqOverHull: number
  /** Of quality at λ = 0 − quality of the best single model. */
  readonly qualityOverBest: number
  /** Of the saving at the best single model's quality − {@link margin}. */
  readonly saving: number
  /**
   * What a hull gains by chance: it takes the best of many points. Mean over resamples of AIQ − AIQ of the hull of
   * single models, less what was found; never below 0.
   */
  readonly optimism: number
  /** AIQ of every resample, for differences between two methods. */
  readonly aiqs: Float64Array
}

/** Quality that nobody would notice: half a point in a hundred. */
export const margin = 0.005

/** The true quality and cost per row of one policy. */
interface Policy {
  readonly quality: Float64Array
  readonly cost: Float64Array
}

/**
 * @param choices per λ, the first for λ = 0
 * @param best the best single model
 */
export function bootstrap(
  outcomes: Outcomes,
  choices: readonly Int32Array[],
  best: number,
  options: { readonly resamples: number; readonly seed: number },
): Noise {
  const policies = unique(choices).map(choice => policyOf(outcomes, row => choice[row] ?? 0))
  const singles = outcomes.models.map((_, model) => policyOf(outcomes, () => model))
  const random = dice(options.seed)
  const weights = new Float64Array(outcomes.rows.length)
  const found = measured(policies, singles, weights.fill(1)).overHull
  const samples = { aiq: [] as number[], overHull: [] as number[], overBest: [] as number[], saving: [] as number[] }
  for (let sample = 0; sample < options.resamples; sample++) {
    draw(outcomes.groups, random, weights)
    const { points, single, curve, height, overHull } = measured(policies, singles, weights)
    const reference = single[best] ?? { cost: 0, quality: 0 }
    samples.aiq.push(height)
    samples.overHull.push(overHull)
    samples.overBest.push((points[0]?.quality ?? 0) - reference.quality)
    samples.saving.push(
      1 -
        Math.min(reference.cost, costFor(curve, reference.quality - margin) ?? reference.cost) / (reference.cost || 1),
    )
  }
  return {
    aiq: deviation(samples.aiq),
    aiqOverHull: deviation(samples.overHull),
    qualityOverBest: deviation(samples.overBest),
    saving: deviation(samples.saving),
    optimism: Math.max(0, mean(samples.overHull) - found),
    aiqs: Float64Array.from(samples.aiq),
  }
}

function measured(policies: readonly Policy[], singles: readonly Policy[], weights: Float64Array) {
  const points = policies.map(policy => pointOf(policy, weights))
  const single = singles.map(policy => pointOf(policy, weights))
  const costs = single.map(({ cost }) => cost)
  const [from, to] = [Math.min(...costs), Math.max(...costs)]
  const curve = hull(points)
  const height = aiq(curve, from, to)
  return { points, single, curve, height, overHull: height - aiq(hull(single), from, to) }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

export function deviation(values: ArrayLike<number>): number {
  let sum = 0
  let squares = 0
  for (let at = 0; at < values.length; at++) sum += values[at] ?? 0
  const mean = sum / values.length
  for (let at = 0; at < values.length; at++) squares += ((values[at] ?? 0) - mean) ** 2
  return values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1))
}

/** Draws as many groups as there are; a row weighs as often as its group was drawn. */
function draw(groups: Int32Array, random: () => number, weights: Float64Array): void {
  const count = groups.reduce((most, group) => Math.max(most, group), -1) + 1
  const drawn = new Float64Array(count)
  for (let at = 0; at < count; at++) {
    const group = Math.floor(random() * count)
    drawn[group] = (drawn[group] ?? 0) + 1
  }
  for (let row = 0; row < weights.length; row++) weights[row] = drawn[groups[row] ?? 0] ?? 0
}

function unique(choices: readonly Int32Array[]): Int32Array[] {
  const seen = new Map<string, Int32Array>()
  for (const choice of choices) {
    const key = Buffer.from(choice.buffer, choice.byteOffset, choice.byteLength).toString('latin1')
    if (!seen.has(key)) seen.set(key, choice)
  }
  return [...seen.values()]
}

function policyOf(outcomes: Outcomes, choice: (row: number) => number): Policy {
  const width = outcomes.models.length
  const pick = (matrix: Float64Array): Float64Array =>
    Float64Array.from(outcomes.rows, (_, row) => matrix[row * width + choice(row)] ?? 0)
  return { quality: pick(outcomes.quality), cost: pick(outcomes.cost) }
}

function pointOf({ quality, cost }: Policy, weights: Float64Array): Point {
  let q = 0
  let c = 0
  let n = 0
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row] ?? 0
    if (weight === 0) continue
    q += weight * (quality[row] ?? 0)
    c += weight * (cost[row] ?? 0)
    n += weight
  }
  return { quality: q / n, cost: c / n }
}
