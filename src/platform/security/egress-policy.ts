import { GatewayError } from '../errors/gateway-error.ts'
import {
  type Address,
  type AddressClass,
  type Cidr,
  classifyAddress,
  isSingleAddress,
  parseAddress,
  parseCidr,
  within,
} from './address-policy.ts'

export interface EgressRules {
  /** `host`, `host:port`, `*.example.com` (any depth below, not the apex), each with an optional `:port`. */
  readonly allowHosts: readonly string[]
  /** `10.0.0.0/8`, `fd00::/8`, or single addresses. */
  readonly allowCidrs: readonly string[]
}

interface HostRule {
  /** Canonical host, or the part after `*` (with its dot) of a wildcard. */
  readonly name: string
  readonly wildcard: boolean
  /** Empty: any port. */
  readonly port: string
}

/** A place to connect to, in the URL parser's canonical spelling. */
export interface Destination {
  /** Lower case, without IPv6 brackets and without a trailing dot. */
  readonly host: string
  readonly port: string
  /** Set when the host is a literal address. */
  readonly address: Address | undefined
}

/** Which destinations may be called. Immutable and pure: it resolves nothing and opens nothing. */
export class EgressPolicy {
  readonly #hosts: readonly HostRule[]
  readonly #cidrs: readonly Cidr[]
  readonly #key: string

  /** @throws GatewayError `config_invalid` that names the malformed entry. */
  constructor(rules: EgressRules = { allowHosts: [], allowCidrs: [] }) {
    this.#hosts = rules.allowHosts.map(parseHostRule)
    this.#cidrs = rules.allowCidrs.map(parseCidrRule)
    this.#key = JSON.stringify([
      this.#hosts.map(rule => `${rule.wildcard ? '*' : ''}${rule.name}:${rule.port}`).sort(),
      this.#cidrs.map(([address, bits]) => `${address.toString()}/${bits}`).sort(),
    ])
  }

  equals(other: EgressPolicy): boolean {
    return this.#key === other.#key
  }

  /** Undefined when allowed, else the class of address that is refused. */
  refuses(destination: Destination, address: Address): AddressClass | undefined {
    const kind = classifyAddress(address)
    if (kind === 'public') return undefined
    if (kind === 'metadata') {
      // A broad rule must not open the place where a machine keeps its credentials: only its exact address does.
      return this.#cidrs.some(cidr => isSingleAddress(cidr) && within(address, cidr)) ? undefined : kind
    }
    if (this.#allowsHost(destination)) return undefined
    return this.#cidrs.some(cidr => within(address, cidr)) ? undefined : kind
  }

  /** What can be said of a URL without asking DNS: scheme, credentials, literal addresses, `localhost`. */
  checkUrl(url: string): GatewayError | undefined {
    const parsed = parseUrl(url)
    if (parsed instanceof GatewayError) return parsed
    const destination = destinationOf(parsed)
    if (destination.address !== undefined) {
      const kind = this.refuses(destination, destination.address)
      return kind && deniedError(destination.host, kind)
    }
    if (isLocalhost(destination.host) && loopbacks.every(address => this.refuses(destination, address))) {
      return deniedError(destination.host, 'loopback')
    }
    return undefined
  }

  #allowsHost({ host, port }: Destination): boolean {
    for (const rule of this.#hosts) {
      if (rule.port !== '' && rule.port !== port) continue
      if (rule.wildcard ? host.length > rule.name.length && host.endsWith(rule.name) : host === rule.name) return true
    }
    return false
  }
}

const loopbacks = ['127.0.0.1', '::1'].flatMap(text => parseAddress(text) ?? [])

/** RFC 6761 §6.3: the name and everything below it mean this machine. */
const isLocalhost = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost')

/** Parses what may be called at all. Messages never repeat the URL: its user part or query may hold a credential. */
export function parseUrl(text: string): URL | GatewayError {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return new GatewayError('egress_denied', 'The address to call is not a valid absolute URL.')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return new GatewayError('egress_denied', `Only http: and https: addresses can be called, not ${url.protocol}`)
  }
  if (url.username !== '' || url.password !== '') {
    return new GatewayError(
      'egress_denied',
      `The address of ${url.hostname} carries a user name or password. Set the credential as api_key or a header.`,
    )
  }
  return url
}

export function destinationOf(url: URL): Destination {
  const bare = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const host = bare.endsWith('.') ? bare.slice(0, -1) : bare
  const port = url.port !== '' ? url.port : url.protocol === 'https:' ? '443' : '80'
  return { host, port, address: parseAddress(host) }
}

export function deniedError(host: string, kind: AddressClass): GatewayError {
  const what = `Connections to ${host} are not allowed: its address is ${describe(kind)}.`
  const how =
    kind === 'metadata'
      ? 'If that is intended, add the exact address to routeiq.egress.allow_cidrs (a /32 or /128); wider entries do not open it.'
      : 'If that is intended, add the host to routeiq.egress.allow_hosts or its network to routeiq.egress.allow_cidrs.'
  return new GatewayError('egress_denied', `${what} ${how}`)
}

function describe(kind: AddressClass): string {
  switch (kind) {
    case 'metadata':
      return 'a cloud metadata service (metadata)'
    case 'cgnat':
      return 'in carrier-grade NAT space (cgnat)'
    case 'nat64':
    case '6to4':
    case 'teredo':
    case 'isatap':
    case 'ipv4_compatible':
      return `an IPv6 form that embeds an IPv4 address (${kind})`
    default:
      return `not a public one (${kind})`
  }
}

function parseHostRule(entry: string): HostRule {
  const text = entry.trim().toLowerCase()
  const wildcard = text.startsWith('*.')
  const rest = wildcard ? text.slice(2) : text
  const bareV6 = rest.includes('::') || rest.split(':').length > 2
  const authority = bareV6 && !rest.startsWith('[') ? `[${rest}]` : rest
  // `ws:` would drop its default port, and so would `http:` (80): a port is read from the text, the host from the URL.
  const port = /:(\d{1,5})$/.exec(authority.slice(authority.lastIndexOf(']') + 1))?.[1] ?? ''
  const bad = /[/?#@\\*\s]/.test(authority) || authority === '' || !URL.canParse(`http://${authority}`)
  const host = bad ? '' : destinationOf(new URL(`http://${authority}`)).host
  if (host === '' || (wildcard && parseAddress(host) !== undefined)) {
    throw new GatewayError(
      'config_invalid',
      `routeiq.egress.allow_hosts: ${JSON.stringify(entry)} is not a host. Write "host", "host:port" or "*.example.com"; no scheme, no path.`,
    )
  }
  return { name: wildcard ? `.${host}` : host, wildcard, port: port === '' ? '' : String(Number(port)) }
}

function parseCidrRule(entry: string): Cidr {
  const cidr = parseCidr(entry)
  if (cidr !== undefined) return cidr
  throw new GatewayError(
    'config_invalid',
    `routeiq.egress.allow_cidrs: ${JSON.stringify(entry)} is not a network. Write "10.0.0.0/8", "fd00::/8" or a single address.`,
  )
}
