import type { CounterValue, LeaseItem, LeaseResult, Window } from '../shared-state.ts'

export type Seeding = ReadonlyMap<string, number>

/** What a process asks of counters and leases that are elsewhere. Carried out in order. */
export type Operation =
  | {
      readonly what: 'reserve'
      readonly id: string
      readonly items: readonly LeaseItem[]
      readonly ttl: number
      readonly seeds: Seeding | undefined
    }
  | Settlement
  | { readonly what: 'renew'; readonly ids: readonly string[]; readonly ttl: number }
  | { readonly what: 'read'; readonly key: string }
  | { readonly what: 'add' | 'assign'; readonly key: string; readonly amount: number; readonly window: Window }
  /** Nothing but what every message does: give back what expired, forget what is over. */
  | { readonly what: 'sweep' }

/** May be sent again: carried out once. */
export type Settlement =
  | { readonly what: 'settle'; readonly id: string; readonly actual: readonly number[] | undefined }
  /** Of a reservation that got no answer: given back if it was carried out, and never carried out later. */
  | { readonly what: 'cancel'; readonly id: string }

/** The answer to a reservation: a result, the items whose counters must be seeded, an id in use, or no room. */
export type Reserved = LeaseResult | { readonly unseeded: readonly number[] } | 'duplicate' | 'full'

/** Answers to the reservations and reads of one message, in order; the other operations have none. */
export type Answers = readonly (Reserved | CounterValue)[]

/** The way to where counters and leases are. */
export interface Transport {
  readonly available: boolean
  /**
   * One message there and back.
   * @param collect what it holds; called once, and as late as the transport can, for what is asked until then travels
   *   with it. Not called when it throws before that
   * @throws StateUnavailable: it may have been carried out or not, now or later
   * @throws Error: it can never be carried out
   */
  exchange(collect: () => readonly Operation[]): Promise<Answers>
}
