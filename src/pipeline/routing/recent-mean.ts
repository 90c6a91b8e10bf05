/**
 * Mean of the last few samples that are still fresh. Every sample carries its own time of expiry, so that a penalty can
 * be forgotten sooner than a measurement. The mean is recomputed only when a sample comes or goes.
 */
export class RecentMean {
  readonly #values: Float64Array
  readonly #expiries: Float64Array
  #next = 0
  #mean: number | undefined
  #validUntil = Number.POSITIVE_INFINITY

  constructor(size: number) {
    this.#values = new Float64Array(size)
    this.#expiries = new Float64Array(size).fill(Number.NEGATIVE_INFINITY)
  }

  /** @param now monotonic milliseconds; @param ttl milliseconds the sample stays fresh */
  add(now: number, value: number, ttl: number): void {
    this.#values[this.#next] = value
    this.#expiries[this.#next] = now + ttl
    this.#next = (this.#next + 1) % this.#values.length
    this.#recompute(now)
  }

  /** Undefined when no sample is fresh. */
  mean(now: number): number | undefined {
    if (now >= this.#validUntil) this.#recompute(now)
    return this.#mean
  }

  #recompute(now: number): void {
    let sum = 0
    let count = 0
    let validUntil = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#values.length; i++) {
      const expiry = this.#expiries[i] ?? Number.NEGATIVE_INFINITY
      if (expiry <= now) continue
      sum += this.#values[i] ?? 0
      count += 1
      if (expiry < validUntil) validUntil = expiry
    }
    this.#mean = count === 0 ? undefined : sum / count
    this.#validUntil = validUntil
  }
}
