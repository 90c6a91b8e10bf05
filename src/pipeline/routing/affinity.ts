import type { Deployment } from '../deployment.ts'
import { type WeightField, weightField } from './strategies/simple-shuffle.ts'
import type { Candidate } from './types.ts'

/**
 * Prompt-cache affinity: calls with the same prompt prefix go to the same deployment where its vendor discounts cached
 * input, because shuffling turns a cache hit rate of ~95 % into almost none. Rendezvous hashing with bounded load
 * (Thaler and Ravishankar 1998; Mirrokni, Thorup and Zadimoghaddam 2018): a deployment that comes or goes moves only
 * its own prefixes, and one popular prefix cannot pile up on one deployment.
 */

/** A deployment may hold this multiple of its fair share of calls in flight, and one more. */
const loadFactor = 1.25

export interface AffinityChoice {
  /** Index into the ranking of the deployment that shall go first. */
  readonly index: number
  /** The hash's favourite was passed over because it is too busy. */
  readonly spilled: boolean
}

/** Cached input costs less than fresh input. */
export function discountsCachedInput({ price }: Deployment): boolean {
  const rates = price?.bands[0]?.rates
  return rates !== undefined && rates.cacheRead < rates.input
}

/**
 * Chooses among the first `count` of the ranking, those without a discount included: each keeps its share of the calls,
 * and a self-hosted server that caches without a price gains as well.
 * @param first the first candidate in config order, which decides what weighs, as in simple-shuffle
 * @returns undefined where there is no choice
 */
export function preferByPrefix(
  ranked: readonly Candidate[],
  count: number,
  prefixHash: number,
  first: Deployment | undefined,
): AffinityChoice | undefined {
  if (count < 2) return undefined
  const field = weightField(first)
  let inFlight = 0
  let weights = 0
  for (let i = 0; i < count; i++) {
    const candidate = ranked[i] as Candidate
    inFlight += candidate.live.inFlight
    weights += weightOf(candidate, field)
  }
  let favourite = -1
  let favouriteScore = Number.POSITIVE_INFINITY
  let chosen = -1
  let chosenScore = Number.POSITIVE_INFINITY
  for (let i = 0; i < count; i++) {
    const candidate = ranked[i] as Candidate
    const weight = weightOf(candidate, field)
    // Weighted rendezvous: an exponential key drawn from the hash instead of from dice. Weight 0 never wins: infinite.
    const score = -Math.log(uniform(prefixHash, idHash(candidate.deployment))) / weight
    if (score < favouriteScore) {
      favourite = i
      favouriteScore = score
    }
    const bound = loadFactor * inFlight * (weight / weights) + 1
    if (score < chosenScore && candidate.live.inFlight <= bound) {
      chosen = i
      chosenScore = score
    }
  }
  return chosen < 0 ? undefined : { index: chosen, spilled: chosen !== favourite }
}

function weightOf({ deployment }: Candidate, field: WeightField | undefined): number {
  return field === undefined ? 1 : Math.max(0, deployment[field] ?? 0)
}

const idHashes = new WeakMap<Deployment, number>()

function idHash(deployment: Deployment): number {
  let hash = idHashes.get(deployment)
  if (hash === undefined) {
    hash = 0x811c9dc5
    for (let i = 0; i < deployment.id.length; i++) hash = Math.imul(hash ^ deployment.id.charCodeAt(i), 0x01000193)
    idHashes.set(deployment, hash)
  }
  return hash
}

/** Two hashes → a number in (0, 1), by the finalizer of MurmurHash3. */
function uniform(a: number, b: number): number {
  let h = a ^ Math.imul(b, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  h ^= h >>> 16
  return ((h >>> 0) + 0.5) / 4_294_967_296
}
