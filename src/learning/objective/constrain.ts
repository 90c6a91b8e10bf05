import { removedAs, type Scores } from './scores.ts'

/** Bounds on what is expected of a call. Hard: a candidate beyond one of them is never chosen, whatever its utility. */
export interface Bounds {
  /** US dollars of this call. A candidate without a known price is beyond any bound. */
  readonly maxCost: number | undefined
  /** Milliseconds. A candidate nothing is known of may stay: else nothing would ever be measured. */
  readonly maxLatency: number | undefined
  /** Quality at least that of the reference less the margin; without the reference among the candidates: no bound. */
  readonly floor: { readonly reference: string; readonly margin: number } | undefined
  /** Quality at least this. */
  readonly minQuality: number | undefined
}

export const unbounded: Bounds = {
  maxCost: undefined,
  maxLatency: undefined,
  floor: undefined,
  minQuality: undefined,
}

/** Removes what is beyond the bounds. @returns how many are left */
export function constrain(scores: Scores, bounds: Bounds): number {
  const { maxCost, maxLatency, floor, minQuality } = bounds
  const reference = floor === undefined ? -1 : scores.names.indexOf(floor.reference)
  const lowest = Math.max(
    minQuality ?? Number.NEGATIVE_INFINITY,
    floor === undefined || reference < 0
      ? Number.NEGATIVE_INFINITY
      : (scores.quality[reference] as number) - floor.margin,
  )
  let left = 0
  for (let i = 0; i < scores.count; i++) {
    if (scores.removed[i] !== 0) continue
    if (maxCost !== undefined && !((scores.cost[i] as number) <= maxCost)) scores.remove(i, 'max_cost')
    else if (maxLatency !== undefined && (scores.latency[i] as number) > maxLatency) scores.remove(i, 'max_latency')
    else if ((scores.quality[i] as number) < lowest) scores.remove(i, 'quality_floor')
    else left++
  }
  return left
}

/**
 * Marks candidates that another one beats or equals in everything, and beats in something. They are not chosen, but may
 * stand by for retries. Equals do not dominate each other; where a number is missing on either side it decides nothing.
 * The candidate of a session stays: what it is worth is not in these numbers.
 */
export function removeDominated(scores: Scores): void {
  const dominated = removedAs('dominated')
  const { count, removed, quality, cost, latency, bonus } = scores
  for (let i = 0; i < count; i++) {
    if (removed[i] !== 0 || bonus[i] !== 0) continue
    for (let j = 0; j < count; j++) {
      // Those found dominated before count as well, or the order would matter. There are no circles.
      if (i === j || (removed[j] !== 0 && removed[j] !== dominated)) continue
      const better = (quality[j] as number) - (quality[i] as number)
      const cheaper = (cost[i] as number) - (cost[j] as number)
      const faster = (latency[i] as number) - (latency[j] as number)
      // NaN compares false: an unknown price is not «at most» another, an unknown time does not count.
      if (!(better >= 0) || !(cheaper >= 0) || faster < 0) continue
      if (better > 0 || cheaper > 0 || faster > 0) {
        scores.remove(i, 'dominated')
        break
      }
    }
  }
}
