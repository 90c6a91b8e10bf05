/**
 * Sum over the last 60 s as a ring of sixty one-second buckets: a true sliding window with a grain of one second, unlike
 * counters per calendar minute, which forget everything at once and let twice the limit through around the minute mark.
 * Fixed memory; adding and reading are amortised O(1).
 */
const buckets = 60
const width = 1000

export class SlidingWindow {
  readonly #sums = new Float64Array(buckets)
  #tick = Number.NEGATIVE_INFINITY
  #total = 0

  /** @param now monotonic milliseconds */
  add(now: number, amount: number): void {
    this.#advance(now)
    const index = mod(this.#tick)
    this.#sums[index] = (this.#sums[index] ?? 0) + amount
    this.#total += amount
  }

  total(now: number): number {
    this.#advance(now)
    return this.#total
  }

  /** Milliseconds until the oldest counted amount leaves the window; 0 when it is empty. */
  untilNextExpiry(now: number): number {
    this.#advance(now)
    for (let age = buckets - 1; age >= 0; age--) {
      if (this.#sums[mod(this.#tick - age)]) return (this.#tick - age + buckets) * width - now
    }
    return 0
  }

  clear(): void {
    this.#sums.fill(0)
    this.#total = 0
  }

  #advance(now: number): void {
    const tick = Math.floor(now / width)
    const passed = tick - this.#tick
    if (passed <= 0) return
    if (passed >= buckets) this.clear()
    else {
      for (let t = this.#tick + 1; t <= tick; t++) {
        const index = mod(t)
        this.#total -= this.#sums[index] ?? 0
        this.#sums[index] = 0
      }
    }
    this.#tick = tick
  }
}

function mod(tick: number): number {
  return ((tick % buckets) + buckets) % buckets
}
