import { StoreUnavailable } from '../store.ts'

/** Writers that wait; beyond it the database cannot keep up and callers are told so. */
const maxWaiting = 10_000
/** Milliseconds a writer waits for its turn. */
const patience = 30_000

/**
 * One at a time, first come first served: a connection belongs to one transaction or statement. Short reads may use it
 * together, while nobody wants it for himself.
 */
export class Turns {
  #taken = false
  /** Those who share the turn that is taken. */
  #sharers = 0
  readonly #waiting = new Set<() => void>()

  /** Resolves with what gives the turn back; call it once. */
  take(): Promise<() => void> {
    if (!this.#taken) {
      this.#taken = true
      return Promise.resolve(this.#give)
    }
    if (this.#waiting.size >= maxWaiting) {
      return Promise.reject(new StoreUnavailable(`the SQLite database cannot keep up: ${maxWaiting} writers wait`))
    }
    return new Promise((resolve, reject) => {
      const next = (): void => {
        clearTimeout(timer)
        resolve(this.#give)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(next)
        reject(new StoreUnavailable(`the SQLite database cannot keep up: no turn to write for ${patience / 1000} s`))
      }, patience)
      this.#waiting.add(next)
    })
  }

  /** A turn with others that read, given back with what is returned; undefined while somebody has or wants one alone. */
  share(): (() => void) | undefined {
    if ((this.#taken && this.#sharers === 0) || this.#waiting.size > 0) return undefined
    this.#taken = true
    this.#sharers++
    return () => {
      if (--this.#sharers === 0) this.#give()
    }
  }

  readonly #give = (): void => {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#taken = false
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
