import { GatewayError } from '../errors/gateway-error.ts'
import { type EgressTls, egressConnector } from './egress-connector.ts'
import {
  type DenialKind,
  type Destination,
  destinationOf,
  EgressDenied,
  EgressPolicy,
  parseUrl,
} from './egress-policy.ts'
import { cachedResolver, type Resolver, systemResolver } from './egress-resolver.ts'
import { type Dispatcher, Pool } from './undici-pool.ts'

/** The rest of the gateway names undici's types through the door, so that nothing else imports a socket library. */
export type { DispatchController, Dispatcher, DispatchHandler, DispatchOptions } from './undici-pool.ts'

export interface EgressDenial {
  readonly host: string
  readonly port: string
  readonly kind: DenialKind
}

export interface EgressOptions {
  /** Sockets per origin; calls beyond wait in line. Default 256. */
  readonly connections?: number
  /** Milliseconds an unused socket stays open; a server's own keep-alive hint wins. Default 30,000. */
  readonly keepAliveTimeout?: number
  /** Milliseconds for name resolution, TCP and TLS together. Default 10,000. */
  readonly connectTimeout?: number
  /** Origins kept at once. Default 512. */
  readonly maxOrigins?: number
  /** Milliseconds a DNS answer is reused. Default 5,000. */
  readonly dnsTtl?: number
  readonly tls?: EgressTls
  readonly resolver?: Resolver
  readonly onDenied?: (denial: EgressDenial) => void
}

interface Entry {
  readonly pool: Pool
  /** Value of the use counter at the last call. */
  used: number
}

/**
 * The one outbound door: every connection to a configured or user-given address is opened here.
 *
 * Redirects are not followed: a 3xx comes back to the caller of `dispatch` as it is, because the place it points to has
 * not been checked. HTTP proxies from the environment are not used. There are no response timeouts here; the pipeline
 * runs its own per call. HTTP/1.1 only: one call per socket, so that aborting a call and back-pressure act on it alone.
 */
export class Egress {
  readonly #options: EgressOptions
  readonly #resolver: Resolver
  readonly #maxOrigins: number
  readonly #entries = new Map<string, Entry>()
  /** Replaced or evicted pools that still finish their calls. */
  readonly #retiring = new Map<Pool, Promise<void>>()
  #policy: EgressPolicy
  #uses = 0
  #denials = 0
  #closed = false

  constructor(policy: EgressPolicy = new EgressPolicy(), options: EgressOptions = {}) {
    this.#policy = policy
    this.#options = options
    this.#maxOrigins = options.maxOrigins ?? 512
    this.#resolver = cachedResolver(options.resolver ?? systemResolver, { ttl: options.dnsTtl ?? 5000 })
  }

  get policy(): EgressPolicy {
    return this.#policy
  }

  /** Connections refused so far. */
  get denials(): number {
    return this.#denials
  }

  /** Origins with a pool now. */
  get origins(): number {
    return this.#entries.size
  }

  /**
   * The dispatcher for `scheme://host[:port]`. Ask for every call and dispatch at once: a kept one may have been retired
   * by a policy change or to make room. A known origin costs one map lookup.
   * @throws GatewayError `egress_denied`, `overloaded` (every pool is busy), `shutting_down`.
   */
  dispatcher(origin: string): Dispatcher {
    const entry = this.#entries.get(origin) ?? this.#open(origin)
    entry.used = ++this.#uses
    return entry.pool
  }

  /** Early verdict on a URL without DNS, for config validation. Undefined: allowed so far. */
  checkUrl(url: string): GatewayError | undefined {
    return this.#policy.checkUrl(url)
  }

  /** Calls in flight finish; their sockets, opened under the old rules, are not used again. No-op for equal rules. */
  updatePolicy(policy: EgressPolicy): void {
    const changed = !policy.equals(this.#policy)
    this.#policy = policy
    if (!changed) return
    for (const entry of this.#entries.values()) this.#retire(entry.pool)
    this.#entries.clear()
  }

  /** Takes no new calls and resolves when those in flight have ended. */
  async close(): Promise<void> {
    this.#closed = true
    for (const entry of this.#entries.values()) this.#retire(entry.pool)
    this.#entries.clear()
    await Promise.all(this.#retiring.values())
  }

  /** Ends everything now; calls in flight fail with `error`. */
  async destroy(error: Error | null = null): Promise<void> {
    this.#closed = true
    const pools = [...this.#retiring.keys(), ...[...this.#entries.values()].map(entry => entry.pool)]
    this.#entries.clear()
    this.#retiring.clear()
    await Promise.all(pools.map(pool => pool.destroy(error)))
  }

  #open(origin: string): Entry {
    if (this.#closed) throw new GatewayError('shutting_down', 'The gateway is shutting down.')
    const url = parseUrl(origin)
    if (url instanceof EgressDenied) throw url
    // Another spelling of an origin that is open already.
    const open = this.#entries.get(url.origin)
    if (open !== undefined) return open

    const destination = destinationOf(url)
    const kind = this.#policy.refusesUnresolved(destination)
    if (kind !== undefined) {
      this.#deny(destination, kind)
      throw this.#policy.denial(destination, kind)
    }
    if (this.#entries.size >= this.#maxOrigins) this.#evict()

    const pool = new Pool(url.origin, {
      connections: this.#options.connections ?? 256,
      pipelining: 1,
      keepAliveTimeout: this.#options.keepAliveTimeout ?? 30_000,
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      connect: egressConnector(destination, {
        resolver: this.#resolver,
        policy: () => this.#policy,
        denied: (refused, why) => this.#deny(refused, why),
        connectTimeout: this.#options.connectTimeout ?? 10_000,
        tls: this.#options.tls ?? {},
      }),
    })
    const entry = { pool, used: 0 }
    this.#entries.set(url.origin, entry)
    return entry
  }

  /** Makes room by dropping the least recently used origin that has no call in flight. */
  #evict(): void {
    const idle = [...this.#entries]
      .sort(([, a], [, b]) => a.used - b.used)
      .find(([, { pool }]) => pool.stats.size === 0)
    if (idle === undefined) {
      throw new GatewayError(
        'overloaded',
        `Calls to ${this.#maxOrigins} different upstream origins are in flight, which is the limit. Try again shortly.`,
        { retryAfter: 1 },
      )
    }
    const [origin, { pool }] = idle
    this.#entries.delete(origin)
    this.#retire(pool)
  }

  #retire(pool: Pool): void {
    const forget = (): void => void this.#retiring.delete(pool)
    this.#retiring.set(pool, pool.close().then(forget, forget))
  }

  #deny({ host, port }: Destination, kind: DenialKind): void {
    this.#denials++
    this.#options.onDenied?.({ host, port, kind })
  }
}
