import ipaddr from 'ipaddr.js'

type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number]

/**
 * Address ranges of the proxies in front of the gateway. `X-Forwarded-For` is read from the right and only as far as
 * every hop is one of them, so that a caller cannot write itself an address.
 */
export class TrustedProxies {
  static readonly none = new TrustedProxies([])
  readonly #ranges: readonly Range[]

  /** @param cidrs `10.0.0.0/8`, `::1/128`, or single addresses. @throws Error for what is neither. */
  constructor(cidrs: readonly string[]) {
    this.#ranges = cidrs.map(parseRange)
  }

  clientAddress(socketAddress: string | undefined, forwarded: string | string[] | undefined): string {
    let address = normal(socketAddress ?? '')
    if (this.#ranges.length === 0 || forwarded === undefined) return address
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',').slice(-32)
    while (hops.length > 0 && this.includes(address)) {
      const hop = normal(hops.pop()?.trim() ?? '')
      if (!ipaddr.isValid(hop)) break
      address = hop
    }
    return address
  }

  includes(address: string): boolean {
    return inRanges(address, this.#ranges)
  }
}

/** Whether an address is in one of the ranges; IPv4-mapped IPv6 counts as IPv4. */
export function inRanges(address: string, ranges: readonly Range[]): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  return ranges.some(([base, bits]) => base.kind() === parsed.kind() && parsed.match(base, bits))
}

/** @throws Error for what is neither an address nor a CIDR range. */
export function parseRange(text: string): Range {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** Addresses seen before: parsing one costs every call a microsecond, and callers keep theirs. */
const known = new Map<string, string>()
const maxKnown = 1000

function normal(address: string): string {
  const before = known.get(address)
  if (before !== undefined) return before
  const text = ipaddr.isValid(address) ? ipaddr.process(address).toString() : address.slice(0, 64)
  // What is longer than an address was sent by somebody who wants it remembered.
  if (address.length > 64) return text
  if (known.size >= maxKnown) known.clear()
  known.set(address, text)
  return text
}
