import type { Principal } from '../../governance/authentication/principal.ts'
import type { ShownReservation } from '../../governance/limits/limit-headers.ts'
import type { Amounts, PlannedLimit } from '../../governance/limits/planned-limit.ts'
import type { CounterValue, LeaseItem, SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Estimate } from './estimate.ts'
import type { GroupFacts } from './group-facts.ts'

/** What was taken of every limit for one call, until it is settled. */
export class Reservation implements ShownReservation {
  readonly id: string
  readonly principal: Principal
  readonly facts: GroupFacts
  readonly estimate: Estimate
  readonly limits: readonly PlannedLimit[]
  readonly items: readonly LeaseItem[]
  readonly values: readonly CounterValue[]
  /** Where it was taken: shared state, or this process alone while that is away. */
  readonly state: SharedState
  renewal = -1
  /** The group whose answer is charged. */
  #served: GroupFacts
  readonly #close: (reservation: Reservation, used: readonly number[] | undefined, actual: Amounts | undefined) => void
  #settled = false

  constructor(
    init: Pick<Reservation, 'id' | 'principal' | 'facts' | 'estimate' | 'limits' | 'items' | 'values' | 'state'>,
    close: (reservation: Reservation, used: readonly number[] | undefined, actual: Amounts | undefined) => void,
  ) {
    this.id = init.id
    this.principal = init.principal
    this.facts = init.facts
    this.estimate = init.estimate
    this.limits = init.limits
    this.items = init.items
    this.values = init.values
    this.state = init.state
    this.#served = init.facts
    this.#close = close
  }

  /** The call goes on to another group under the same reservation: limits of this one's model get everything back. */
  movedTo(facts: GroupFacts): void {
    this.#served = facts
  }

  /** Whether a counter is charged for this call already. */
  charges(counter: string): boolean {
    return this.limits.some(limit => limit.counter === counter && this.#counts(limit))
  }

  /** The call is over and has used this much; once, later calls change nothing. */
  settle(actual: Amounts): void {
    if (this.#settled) return
    this.#settled = true
    const { limits } = this
    const used = new Array<number>(limits.length)
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i] as PlannedLimit
      used[i] = this.#counts(limit) ? limit.used(actual) : 0
    }
    this.#close(this, used, actual)
  }

  /** The call was refused or came to nothing: everything goes back. */
  refund(): void {
    if (this.#settled) return
    this.#settled = true
    this.#close(this, undefined, undefined)
  }

  #counts(limit: PlannedLimit): boolean {
    return this.#served === this.facts || limit.speaksOf(this.#served)
  }
}
