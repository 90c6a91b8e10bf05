import type { Strategy } from '../types.ts'
import { rankBy } from './rank-by.ts'

/** Fewest calls in flight from this process first; ties at random. */
export const leastBusy: Strategy = {
  id: 'least-busy',
  honoursLimits: false,

  rank: (candidates, _features, random) => rankBy(candidates, random, ({ live }) => live.inFlight),

  why(chosen, candidates) {
    if (candidates.length === 1) return 'only candidate'
    return `${chosen.live.inFlight} in flight, fewest of ${candidates.length}`
  },

  // The load bound of affinity keeps the in-flight counts together, which is all this strategy wants.
  interchangeable: ranked => ranked.length,
}
