import type { LeaseItem, SharedState, Window } from '../../../src/platform/shared-state/shared-state.ts'

/** One kind of shared state, with a clock that a test can move. */
export interface World {
  /** Another client of the same state, closed with the world. */
  open(): Promise<SharedState>
  /** Lets time pass, for windows, leases, values and locks alike. A few hundred milliseconds at most: it may be real. */
  pass(ms: number): Promise<void>
  /** Moves the clock of windows and leases alone; any length. */
  leap(ms: number): Promise<void>
  /** The time of windows and leases, epoch ms. */
  now(): number
  close(): Promise<void>
}

/** Where a test is; known when it runs. */
export interface At {
  readonly world: World
  /** The first client. */
  readonly state: SharedState
}

/** Moved by hand; starts at a round second. */
export class TestClock {
  #now = Math.floor(Date.now() / 1000) * 1000

  epoch(): number {
    return this.#now
  }

  move(ms: number): void {
    this.#now += ms
  }
}

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

let names = 0

/** A prefix for names that no other test uses. */
export const unique = (): string => `t${process.pid}-${++names}`

export const perMinute: Window = { kind: 'rate', ms: 60_000 }
export const live: Window = { kind: 'live' }
export const forever: Window = { kind: 'forever' }

/** An item of amount 1 in a counter that never ends, unless said otherwise. */
export function item(key: string, limit: number, given: Partial<LeaseItem> = {}): LeaseItem {
  return { key, limit, window: forever, amount: 1, overdraft: false, ...given }
}

/** Used and reserved of a counter. */
export async function standOf(state: SharedState, key: string): Promise<readonly [used: number, reserved: number]> {
  const [value] = await state.read([key])
  return [value!.used, value!.reserved]
}

export const longTtl = 60_000
