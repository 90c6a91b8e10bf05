import type { GatewayError } from '../errors/gateway-error.ts'
import type { EgressTls } from './egress-connector.ts'
import type { EgressPurpose } from './egress-purpose.ts'

export type { EgressTls } from './egress-connector.ts'
export { type EgressPurpose, egressPurposes } from './egress-purpose.ts'

/**
 * HTTP for everything but the calls of callers: key sets, identity providers, vaults, object stores, webhooks. No other
 * module opens sockets; one that needs an answer from somewhere takes an `Outbound` and names what it is for.
 *
 * ```ts
 * const answer = await outbound.request('identity', 'https://issuer.example/.well-known/jwks.json', { redirects: 3 })
 * if (answer.status !== 200) throw …
 * const keys = answer.json()
 * ```
 *
 * - The destination is judged by the purpose's rules (`routeiq.egress.<purpose>`), after name resolution, and so is
 *   every redirect. The socket connects to the address that was judged.
 * - Everything is bounded: time, size of the answer, redirects, calls in flight per purpose.
 * - Any HTTP status is an answer. What is no answer rejects with a GatewayError: `egress_denied` (never worth a retry),
 *   `upstream_timeout`, `upstream_unreachable`, `upstream_bad_response`, `overloaded`, `shutting_down`,
 *   `client_disconnected` (`signal` was aborted). Messages name the host, never path, query, headers or body.
 * - Nothing is retried here, and nothing is cached.
 *
 * In production it is the `EgressDoors` of the process (`gateway.outbound`). Tests make their own:
 * `new EgressDoors(egressConfiguration({ identity: { allow_cidrs: ['127.0.0.0/8'] } }))`.
 */
export interface Outbound {
  request(purpose: EgressPurpose, url: string, init?: OutboundInit): Promise<OutboundResponse>
  /** What can be said of a URL without asking DNS, for checking a setting when it is made. Undefined: allowed so far. */
  check(purpose: EgressPurpose, url: string): GatewayError | undefined
}

export interface OutboundInit {
  /** Default GET. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Names in any case. `host` and `content-length` are set from the URL and the body. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Milliseconds for everything: name, connection, redirects, the whole answer. Default 10,000. */
  readonly timeout?: number
  /** Largest answer, bytes. Default 1 MiB. */
  readonly maxBytes?: number
  /**
   * Redirects followed at most. Default 0: a 3xx is the answer. Each hop is judged like the first address; from https to
   * http is refused; to another origin neither credentials nor a body are sent on.
   */
  readonly redirects?: number
  readonly signal?: AbortSignal
  /** Certificates for a server with a private CA, or of a client that proves itself by one. */
  readonly tls?: EgressTls
}

export interface OutboundResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Where the answer came from, after redirects. */
  readonly url: string
  readonly body: Buffer
  text(): string
  /** @throws GatewayError `upstream_bad_response` when the body is no JSON. */
  json(): unknown
}
