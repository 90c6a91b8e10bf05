import { GatewayError } from '../../platform/errors/gateway-error.ts'

export interface AdmissionLimits {
  /** Calls running at once in this process; Infinity turns the gate off. */
  readonly maxInFlight: number
  /** Calls allowed to wait for a place; beyond it they are refused at once. */
  readonly maxQueued: number
  /** Longest wait for a place, milliseconds. */
  readonly queueTimeout: number
}

interface Waiter {
  readonly admit: () => void
}

/** Whoever waits: a response emits `close` when its caller leaves. */
export interface Waiting {
  once(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

const refused = () =>
  new GatewayError('overloaded', 'The gateway is at its concurrency limit; try again shortly.', { retryAfter: 1 })

/** Bounded concurrency with a bounded first-in-first-out queue. Refuses early instead of piling up. */
export class Admission {
  #inFlight = 0
  #limits: AdmissionLimits
  readonly #queue: Waiter[] = []

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get queued(): number {
    return this.#queue.length
  }

  update(limits: AdmissionLimits): void {
    this.#limits = limits
    this.#drain()
  }

  /** Takes a place if one is free. */
  tryEnter(): boolean {
    if (this.#inFlight >= this.#limits.maxInFlight) return false
    this.#inFlight++
    return true
  }

  /**
   * Waits for a place.
   * @throws GatewayError `overloaded` when the queue is full or the wait is over, `client_disconnected` when the caller
   *   left: its place in the queue is free at once.
   */
  enter(caller: Waiting): Promise<void> {
    if (this.tryEnter()) return Promise.resolve()
    if (this.#queue.length >= this.#limits.maxQueued) return Promise.reject(refused())
    return new Promise((resolve, reject) => {
      const giveUp = (error: GatewayError): void => {
        clearTimeout(timer)
        caller.off('close', left)
        const at = this.#queue.indexOf(waiter)
        if (at >= 0) this.#queue.splice(at, 1)
        reject(error)
      }
      const left = (): void => giveUp(new GatewayError('client_disconnected', 'The caller closed the connection.'))
      const timer = setTimeout(() => giveUp(refused()), this.#limits.queueTimeout)
      caller.once('close', left)
      const waiter: Waiter = {
        admit: () => {
          clearTimeout(timer)
          caller.off('close', left)
          this.#inFlight++
          resolve()
        },
      }
      this.#queue.push(waiter)
    })
  }

  leave(): void {
    this.#inFlight--
    if (this.#queue.length > 0) this.#drain()
  }

  #drain(): void {
    while (this.#queue.length > 0 && this.#inFlight < this.#limits.maxInFlight) this.#queue.shift()?.admit()
  }
}
