import type { Strategy } from '../types.ts'
import { leading, rankBy } from './rank-by.ts'

/**
 * Fewest tokens in the last 60 s first; ties at random. LiteLLM's v1 and v2 differ only in how they talk to Redis, so
 * here both names mean this.
 */
export function usageBasedRouting(id: 'usage-based-routing' | 'usage-based-routing-v2'): Strategy {
  return {
    id,
    honoursLimits: true,

    rank: (candidates, _features, random) => rankBy(candidates, random, ({ live }) => live.tpm),

    why(chosen, candidates) {
      if (candidates.length === 1) return 'only candidate'
      return `${chosen.live.tpm} tokens in the last minute, fewest of ${candidates.length}`
    },

    interchangeable(ranked) {
      const lowest = ranked[0]?.live.tpm
      return leading(ranked, ({ live }) => live.tpm === lowest)
    },
  }
}
