import type { LookupFunction } from 'node:net'
import type { GatewayError } from '../errors/gateway-error.ts'
import { parseAddress } from './address-policy.ts'
import type { DenialKind, Destination, EgressPolicy } from './egress-policy.ts'
import type { ResolvedAddress, Resolver } from './egress-resolver.ts'
import { buildConnector, type Connector } from './undici-pool.ts'

export interface EgressTls {
  /** PEM certificates that replace the built-in roots. */
  readonly ca?: string | readonly string[]
  /** False accepts any certificate (`ssl_verify: false`). Default true. */
  readonly rejectUnauthorized?: boolean
  /** PEM certificate and key with which this side proves itself. */
  readonly cert?: string
  readonly key?: string
}

export interface ConnectorOptions {
  readonly resolver: Resolver
  readonly policy: () => EgressPolicy
  readonly denied: (destination: Destination, kind: DenialKind) => void
  /** Milliseconds for name resolution, TCP and TLS together. */
  readonly connectTimeout: number
  readonly tls: EgressTls
}

/**
 * Opens the sockets of one origin. The name is resolved once, inside the socket's own `lookup`, and the socket connects
 * to the addresses that passed: a name that answers differently a moment later (DNS rebinding) gains nothing, and TLS
 * server name and Host header stay those of the URL.
 */
export function egressConnector(destination: Destination, options: ConnectorOptions): Connector {
  const { ca, ...tls } = options.tls
  const connect = buildConnector({
    allowH2: false,
    timeout: options.connectTimeout,
    // One address family that does not answer (broken IPv6) must not cost the whole connect timeout.
    autoSelectFamily: true,
    ...tls,
    ...(ca === undefined ? {} : { ca: [ca].flat() }),
    lookup: checkedLookup(destination, options),
  })
  const { address } = destination
  if (address === undefined) return connect

  // Node does not call `lookup` for a literal address.
  return (target, callback) => {
    const kind = options.policy().refuses(destination, address)
    if (kind === undefined) connect(target, callback)
    else {
      options.denied(destination, kind)
      const error = options.policy().denial(destination, kind)
      queueMicrotask(() => callback(error, null))
    }
  }
}

function checkedLookup(destination: Destination, options: ConnectorOptions): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    options.resolver(hostname).then(
      found => {
        const checked = allowedAddresses(destination, found, options)
        // `callback` runs socket code: a throw in there must not come back here as a rejected promise.
        process.nextTick(() => {
          if (!Array.isArray(checked)) callback(checked as GatewayError, '', 0)
          else if (lookupOptions.all) callback(null, checked)
          else callback(null, checked[0]?.address ?? '', checked[0]?.family)
        })
      },
      (error: NodeJS.ErrnoException) => process.nextTick(callback, error, '', 0),
    )
  }
}

function allowedAddresses(
  destination: Destination,
  found: readonly ResolvedAddress[],
  { policy, denied }: ConnectorOptions,
): ResolvedAddress[] | Error {
  const rules = policy()
  const allowed: ResolvedAddress[] = []
  let refused: DenialKind | undefined
  for (const candidate of found) {
    const address = parseAddress(candidate.address)
    const kind = address === undefined ? 'invalid' : rules.refuses(destination, address)
    if (kind === undefined) allowed.push(candidate)
    else refused ??= kind
  }
  if (allowed.length > 0) return allowed
  if (refused === undefined) {
    return Object.assign(new Error(`${destination.host} resolved to no address`), { code: 'ENOTFOUND' })
  }
  denied(destination, refused)
  return rules.denial(destination, refused)
}
