import type { Deployment } from '../../deployment.ts'
import type { Strategy } from '../types.ts'
import { leading, rankBy } from './rank-by.ts'

/**
 * Price of one input plus one output token, pico-dollars. Infinite when the input price is not known: an unknown price
 * may be any price, so such a deployment comes after every known one (LiteLLM assumes $1 per token, to the same end).
 */
export function tokenPrice({ price }: Deployment): number {
  return price?.input === undefined ? Number.POSITIVE_INFINITY : price.input + (price.output ?? 0)
}

/** Cheapest input + output price first; ties at random. */
export const costBasedRouting: Strategy = {
  id: 'cost-based-routing',
  honoursLimits: true,

  rank: (candidates, _features, random) => rankBy(candidates, random, ({ deployment }) => tokenPrice(deployment)),

  why(chosen, candidates) {
    const own = tokenPrice(chosen.deployment)
    if (own === Number.POSITIVE_INFINITY)
      return `price unknown, and no candidate of ${candidates.length} has a known one`
    // Pico-dollars per token are micro-dollars per million tokens.
    return `$${own / 1_000_000} per million tokens (input + output), cheapest of ${candidates.length}`
  },

  interchangeable(ranked) {
    const first = ranked[0]
    if (first === undefined) return 0
    const lowest = tokenPrice(first.deployment)
    return leading(ranked, ({ deployment }) => tokenPrice(deployment) === lowest)
  },
}
