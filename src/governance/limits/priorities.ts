/** A share of a model's capacity: a part of it, or so many requests or tokens a minute. */
export interface Share {
  readonly type: 'percent' | 'rpm' | 'tpm'
  readonly value: number
}

/** `priority_reservation` and its settings, compiled. */
export interface PriorityShares {
  readonly shares: ReadonlyMap<string, Share>
  /** Part of the capacity that all callers without a priority of the list share. */
  readonly defaultShare: number
  /** Part of the capacity in use from which on shares are strict; below it they may be exceeded. */
  readonly saturationThreshold: number
  /** Milliseconds an observed saturation is believed. */
  readonly saturationTtl: number
}

/** Name of the pool of callers without a priority. */
export const defaultPool = 'default_pool'

/** What a group can take per minute; undefined: nobody said. */
export interface Capacity {
  readonly rpm: number | undefined
  readonly tpm: number | undefined
}

/**
 * The part of a group's capacity a priority may use once the group is saturated, 0–1. Shares that add up to more than the
 * whole are scaled down together, as in LiteLLM.
 */
export function shareOf(
  priority: string | undefined,
  { shares, defaultShare }: PriorityShares,
  capacity: Capacity,
): number {
  const own = priority === undefined ? undefined : shares.get(priority)
  if (own === undefined) return defaultShare
  let total = 0
  for (const share of shares.values()) total += partOf(share, capacity)
  return partOf(own, capacity) / Math.max(1, total)
}

function partOf({ type, value }: Share, { rpm, tpm }: Capacity): number {
  const whole = type === 'rpm' ? rpm : type === 'tpm' ? tpm : 1
  // A share in requests of a group that has no request limit cannot be taken of anything: LiteLLM reads it as a part.
  return whole === undefined || whole <= 0 ? Math.min(1, value) : value / whole
}

/**
 * How full a group was when this process last took a lease from it. Between two processes it may differ by what the other
 * one took since; the group's own limit is enforced in any case.
 */
export class Saturation {
  readonly #threshold: number
  readonly #ttl: number
  /** By counter: requests and tokens saturate each on their own. */
  readonly #full = new Map<string, { ratio: number; until: number }>()

  constructor({ saturationThreshold, saturationTtl }: PriorityShares) {
    this.#threshold = saturationThreshold
    this.#ttl = saturationTtl
  }

  observe(counter: string, inUse: number, limit: number, resetAt: number | undefined, now: number): void {
    const until = Math.min(now + this.#ttl, resetAt ?? Number.POSITIVE_INFINITY)
    this.#full.set(counter, { ratio: limit > 0 ? inUse / limit : 1, until })
  }

  strict(now: number): boolean {
    for (const { ratio, until } of this.#full.values()) {
      if (ratio >= this.#threshold && now < until) return true
    }
    return false
  }
}
