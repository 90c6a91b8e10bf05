import type { Settlement } from './operation.ts'

/** Settlements that wait to be sent: first in, first out, and the first to be dropped when there are too many. */
export class Settlements {
  readonly #max: number
  readonly #dropped: (count: number) => void
  #waiting: Settlement[] = []
  /** Those before it are taken. */
  #first = 0

  constructor(max: number, dropped: (count: number) => void) {
    this.#max = max
    this.#dropped = dropped
  }

  get length(): number {
    return this.#waiting.length - this.#first
  }

  add(settlement: Settlement): void {
    this.#waiting.push(settlement)
    if (this.length > this.#max) {
      this.#first++
      this.#compact()
      this.#dropped(1)
    }
  }

  take(most: number): Settlement[] {
    if (this.length <= most) {
      // Nothing of what is taken stays here: held until there is much of it, it would grow old and be collected dearly.
      const all = this.#first === 0 ? this.#waiting : this.#waiting.slice(this.#first)
      this.#waiting = []
      this.#first = 0
      return all
    }
    const taken = this.#waiting.slice(this.#first, this.#first + most)
    this.#first += taken.length
    this.#compact()
    return taken
  }

  /** Puts back what could not be sent: it is the oldest. */
  putBack(settlements: readonly Settlement[]): void {
    const all = [...settlements, ...this.#waiting.slice(this.#first)]
    const tooMany = Math.max(0, all.length - this.#max)
    this.#waiting = tooMany === 0 ? all : all.slice(tooMany)
    this.#first = 0
    if (tooMany > 0) this.#dropped(tooMany)
  }

  /** Moves what waits to the front once as much has been taken: constant time for each on average. */
  #compact(): void {
    if (this.#first < 1024 || this.#first * 2 < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#first)
    this.#first = 0
  }
}
