import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import { Slots } from '../../platform/slots.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'

/** Milliseconds a lease lives without renewal: how long a killed process keeps what it had reserved. */
export const defaultLeaseTime = 60_000
/** Renewals in the life of a lease; two may be missed. */
const renewals = 3
/** Leases per message. */
const batch = 5000

/** A lease of a call that still runs. */
export interface Renewable {
  readonly id: string
  readonly state: SharedState
  /** Its place among the renewals; they set it. */
  renewal: number
}

/** Keeps the leases of running calls alive: all of them in one message, three times in a lease's life, however many there are. */
export class Renewals {
  readonly #log: Logger
  readonly #leaseTime: number
  readonly #leases = new Slots<Renewable>()
  #timer: NodeJS.Timeout | undefined

  /** @param leaseTime milliseconds */
  constructor(log: Logger, leaseTime: number) {
    this.#log = log
    this.#leaseTime = leaseTime
  }

  add(lease: Renewable): void {
    lease.renewal = this.#leases.add(lease)
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#round(), this.#leaseTime / renewals).unref()
  }

  remove(lease: Renewable): void {
    if (this.#leases.at(lease.renewal) === lease) this.#leases.remove(lease.renewal)
  }

  get size(): number {
    return this.#leases.size
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#leases.clear()
  }

  #round(): void {
    if (this.#leases.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    const byState = new Map<SharedState, string[]>()
    for (const { state, id } of this.#leases) {
      const ids = byState.get(state)
      if (ids === undefined) byState.set(state, [id])
      else ids.push(id)
    }
    for (const [state, ids] of byState) {
      for (let from = 0; from < ids.length; from += batch) {
        state.renew(ids.slice(from, from + batch), this.#leaseTime).catch((error: unknown) => {
          this.#log.warn({ err: error, leases: ids.length }, 'leases of running calls could not be renewed')
        })
      }
    }
  }
}
