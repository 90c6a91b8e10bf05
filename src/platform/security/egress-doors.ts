import { createHash } from 'node:crypto'
import { GatewayError } from '../errors/gateway-error.ts'
import { Egress, type EgressOptions } from './egress.ts'
import type { EgressTls } from './egress-connector.ts'
import type { DenialLog } from './egress-denials.ts'
import { type ExchangeAnswer, exchange } from './egress-exchange.ts'
import { type EgressConfiguration, type EgressPolicies, egressConfiguration } from './egress-policies.ts'
import { EgressDenied, parseUrl } from './egress-policy.ts'
import { type EgressPurpose, egressPurposes } from './egress-purpose.ts'
import { type Resolver, systemResolver } from './egress-resolver.ts'
import type { Outbound, OutboundInit, OutboundResponse } from './outbound.ts'

export interface EgressDoorsOptions {
  readonly denials?: Pick<DenialLog, 'add'>
  /** Requests in flight per purpose. Default 256. */
  readonly maxInFlight?: number
}

const defaultTimeout = 10_000
const defaultMaxBytes = 1024 * 1024
/** Own certificates need own sockets; a config has few. */
const maxTlsVariants = 32

interface Hop {
  readonly url: URL
  readonly method: NonNullable<OutboundInit['method']>
  readonly headers: Record<string, string>
  readonly body: string | Uint8Array | undefined
}

/** The outbound door, one `Egress` per purpose with that purpose's rules. */
export class EgressDoors implements Outbound {
  readonly #options: EgressDoorsOptions
  readonly #egress: Record<EgressPurpose, Egress>
  /** Purpose and certificates → sockets made with them. */
  readonly #withTls = new Map<string, { readonly purpose: EgressPurpose; readonly egress: Egress }>()
  readonly #inFlight = new Map<EgressPurpose, number>()
  #policies: EgressPolicies
  #resolver: Resolver
  #closed = false

  constructor({ policies, resolver }: EgressConfiguration = egressConfiguration(), options: EgressDoorsOptions = {}) {
    this.#options = options
    this.#policies = policies
    this.#resolver = resolver ?? systemResolver
    this.#egress = Object.fromEntries(egressPurposes.map(purpose => [purpose, this.#open(purpose)])) as Record<
      EgressPurpose,
      Egress
    >
  }

  /** The sockets of one purpose, for what needs more than a request and its whole answer: streams, callers' calls. */
  for(purpose: EgressPurpose): Egress {
    return this.#egress[purpose]
  }

  /** Takes new rules into use: calls in flight finish, new ones are judged by these. */
  configure({ policies, resolver }: EgressConfiguration): void {
    this.#policies = policies
    this.#resolver = resolver ?? systemResolver
    for (const purpose of egressPurposes) this.#egress[purpose].updatePolicy(policies[purpose])
    for (const { purpose, egress } of this.#withTls.values()) egress.updatePolicy(policies[purpose])
  }

  check(purpose: EgressPurpose, url: string): GatewayError | undefined {
    return this.#policies[purpose].checkUrl(url)
  }

  async request(purpose: EgressPurpose, url: string, init: OutboundInit = {}): Promise<OutboundResponse> {
    const inFlight = this.#inFlight.get(purpose) ?? 0
    if (inFlight >= (this.#options.maxInFlight ?? 256)) {
      throw new GatewayError('overloaded', `Too many ${purpose} requests are in flight. Try again shortly.`, {
        retryAfter: 1,
      })
    }
    this.#inFlight.set(purpose, inFlight + 1)
    const stop = new AbortController()
    const { timeout = defaultTimeout, signal } = init
    const aborted = (): void => stop.abort(new GatewayError('client_disconnected', 'The request was called off.'))
    let host = 'the server'
    const late = (): void =>
      stop.abort(new GatewayError('upstream_timeout', `${host}: no complete answer within ${timeout / 1000} s.`))
    const timer = setTimeout(late, timeout)
    signal?.addEventListener('abort', aborted)
    if (signal?.aborted) aborted()
    try {
      return await this.#follow(purpose, url, init, stop.signal, name => {
        host = name
      })
    } catch (error) {
      if (error instanceof EgressDenied) this.#noteUnopened(purpose, error)
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      this.#inFlight.set(purpose, (this.#inFlight.get(purpose) ?? 1) - 1)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#all().map(egress => egress.close()))
  }

  async destroy(error: Error | null = null): Promise<void> {
    this.#closed = true
    await Promise.all(this.#all().map(egress => egress.destroy(error)))
  }

  async #follow(
    purpose: EgressPurpose,
    address: string,
    init: OutboundInit,
    signal: AbortSignal,
    onHost: (host: string) => void,
  ): Promise<OutboundResponse> {
    const { redirects = 0, maxBytes = defaultMaxBytes } = init
    const egress = init.tls === undefined ? this.#egress[purpose] : this.#tlsEgress(purpose, init.tls)
    let hop: Hop = {
      url: checkedUrl(address),
      method: init.method ?? 'GET',
      headers: ownHeaders(init.headers ?? {}),
      body: init.body,
    }
    for (let followed = 0; ; followed++) {
      const { url, method, headers, body } = hop
      onHost(url.hostname)
      const answer = await exchange(egress.dispatcher(url.origin), {
        host: url.hostname,
        method,
        path: url.pathname + url.search,
        headers,
        body,
        maxBytes,
        signal,
      })
      const location = answer.headers.location
      if (redirects === 0 || !redirectStatuses.has(answer.status) || location === undefined) {
        return new Response(url, answer)
      }
      if (followed >= redirects) {
        throw new GatewayError('upstream_bad_response', `${url.hostname}: redirected more than ${redirects} times.`)
      }
      hop = nextHop(hop, answer.status, location)
    }
  }

  #tlsEgress(purpose: EgressPurpose, tls: EgressTls): Egress {
    const key = createHash('sha256')
      .update(JSON.stringify([purpose, tls]))
      .digest('hex')
    const known = this.#withTls.get(key)
    if (known !== undefined) return known.egress
    if (this.#withTls.size >= maxTlsVariants) {
      for (const [oldest, { egress }] of this.#withTls) {
        this.#withTls.delete(oldest)
        void egress.close()
        break
      }
    }
    const egress = this.#open(purpose, tls)
    this.#withTls.set(key, { purpose, egress })
    return egress
  }

  #open(purpose: EgressPurpose, tls?: EgressTls): Egress {
    if (this.#closed) throw new GatewayError('shutting_down', 'The gateway is shutting down.')
    const { denials } = this.#options
    const options: EgressOptions = {
      resolver: host => this.#resolver(host),
      ...(tls === undefined ? {} : { tls }),
      onDenied: ({ host, port, kind }) => denials?.add({ purpose, host, port, kind }),
    }
    return new Egress(this.#policies[purpose], options)
  }

  /** What never came to a destination to judge; the others were noted where they were judged. */
  #noteUnopened(purpose: EgressPurpose, { kind, host, port }: EgressDenied): void {
    if (unopened.has(kind)) this.#options.denials?.add({ purpose, host, port, kind })
  }

  #all(): Egress[] {
    return [...Object.values(this.#egress), ...[...this.#withTls.values()].map(({ egress }) => egress)]
  }
}

const unopened: ReadonlySet<EgressDenied['kind']> = new Set(['invalid_url', 'scheme', 'credentials', 'redirect'])
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

function checkedUrl(text: string): URL {
  const url = parseUrl(text)
  if (url instanceof EgressDenied) throw url
  return url
}

/** Set from the URL and the body, or about this connection: not for the one who asks. */
const connectionHeaders: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
])

/** Say nothing of who is asking. All others may be a credential: they stay with the origin they were meant for. */
const openHeaders: ReadonlySet<string> = new Set(['accept', 'accept-language', 'user-agent'])

function ownHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': 'routeiq', accept: '*/*' }
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (!connectionHeaders.has(lower)) headers[lower] = value
  }
  return headers
}

/** As fetch does it (https://fetch.spec.whatwg.org/#http-redirect-fetch), and stricter where it could leak something. */
function nextHop(hop: Hop, status: number, location: string): Hop {
  const from = hop.url
  const target = URL.canParse(location, from.href) ? new URL(location, from.href).href : location
  const url = checkedUrl(target)
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    const message = `${from.hostname} redirects from https to http, which is not followed.`
    throw new EgressDenied('redirect', message, url.hostname, url.port)
  }
  const toGet = status === 303 ? hop.method !== 'HEAD' : status < 303 && hop.method === 'POST'
  const method = toGet ? 'GET' : hop.method
  const body = toGet ? undefined : hop.body
  const sameOrigin = url.origin === from.origin
  if (!sameOrigin && body !== undefined) {
    const message = `${from.hostname} redirects a request with a body to ${url.hostname}, which is not followed.`
    throw new EgressDenied('redirect', message, url.hostname, url.port)
  }
  const keep = (name: string): boolean =>
    (sameOrigin || openHeaders.has(name)) && (body !== undefined || !name.startsWith('content-'))
  const headers = Object.fromEntries(Object.entries(hop.headers).filter(([name]) => keep(name)))
  return { url, method, headers, body }
}

class Response implements OutboundResponse {
  readonly status: number
  readonly headers: ExchangeAnswer['headers']
  readonly url: string
  readonly body: Buffer
  readonly #host: string

  constructor(url: URL, { status, headers, body }: ExchangeAnswer) {
    this.status = status
    this.headers = headers
    this.url = url.href
    this.body = body
    this.#host = url.hostname
  }

  text(): string {
    return this.body.toString('utf8')
  }

  json(): unknown {
    try {
      return JSON.parse(this.text())
    } catch {
      throw new GatewayError('upstream_bad_response', `${this.#host}: the answer is not JSON.`)
    }
  }
}
