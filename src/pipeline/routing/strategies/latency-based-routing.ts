import type { CallFeatures, Candidate, Strategy } from '../types.ts'
import { leading, rankBy } from './rank-by.ts'

export interface LatencyArgs {
  /** Pick at random among those within best × (1 + buffer). Share, not seconds. Default 0. */
  readonly lowestLatencyBuffer: number
}

/**
 * With no buffer set, deployments within this share of the best count as equals for prompt-cache affinity only: a hit
 * shortens the prefill by far more than that.
 */
const affinityBand = 0.2

/** Above every latency, milliseconds; unknown and busy deployments follow from here, the least busy first. */
const afterMeasured = 1e12

/** Streams are judged by time to first token, other calls by time per output token. */
function measured({ live }: Candidate, features: CallFeatures): number | undefined {
  return features.stream ? live.ttft : live.latency
}

function best(candidates: readonly Candidate[], features: CallFeatures): number {
  let lowest = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const value = measured(candidate, features)
    if (value !== undefined && value < lowest) lowest = value
  }
  return lowest
}

/**
 * Lowest mean latency first. A deployment without fresh measurements is tried first, but by one call at a time: until
 * that call answers it ranks last, so an unknown deployment is never flooded. The same path leads back from a slow
 * spell: measurements expire, the deployment is unknown again and gets one call.
 */
export function latencyBasedRouting(args: LatencyArgs): Strategy {
  return {
    id: 'latency-based-routing',
    honoursLimits: true,

    rank(candidates, features, random) {
      const limit = best(candidates, features) * (1 + args.lowestLatencyBuffer)
      return rankBy(candidates, random, candidate => {
        const value = measured(candidate, features)
        if (value === undefined) {
          return candidate.live.inFlight === 0 ? -1 : afterMeasured + candidate.live.inFlight
        }
        return value <= limit ? 0 : value
      })
    },

    why(chosen, candidates, features) {
      const value = measured(chosen, features)
      const what = features.stream ? 'ms to first token' : 'ms'
      if (value === undefined) return `no recent latency: measuring it, 1 of ${candidates.length}`
      const lowest = best(candidates, features)
      const text = `${rounded(value)} ${what}`
      return value > lowest
        ? `${text}, within ${Math.round(args.lowestLatencyBuffer * 100)} % of the best (${rounded(lowest)})`
        : `${text}, best of ${candidates.length}`
    },

    interchangeable(ranked, features) {
      const first = ranked[0]
      if (first === undefined || measured(first, features) === undefined) return 1
      const limit = best(ranked, features) * (1 + Math.max(args.lowestLatencyBuffer, affinityBand))
      return leading(ranked, candidate => (measured(candidate, features) ?? Number.POSITIVE_INFINITY) <= limit)
    },
  }
}

function rounded(milliseconds: number): string {
  return milliseconds >= 100 ? String(Math.round(milliseconds)) : milliseconds.toPrecision(3)
}
