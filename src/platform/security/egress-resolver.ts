import { promises as dns, lookup } from 'node:dns'
import { GatewayError } from '../errors/gateway-error.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** All addresses of a host, in the order the system gives them. Rejects with the system's error (`ENOTFOUND`). */
export type Resolver = (host: string) => Promise<readonly ResolvedAddress[]>

/** `getaddrinfo`, so that /etc/hosts, search domains and container DNS behave as everywhere else on the machine. */
export const systemResolver: Resolver = host =>
  new Promise((resolve, reject) => {
    lookup(host, { all: true, order: 'verbatim' }, (error, found) => {
      if (error) reject(error)
      else resolve(found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })))
    })
  })

const loopback: readonly ResolvedAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/**
 * Asks these DNS servers alone: neither /etc/hosts nor the system's search domains take part.
 * @param servers `10.0.0.53`, `10.0.0.53:5353`, `[fd00::53]:53`; the next is asked when one does not answer.
 * @throws GatewayError `config_invalid`.
 */
export function dnsResolver(servers: readonly string[]): Resolver {
  const resolver = new dns.Resolver({ timeout: 2000, tries: 2 })
  try {
    resolver.setServers(servers)
  } catch {
    const message = 'routeiq.egress.dns_servers: write addresses, "10.0.0.53" or "10.0.0.53:5353"; no names.'
    throw new GatewayError('config_invalid', message)
  }
  return async name => {
    const host = name.endsWith('.') ? name.slice(0, -1) : name
    // RFC 6761 §6.3: no server is asked for these.
    if (host === 'localhost' || host.endsWith('.localhost')) return loopback
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const found: ResolvedAddress[] = []
    if (v4.status === 'fulfilled') found.push(...v4.value.map(address => ({ address, family: 4 as const })))
    if (v6.status === 'fulfilled') found.push(...v6.value.map(address => ({ address, family: 6 as const })))
    if (found.length === 0 && v4.status === 'rejected') throw v4.reason
    return found
  }
}

export interface ResolverCacheOptions {
  /** Milliseconds an answer is kept. Default 5000. */
  readonly ttl?: number
  /** Default 1024 hosts. */
  readonly maxHosts?: number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/**
 * Remembers answers for a few seconds and asks once for callers that ask together: opening 256 connections at once
 * would otherwise queue 256 `getaddrinfo` calls on libuv's four threads. Failures are not kept.
 * Only addresses are remembered; the policy is asked about them for every connection.
 */
export function cachedResolver(resolver: Resolver, options: ResolverCacheOptions = {}): Resolver {
  const { ttl = 5000, maxHosts = 1024, now = () => performance.now() } = options
  const answers = new Map<string, { readonly answer: Promise<readonly ResolvedAddress[]>; expires: number }>()

  return host => {
    const known = answers.get(host)
    if (known !== undefined && known.expires > now()) return known.answer
    answers.delete(host)
    if (answers.size >= maxHosts) {
      for (const oldest of answers.keys()) {
        answers.delete(oldest)
        break
      }
    }
    const entry = { answer: resolver(host), expires: Number.POSITIVE_INFINITY }
    answers.set(host, entry)
    entry.answer.then(
      () => {
        entry.expires = now() + ttl
      },
      () => {
        if (answers.get(host) === entry) answers.delete(host)
      },
    )
    return entry.answer
  }
}
