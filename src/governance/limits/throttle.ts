/**
 * LiteLLM's softer end of a budget: a key that has spent it goes on, at a part of its own rates. What this process last
 * saw of the budget decides, so the call that crosses the line is the last one at full speed, in each process.
 */
export class Throttle {
  /** Part of the rates that is left, above 0 and up to 1. */
  readonly #share: number
  /** Epoch ms until which the budget is spent. */
  #until = Number.NEGATIVE_INFINITY

  constructor(share: number) {
    this.#share = share
  }

  /** The budget as shared state has it. */
  observe(used: number, limit: number, resetAt: number | undefined): void {
    if (used < limit) this.#until = Number.NEGATIVE_INFINITY
    else this.spent(used, limit, resetAt)
  }

  /** As far as one call knows, which other calls may have overtaken: it can only be more. */
  spent(used: number, limit: number, resetAt: number | undefined): void {
    if (used >= limit) this.#until = resetAt ?? Number.POSITIVE_INFINITY
  }

  /** A rate as it holds now: never nothing, which would be a block. */
  rate(limit: number, now: number): number {
    return now < this.#until ? Math.max(1, Math.floor(limit * this.#share)) : limit
  }
}
