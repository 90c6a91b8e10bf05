import type { LeaseItem, Window } from '../../../src/platform/shared-state/shared-state.ts'

interface Held {
  readonly items: readonly LeaseItem[]
  readonly ends: readonly number[]
  readonly expiresAt: number
}

interface Use {
  readonly key: string
  readonly end: number
  readonly amount: number
}

/**
 * Counters as they are defined, not as they are made: what is used of one is the sum of the uses in its window, what is
 * reserved is the sum of the live leases in it. Slow, and without any state to keep right.
 */
export class Oracle {
  #now: number
  readonly #ends = new Map<string, { readonly end: number; readonly window: Window }>()
  readonly #uses: Use[] = []
  readonly #leases = new Map<string, Held>()

  constructor(now: number) {
    this.#now = now
  }

  leap(ms: number): void {
    this.#now += ms
  }

  reserve(id: string, items: readonly LeaseItem[], ttl: number): unknown {
    if (this.#leases.has(id)) return 'duplicate'
    const refusing = items.findIndex(({ key, window, limit, amount, overdraft }) => {
      const [used, reserved] = this.#stand(key, this.#endFor(key, window))
      return !(used + reserved + amount <= limit || (overdraft && reserved === 0 && used < limit))
    })
    const ends = items.map(({ key, window }) => this.#endFor(key, window))
    if (refusing < 0) {
      for (const [i, { key, window }] of items.entries()) this.#ends.set(key, { end: ends[i]!, window })
      this.#leases.set(id, { items, ends, expiresAt: this.#now + ttl })
    }
    const values = items.map(({ key }, i) => this.#value(key, ends[i]!))
    return refusing < 0
      ? { granted: true, values }
      : { granted: false, item: refusing, value: values[refusing], values }
  }

  settle(id: string, actual: readonly number[] | undefined): void {
    const lease = this.#leases.get(id)
    this.#leases.delete(id)
    if (lease === undefined || actual === undefined) return
    for (const [i, { key, window }] of lease.items.entries()) {
      if (window.kind !== 'live') this.#uses.push({ key, end: lease.ends[i]!, amount: actual[i]! })
    }
  }

  renew(id: string, ttl: number): void {
    const lease = this.#leases.get(id)
    if (lease !== undefined && lease.expiresAt > this.#now) {
      this.#leases.set(id, { ...lease, expiresAt: this.#now + ttl })
    }
  }

  add(key: string, amount: number, window: Window): void {
    const end = this.#endFor(key, window)
    this.#ends.set(key, { end, window })
    const [used] = this.#stand(key, end)
    this.#uses.push({ key, end, amount: Math.max(-used, amount) })
  }

  assign(key: string, value: number, window: Window): void {
    const end = this.#endFor(key, window)
    this.#ends.set(key, { end, window })
    this.#uses.push({ key, end, amount: value - this.#stand(key, end)[0] })
  }

  read(key: string): unknown {
    const end = this.#ends.get(key)?.end
    if (end === undefined || (end > 0 && this.#now >= end)) return this.#value(key, undefined)
    return this.#value(key, end)
  }

  /** The end of the window in which a use now would count. */
  #endFor(key: string, window: Window): number {
    const current = this.#ends.get(key)?.end
    switch (window.kind) {
      case 'rate':
        return current !== undefined && this.#now < current ? current : this.#now + window.ms
      case 'until':
        return current !== undefined && (this.#now < current || window.at <= current) ? current : window.at
      default:
        return 0
    }
  }

  #value(key: string, end: number | undefined): unknown {
    const [used, reserved] = end === undefined ? [0, 0] : this.#stand(key, end)
    return { used, reserved, resetAt: end === 0 ? undefined : end }
  }

  #stand(key: string, end: number): readonly [used: number, reserved: number] {
    let used = 0
    let reserved = 0
    for (const use of this.#uses) if (use.key === key && use.end === end) used += use.amount
    for (const { items, ends, expiresAt } of this.#leases.values()) {
      if (expiresAt <= this.#now) continue
      for (const [i, item] of items.entries()) {
        if (item.key === key && ends[i] === end) reserved += item.amount
      }
    }
    return [used, reserved]
  }
}
