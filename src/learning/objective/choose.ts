import type { Scores } from './scores.ts'

/** What a call is to be good for: quality less what cost and time are worth. */
export interface Goal {
  /** Quality given up for saving the mean cost of a call, 0 = quality alone. */
  readonly lambda: number
  /** The same for the mean time of a call. */
  readonly mu: number
  /** US dollars: the unit of λ. */
  readonly meanCost: number
  /** Milliseconds: the unit of μ. */
  readonly meanLatency: number
  /** Utilities this close count as equal: then cheapest, then fastest. */
  readonly tie: number
  /** A price in quality on one candidate alone, for targets on its share. */
  readonly handicap?: { readonly name: string; readonly price: number } | undefined
}

/**
 * Utility U = Q − λ·c/c̄ − μ·l/l̄ + bonus of every candidate, removed ones included (for the record). An unknown price
 * counts as the dearest known one, an unknown time as halfway between the known ones (a mean would depend on the order in
 * which it is summed).
 */
export function computeUtility(scores: Scores, goal: Goal): void {
  const { count, quality, cost, latency, bonus, utility, names } = scores
  const { lambda, mu, meanCost, meanLatency, handicap } = goal
  let dearest = 0
  let shortest = Number.POSITIVE_INFINITY
  let longest = 0
  for (let i = 0; i < count; i++) {
    const c = cost[i] as number
    if (c > dearest) dearest = c
    const l = latency[i] as number
    if (l < shortest) shortest = l
    if (l > longest) longest = l
  }
  const usual = shortest > longest ? 0 : (shortest + longest) / 2
  for (let i = 0; i < count; i++) {
    const c = cost[i] as number
    const l = latency[i] as number
    let value = (quality[i] as number) + (bonus[i] as number)
    if (lambda > 0 && meanCost > 0) value -= (lambda * (Number.isNaN(c) ? dearest : c)) / meanCost
    if (mu > 0 && meanLatency > 0) value -= (mu * (Number.isNaN(l) ? usual : l)) / meanLatency
    if (handicap !== undefined && names[i] === handicap.name) value -= handicap.price
    utility[i] = value
  }
}

/**
 * The best of what is kept: highest utility; among those within `tie` of it the cheapest, then the fastest, then the
 * better, then by name. The cost of what is chosen never rises with λ: proof in docs/learned-routing.md.
 * @returns −1 when nothing is kept
 */
export function choose(scores: Scores, tie: number): number {
  const { count, removed, utility } = scores
  let highest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < count; i++) {
    if (removed[i] === 0 && (utility[i] as number) > highest) highest = utility[i] as number
  }
  const least = highest - tie
  let best = -1
  for (let i = 0; i < count; i++) {
    if (removed[i] !== 0 || !((utility[i] as number) >= least)) continue
    if (best < 0 || comesBefore(scores, i, best)) best = i
  }
  return best
}

/** Among equals of utility: cheaper, faster, better, name. An unknown price or time comes last. */
function comesBefore(scores: Scores, a: number, b: number): boolean {
  const cost = known(scores.cost[a]) - known(scores.cost[b])
  if (cost !== 0) return cost < 0
  const latency = known(scores.latency[a]) - known(scores.latency[b])
  if (latency !== 0) return latency < 0
  const quality = (scores.quality[a] as number) - (scores.quality[b] as number)
  if (quality !== 0) return quality > 0
  return (scores.names[a] as string) < (scores.names[b] as string)
}

const known = (value: number | undefined): number => (value === undefined || Number.isNaN(value) ? 1e300 : value)

/**
 * Places of what may be tried, the chosen one first, then by utility; dominated ones last, removed ones not at all.
 * @param into filled from the start @returns how many
 */
export function order(scores: Scores, chosen: number, into: Int32Array): number {
  let length = 0
  for (let i = 0; i < scores.count; i++) {
    if (scores.removed[i] !== 0 && scores.removedBy(i) !== 'dominated') continue
    let at = length++
    while (at > 0 && goesFirst(scores, chosen, i, into[at - 1] as number)) {
      into[at] = into[at - 1] as number
      at--
    }
    into[at] = i
  }
  return length
}

function goesFirst(scores: Scores, chosen: number, a: number, b: number): boolean {
  if (a === chosen || b === chosen) return a === chosen
  const dominated = (scores.kept(a) ? 0 : 1) - (scores.kept(b) ? 0 : 1)
  if (dominated !== 0) return dominated < 0
  const utility = (scores.utility[a] as number) - (scores.utility[b] as number)
  return utility !== 0 ? utility > 0 : comesBefore(scores, a, b)
}
