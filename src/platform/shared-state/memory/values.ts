import type { Clock } from '../../clock.ts'

interface Entry {
  readonly value: string
  /** Epoch ms; Infinity: until deleted. */
  readonly expiresAt: number
}

/** Small values with a time to live, bounded: the ones set longest ago go first. */
export class Values {
  readonly #entries = new Map<string, Entry>()
  readonly #clock: Pick<Clock, 'epoch'>
  readonly #max: number
  #sweeping: Iterator<[string, Entry]> | undefined

  constructor(clock: Pick<Clock, 'epoch'>, max: number) {
    this.#clock = clock
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): string | undefined {
    return this.#fresh(key)?.value
  }

  set(key: string, value: string, ttl: number | undefined): void {
    this.#put(key, { value, expiresAt: ttl === undefined ? Number.POSITIVE_INFINITY : this.#clock.epoch() + ttl })
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  increment(key: string, ttl: number): number {
    const entry = this.#fresh(key)
    const next = entry === undefined ? 1 : Number(entry.value) + 1
    if (!Number.isSafeInteger(next)) throw new TypeError(`the value of ${key} is not an integer`)
    this.#put(key, { value: String(next), expiresAt: entry?.expiresAt ?? this.#clock.epoch() + ttl })
    return next
  }

  /** Forgets what expired, a part of all entries at a time. */
  sweep(most: number): void {
    const now = this.#clock.epoch()
    this.#sweeping ??= this.#entries.entries()
    for (let i = 0; i < most; i++) {
      const { done, value } = this.#sweeping.next()
      if (done === true) {
        this.#sweeping = undefined
        return
      }
      if (value[1].expiresAt <= now) this.#entries.delete(value[0])
    }
  }

  #fresh(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.expiresAt > this.#clock.epoch()) return entry
    this.#entries.delete(key)
    return undefined
  }

  #put(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size <= this.#max) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }
}
