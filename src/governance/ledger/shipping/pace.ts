/** Share of a core that shipping takes while calls are being served, as long as the backlog is small … */
const leastShare = 0.05
/** … and when it has grown large: what one core can serve does not outrun it then. */
const mostShare = 0.5
/** Bytes at most, of a small journal a part of its room. */
const smallBacklog = 64_000_000
const largeBacklog = 256_000_000
/** Milliseconds; nothing is in flight when nobody wrote for so long. */
const quiet = 1500
const longestPause = 1000

/**
 * Calls come first: while records arrive, shipping rests after each batch for as long as its share asks. What waits is
 * on disk and counted; it is brought in when the calls let up, or faster when there is too much of it.
 */
export class Pace {
  readonly #now: () => number
  readonly #small: number
  readonly #large: number
  /** Soon calls would be refused: no rest. */
  readonly #tooLarge: number
  #size = 0
  #grewAt = Number.NEGATIVE_INFINITY

  /** @param room bytes that the journal may take */
  constructor(room: number, now: () => number = () => performance.now()) {
    this.#now = now
    this.#small = Math.min(smallBacklog, room / 32)
    this.#large = Math.min(largeBacklog, room / 8)
    this.#tooLarge = room / 2
  }

  /** @param bytes ever seen in the journal: it grows with every record */
  observe(bytes: number): void {
    if (bytes > this.#size) this.#grewAt = this.#now()
    this.#size = bytes
  }

  /** Milliseconds to rest after `worked` milliseconds of processor time with so many bytes left to ship. */
  rest(worked: number, backlog: number): number {
    if (this.#now() - this.#grewAt > quiet || backlog >= this.#tooLarge) return 0
    const excess = Math.min(1, Math.max(0, (backlog - this.#small) / (this.#large - this.#small)))
    const share = leastShare + (mostShare - leastShare) * excess
    return Math.min(longestPause, worked * (1 / share - 1))
  }
}
