import { lookup } from 'node:dns'

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
