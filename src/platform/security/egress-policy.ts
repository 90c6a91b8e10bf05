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
  /** Ports that may be called; those named in `allowHosts` are open to their host besides. Default: any but blocked ones. */
  readonly ports?: readonly number[] | undefined
  /** True: public addresses are refused as well, unless an entry above names their host or address. */
  readonly onlyListed?: boolean | undefined
}

/** Why a destination was refused: the class of its address, or what else is wrong with it. */
export type DenialKind =
  | Exclude<AddressClass, 'public'>
  | 'not_listed'
  | 'port'
  | 'scheme'
  | 'credentials'
  | 'invalid_url'
  | 'redirect'

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
  /** The config section its entries stand in, for messages. */
  readonly section: string
  readonly #hosts: readonly HostRule[]
  readonly #cidrs: readonly Cidr[]
  readonly #ports: ReadonlySet<string> | undefined
  readonly #onlyListed: boolean
  readonly #key: string

  /** @throws GatewayError `config_invalid` that names the malformed entry. */
  constructor(rules: EgressRules = { allowHosts: [], allowCidrs: [] }, section = 'routeiq.egress') {
    this.section = section
    this.#hosts = rules.allowHosts.map(entry => parseHostRule(entry, section))
    this.#cidrs = rules.allowCidrs.map(entry => parseCidrRule(entry, section))
    this.#ports = rules.ports === undefined ? undefined : new Set(rules.ports.map(String))
    this.#onlyListed = rules.onlyListed ?? false
    this.#key = JSON.stringify([
      this.#onlyListed,
      this.#hosts.map(rule => `${rule.wildcard ? '*' : ''}${rule.name}:${rule.port}`).sort(),
      this.#cidrs.map(([address, bits]) => `${address.toString()}/${bits}`).sort(),
      this.#ports === undefined ? null : [...this.#ports].sort(),
    ])
  }

  equals(other: EgressPolicy): boolean {
    return this.#key === other.#key
  }

  /** Undefined when allowed, else the class of address that is refused. */
  refuses(destination: Destination, address: Address): DenialKind | undefined {
    const kind = classifyAddress(address)
    if (kind === 'public' && !this.#onlyListed) return undefined
    if (kind === 'metadata') {
      // A broad rule must not open the place where a machine keeps its credentials: only its exact address does.
      return this.#cidrs.some(cidr => isSingleAddress(cidr) && within(address, cidr)) ? undefined : kind
    }
    if (this.#allowsHost(destination) || this.#cidrs.some(cidr => within(address, cidr))) return undefined
    return kind === 'public' ? 'not_listed' : kind
  }

  /** What is wrong with a destination whatever its name resolves to. Undefined: nothing. */
  refusesUnresolved(destination: Destination): DenialKind | undefined {
    if (this.#refusesPort(destination)) return 'port'
    if (destination.address !== undefined) return this.refuses(destination, destination.address)
    // Without networks on the list, no answer of DNS can make up for a name that is not on it.
    return this.#onlyListed && this.#cidrs.length === 0 && !this.#allowsHost(destination) ? 'not_listed' : undefined
  }

  /** What can be said of a URL without asking DNS: scheme, credentials, port, literal addresses, `localhost`. */
  checkUrl(url: string): GatewayError | undefined {
    const parsed = parseUrl(url)
    if (parsed instanceof EgressDenied) return parsed
    const destination = destinationOf(parsed)
    const kind = this.refusesUnresolved(destination)
    if (kind !== undefined) return this.denial(destination, kind)
    if (isLocalhost(destination.host) && loopbacks.every(address => this.refuses(destination, address))) {
      return this.denial(destination, 'loopback')
    }
    return undefined
  }

  denial({ host, port }: Destination, kind: DenialKind): EgressDenied {
    return new EgressDenied(kind, deniedMessage(host, port, kind, this.section), host, port)
  }

  #refusesPort(destination: Destination): boolean {
    const { port } = destination
    if (this.#ports?.has(port) ?? !blockedPorts.has(Number(port))) return false
    return !this.#hosts.some(rule => rule.port === port && matches(rule, destination.host))
  }

  #allowsHost({ host, port }: Destination): boolean {
    return this.#hosts.some(rule => (rule.port === '' || rule.port === port) && matches(rule, host))
  }
}

/** By whole labels: `example.com` is neither `notexample.com` nor `example.com.evil.net`. */
const matches = (rule: HostRule, host: string): boolean =>
  rule.wildcard ? host.length > rule.name.length && host.endsWith(rule.name) : host === rule.name

/** A refusal, with what the denial log says of it. */
export class EgressDenied extends GatewayError {
  readonly kind: DenialKind
  readonly host: string
  readonly port: string

  constructor(kind: DenialKind, message: string, host = '', port = '') {
    super('egress_denied', message)
    this.kind = kind
    this.host = host
    this.port = port
  }
}

/**
 * Ports of services that can be made to act on lines inside an HTTP request (mail, chat, databases): fetch's list of bad
 * ports (https://fetch.spec.whatwg.org/#port-blocking) without echo and discard, with Redis and memcached. Open only
 * where an entry names them.
 */
const blockedPorts: ReadonlySet<number> = new Set([
  0, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113,
  115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548,
  554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379,
  6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
])

const loopbacks = ['127.0.0.1', '::1'].flatMap(text => parseAddress(text) ?? [])

/** RFC 6761 §6.3: the name and everything below it mean this machine. */
const isLocalhost = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost')

/** Parses what may be called at all. Messages never repeat the URL: its user part or query may hold a credential. */
export function parseUrl(text: string): URL | EgressDenied {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return new EgressDenied('invalid_url', 'The address to call is not a valid absolute URL.')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    const message = `Only http: and https: addresses can be called, not ${url.protocol.slice(0, 40)}`
    return new EgressDenied('scheme', message, url.hostname)
  }
  if (url.username !== '' || url.password !== '') {
    return new EgressDenied(
      'credentials',
      `The address of ${url.hostname} carries a user name or password. Set the credential as api_key or a header.`,
      url.hostname,
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

function deniedMessage(host: string, port: string, kind: DenialKind, section: string): string {
  if (kind === 'port') {
    return `Connections to port ${port} of ${host} are not allowed. If that is intended, add ${JSON.stringify(`${host}:${port}`)} to ${section}.allow_hosts.`
  }
  if (kind === 'not_listed') {
    return `Connections to ${host} are not allowed: only listed hosts may be called (${section}.only_listed). If that is intended, add it to ${section}.allow_hosts.`
  }
  const what = `Connections to ${host} are not allowed: its address is ${describe(kind)}.`
  const how =
    kind === 'metadata'
      ? `If that is intended, add the exact address to ${section}.allow_cidrs (a /32 or /128); wider entries do not open it.`
      : `If that is intended, add the host to ${section}.allow_hosts or its network to ${section}.allow_cidrs.`
  return `${what} ${how}`
}

function describe(kind: DenialKind): string {
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

function parseHostRule(entry: string, section: string): HostRule {
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
      `${section}.allow_hosts: ${JSON.stringify(entry)} is not a host. Write "host", "host:port" or "*.example.com"; no scheme, no path.`,
    )
  }
  return { name: wildcard ? `.${host}` : host, wildcard, port: port === '' ? '' : String(Number(port)) }
}

function parseCidrRule(entry: string, section: string): Cidr {
  const cidr = parseCidr(entry)
  if (cidr !== undefined) return cidr
  throw new GatewayError(
    'config_invalid',
    `${section}.allow_cidrs: ${JSON.stringify(entry)} is not a network. Write "10.0.0.0/8", "fd00::/8" or a single address.`,
  )
}
