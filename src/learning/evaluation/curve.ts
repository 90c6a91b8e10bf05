import type { Outcomes } from './outcomes.ts'

/** What a router says, before anybody has answered. Matrices as in {@link Outcomes}. */
export interface Predictions {
  /** 0..1; NaN: not known, never chosen. */
  readonly quality: Float64Array
  /** US dollars. */
  readonly cost: Float64Array
  /** Per row: mean cost of a call in the training data (c̄), the unit of λ. It differs between folds. */
  readonly unit: Float64Array
}

export interface Point {
  /** US dollars per call. */
  readonly cost: number
  /** Mean, 0..1. */
  readonly quality: number
}

/** 0, and 80 values from 1e-4 to 1e2, evenly spaced by ratio. */
export const lambdas: readonly number[] = [0, ...Array.from({ length: 80 }, (_, step) => 10 ** (-4 + (6 * step) / 79))]

/** For every row the model with the highest predicted quality − λ·cost; of equals the cheaper one. */
export function choose({ quality, cost, unit }: Predictions, models: number, lambda: number): Int32Array {
  const rows = quality.length / models
  const choices = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const perDollar = lambda / (unit[row] || 1)
    let best = -1
    let bestUtility = Number.NEGATIVE_INFINITY
    for (let model = 0; model < models; model++) {
      const at = row * models + model
      const utility = (quality[at] ?? Number.NaN) - perDollar * (cost[at] ?? 0)
      if (Number.isNaN(utility)) continue
      const cheaper = best >= 0 && (cost[at] ?? 0) < (cost[row * models + best] ?? 0)
      if (utility > bestUtility || (utility === bestUtility && cheaper)) {
        bestUtility = utility
        best = model
      }
    }
    choices[row] = Math.max(best, 0)
  }
  return choices
}

/** True mean quality and cost of choices. `weights`: how often each row counts. */
export function outcomeOf(outcomes: Outcomes, choices: Int32Array, weights?: Float64Array): Point {
  const width = outcomes.models.length
  let quality = 0
  let cost = 0
  let count = 0
  for (let row = 0; row < choices.length; row++) {
    const weight = weights === undefined ? 1 : (weights[row] ?? 0)
    const at = row * width + (choices[row] ?? 0)
    quality += weight * (outcomes.quality[at] ?? 0)
    cost += weight * (outcomes.cost[at] ?? 0)
    count += weight
  }
  return { quality: quality / count, cost: cost / count }
}

/** Upper convex hull that never falls: mixing two policies at random reaches every point between them. */
export function hull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.cost - b.cost || b.quality - a.quality)
  const kept: Point[] = []
  for (const point of sorted) {
    const last = kept.at(-1)
    // Dearer and no better: never used.
    if (last !== undefined && point.quality <= last.quality) continue
    while (kept.length > 1) {
      const [before, middle] = [kept[kept.length - 2], kept[kept.length - 1]]
      if (before === undefined || middle === undefined || slope(before, middle) > slope(middle, point)) break
      kept.pop()
    }
    kept.push(point)
  }
  return kept
}

const slope = (a: Point, b: Point): number => (b.quality - a.quality) / (b.cost - a.cost)

/** Quality of a hull at a cost; flat beyond its ends. */
export function heightAt(curve: readonly Point[], cost: number): number {
  const first = curve[0]
  if (first === undefined) return Number.NaN
  if (cost <= first.cost) return first.quality
  for (let at = 1; at < curve.length; at++) {
    const [left, right] = [curve[at - 1], curve[at]]
    if (left !== undefined && right !== undefined && cost <= right.cost)
      return left.quality + slope(left, right) * (cost - left.cost)
  }
  return curve.at(-1)?.quality ?? Number.NaN
}

/** Least cost at which a hull has this quality; undefined where it never has. */
export function costFor(curve: readonly Point[], quality: number): number | undefined {
  for (let at = 0; at < curve.length; at++) {
    const right = curve[at]
    const left = curve[at - 1]
    if (right === undefined || right.quality < quality) continue
    return left === undefined ? right.cost : left.cost + (quality - left.quality) / slope(left, right)
  }
  return undefined
}

/** Average improvement in quality (RouterBench): mean height of a hull over a range of costs. */
export function aiq(curve: readonly Point[], from: number, to: number): number {
  if (!(to > from)) return heightAt(curve, from)
  const corners = [from, ...curve.map(({ cost }) => cost).filter(cost => cost > from && cost < to), to]
  let area = 0
  for (let at = 1; at < corners.length; at++) {
    const [left, right] = [corners[at - 1] ?? from, corners[at] ?? to]
    area += ((heightAt(curve, left) + heightAt(curve, right)) / 2) * (right - left)
  }
  return area / (to - from)
}
