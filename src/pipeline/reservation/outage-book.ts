import { randomBytes } from 'node:crypto'
import type { PlannedLimit } from '../../governance/limits/planned-limit.ts'
import type { LeaseItem, SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { CounterRepair } from './counter-repair.ts'
import { defaultLeaseTime } from './renewals.ts'

/** Counters remembered; the spend of further ones is found again when their counters are next seeded from the books. */
const maxCounters = 10_000
/** Counters per message. */
const batch = 200

interface Owed {
  readonly item: LeaseItem
  amount: number
}

/**
 * What calls used of lasting counters (budgets, quotas by the day) while shared state was away: brought there when it is
 * back, so that an outage is no free budget. What the books know as well is left to `CounterRepair`: a counter that another
 * process has started from the books meanwhile has it already.
 */
export class OutageBook {
  readonly #state: SharedState
  readonly #repair: CounterRepair
  readonly #log: Logger
  readonly #owed = new Map<string, Owed>()
  #delivering = false
  #serial = 0
  /** All replicas deliver when contact is back, and in containers all of them are process 1. */
  readonly #prefix = `outage:${randomBytes(9).toString('base64url')}:`
  readonly #forget: () => void

  constructor(state: SharedState, repair: CounterRepair, log: Logger) {
    this.#state = state
    this.#repair = repair
    this.#log = log
    this.#forget = state.onReconnect(() => void this.deliver())
  }

  get size(): number {
    return this.#owed.size
  }

  note(limits: readonly PlannedLimit[], items: readonly LeaseItem[], used: readonly number[]): void {
    for (let i = 0; i < limits.length; i++) {
      const item = items[i]
      const amount = used[i]
      if (item === undefined || amount === undefined || amount === 0) continue
      if (item.window.kind !== 'until' && item.window.kind !== 'forever') continue
      const counted = limits[i]?.counted
      if (counted !== undefined) {
        this.#repair.watch(counted)
        continue
      }
      const owed = this.#owed.get(item.key)
      if (owed !== undefined) owed.amount += amount
      else if (this.#owed.size < maxCounters) this.#owed.set(item.key, { item, amount })
      else this.#log.warn({ counter: item.key }, 'spend during the outage is not carried over: too many counters')
    }
    if (this.#state.available) void this.deliver()
  }

  async deliver(): Promise<void> {
    if (this.#delivering) return
    this.#delivering = true
    try {
      while (this.#owed.size > 0) {
        const some = [...this.#owed.values()].slice(0, batch)
        for (const { item } of some) this.#owed.delete(item.key)
        try {
          await this.#bring(some)
        } catch (error) {
          for (const { item, amount } of some) this.#putBack(item, amount)
          this.#log.warn({ err: error, counters: this.#owed.size }, 'spend during the outage waits for shared state')
          return
        }
      }
    } finally {
      this.#delivering = false
    }
  }

  close(): void {
    this.#forget()
  }

  #putBack(item: LeaseItem, amount: number): void {
    const owed = this.#owed.get(item.key)
    if (owed === undefined) this.#owed.set(item.key, { item, amount })
    else owed.amount += amount
  }

  /** As a lease, because only leases seed a counter that was lost; what the seed brings is in it already. */
  async #bring(some: readonly Owed[]): Promise<void> {
    const id = `${this.#prefix}${(++this.#serial).toString(36)}`
    const amounts = some.map(({ amount }) => amount)
    const items = some.map(({ item }, index): LeaseItem => {
      const { seed } = item
      const seeded = async (): Promise<number> => {
        amounts[index] = 0
        return seed === undefined ? 0 : await seed()
      }
      return {
        ...item,
        limit: Number.POSITIVE_INFINITY,
        amount: 0,
        overdraft: true,
        seed: seed === undefined ? undefined : seeded,
      }
    })
    await this.#state.reserve(id, items, defaultLeaseTime)
    this.#state.settle(id, amounts)
  }
}
