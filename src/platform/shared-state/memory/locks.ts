import type { Clock } from '../../clock.ts'

interface Held {
  readonly token: string
  readonly owner: number
  readonly expiresAt: number
}

/** Locks by name; who holds one is known by a token, as in Redis. */
export class Locks {
  readonly #held = new Map<string, Held>()
  readonly #clock: Pick<Clock, 'epoch'>

  constructor(clock: Pick<Clock, 'epoch'>) {
    this.#clock = clock
  }

  /** @param owner the worker whose end releases the lock */
  take(name: string, token: string, ttl: number, owner: number): boolean {
    if (this.#holder(name) !== undefined) return false
    this.#held.set(name, { token, owner, expiresAt: this.#clock.epoch() + ttl })
    return true
  }

  extend(name: string, token: string, ttl: number): boolean {
    const held = this.#holder(name)
    if (held?.token !== token) return false
    this.#held.set(name, { ...held, expiresAt: this.#clock.epoch() + ttl })
    return true
  }

  release(name: string, token: string): void {
    if (this.#holder(name)?.token === token) this.#held.delete(name)
  }

  releaseOf(owner: number): void {
    for (const [name, held] of this.#held) if (held.owner === owner) this.#held.delete(name)
  }

  /** Forgets those that nobody asked for again. */
  sweep(): void {
    for (const name of this.#held.keys()) this.#holder(name)
  }

  #holder(name: string): Held | undefined {
    const held = this.#held.get(name)
    if (held === undefined || held.expiresAt > this.#clock.epoch()) return held
    this.#held.delete(name)
    return undefined
  }
}
