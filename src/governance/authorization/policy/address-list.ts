import { inRanges, parseRange } from '../trusted-proxies.ts'
import { PolicyInvalid } from './policy.ts'

/** Addresses and ranges from which calls may come. */
export class AddressList {
  readonly entries: readonly string[]
  readonly #ranges: readonly ReturnType<typeof parseRange>[]
  /** Callers keep their addresses, and parsing one costs a microsecond. */
  readonly #known = new Map<string, boolean>()

  /** @throws PolicyInvalid */
  constructor(entries: readonly string[], param: string) {
    this.entries = entries
    this.#ranges = entries.map((entry, index) => addressRange(entry, `${param}[${index}]`))
  }

  includes(address: string): boolean {
    const before = this.#known.get(address)
    if (before !== undefined) return before
    const included = inRanges(address, this.#ranges)
    if (this.#known.size >= maxKnown) this.#known.clear()
    this.#known.set(address, included)
    return included
  }
}

const maxKnown = 10_000

/**
 * An address or a CIDR range. Shorthand that libraries read (`10.1` as 10.0.0.1, `0x7f000001`) is refused: it is a slip
 * more often than it is meant.
 * @throws PolicyInvalid
 */
export function addressRange(entry: string, param: string): ReturnType<typeof parseRange> {
  const base = entry.split('/')[0] ?? ''
  if (base.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(base)) {
    try {
      return parseRange(entry)
    } catch {}
  }
  throw new PolicyInvalid(
    param,
    `must be an address or a CIDR range such as "10.0.0.0/8", not ${JSON.stringify(entry)}`,
  )
}
