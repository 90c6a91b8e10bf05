/** Something that ends at a moment, as a member of a linked list. */
export interface Expiring {
  expiresAt: number
  list: ExpiryList | undefined
  previous: Expiring | undefined
  next: Expiring | undefined
}

interface ExpiryList {
  first: Expiring | undefined
  last: Expiring | undefined
}

/** Beyond so many different times to live, the rest share a list. */
const maxLists = 64

/**
 * What expires next, in constant time where a heap takes a logarithm and keeps what has long been removed: members of
 * one time to live expire in the order they came, so there is a list for each.
 */
export class Expiries<T extends Expiring> {
  readonly #lists = new Map<number, ExpiryList>()
  readonly #rest: ExpiryList = { first: undefined, last: undefined }
  /** Nothing expires before it. */
  #next = Number.POSITIVE_INFINITY

  add(member: T, now: number, ttl: number): void {
    const list = this.#listOf(ttl)
    const expiresAt = now + ttl
    member.expiresAt = expiresAt
    // The last one is earlier, unless the clock stepped back or the list is shared.
    let after = list.last
    while (after !== undefined && after.expiresAt > expiresAt) after = after.previous
    member.list = list
    member.previous = after
    if (after === undefined) {
      member.next = list.first
      list.first = member
    } else {
      member.next = after.next
      after.next = member
    }
    if (member.next === undefined) list.last = member
    else member.next.previous = member
    if (expiresAt < this.#next) this.#next = expiresAt
  }

  remove(member: T): void {
    const { list, previous, next } = member
    if (list === undefined) return
    if (previous === undefined) list.first = next
    else previous.next = next
    if (next === undefined) list.last = previous
    else next.previous = previous
    member.list = undefined
    member.previous = undefined
    member.next = undefined
  }

  /** Whether `take` may find something; a comparison, for the hot path. */
  isDue(now: number): boolean {
    return now >= this.#next
  }

  /** Removes and returns one that has expired. */
  take(now: number): T | undefined {
    let next = Number.POSITIVE_INFINITY
    for (const list of this.#lists.values()) {
      const { first } = list
      if (first === undefined) continue
      if (first.expiresAt <= now) return this.#taken(first)
      if (first.expiresAt < next) next = first.expiresAt
    }
    const { first } = this.#rest
    if (first !== undefined) {
      if (first.expiresAt <= now) return this.#taken(first)
      if (first.expiresAt < next) next = first.expiresAt
    }
    this.#next = next
    return undefined
  }

  /** Removes and returns the one that would expire first of those of one time to live. */
  takeFirst(ttl: number): T | undefined {
    const first = this.#listOf(ttl).first
    return first === undefined ? undefined : this.#taken(first)
  }

  #taken(member: Expiring): T {
    this.remove(member as T)
    return member as T
  }

  #listOf(ttl: number): ExpiryList {
    let list = this.#lists.get(ttl)
    if (list === undefined) {
      if (this.#lists.size >= maxLists) return this.#rest
      list = { first: undefined, last: undefined }
      this.#lists.set(ttl, list)
    }
    return list
  }
}
