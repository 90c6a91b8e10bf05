import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js'

/**
 * What an IP address is for. Only `public` may be reached without an allow-list entry.
 * Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates).
 */
export type AddressClass =
  | 'public'
  | 'private'
  | 'loopback'
  | 'link_local'
  | 'metadata'
  | 'cgnat'
  | 'multicast'
  | 'broadcast'
  | 'unspecified'
  | 'documentation'
  | 'benchmarking'
  | 'nat64'
  | '6to4'
  | 'teredo'
  | 'isatap'
  | 'ipv4_compatible'
  | 'reserved'
  | 'invalid'

export type Address = IPv4 | IPv6
export type Cidr = readonly [Address, number]

type Range = readonly [range: Cidr, kind: AddressClass]

const ranges = (rows: readonly (readonly [string, AddressClass])[]): readonly Range[] =>
  rows.map(([cidr, kind]) => [ipaddr.parseCIDR(cidr), kind])

/** First match wins, so the single addresses stand before the blocks that hold them. */
const v4Ranges = ranges([
  // Addresses that hand out credentials or configuration to whoever can reach them.
  ['169.254.169.254/32', 'metadata'], // AWS, Azure, Google Cloud, Oracle, DigitalOcean, OpenStack
  ['169.254.170.2/32', 'metadata'], // AWS ECS task credentials
  ['169.254.170.23/32', 'metadata'], // AWS EKS Pod Identity
  ['169.254.0.23/32', 'metadata'], // Tencent Cloud
  ['169.254.42.42/32', 'metadata'], // Scaleway
  ['169.254.169.250/32', 'metadata'], // Rancher
  ['100.100.100.200/32', 'metadata'], // Alibaba Cloud; inside CGNAT space
  ['100.96.0.96/32', 'metadata'], // Volcengine; inside CGNAT space
  ['168.63.129.16/32', 'metadata'], // Azure WireServer; inside public space
  ['192.0.0.192/32', 'metadata'], // Oracle Cloud (classic)
  ['0.0.0.0/8', 'unspecified'], // Linux connects 0.0.0.0 to itself
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'cgnat'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link_local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'reserved'], // AS112
  ['192.52.193.0/24', 'reserved'], // AMT
  ['192.88.99.0/24', '6to4'], // relay anycast, RFC 7526
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'reserved'], // AS112
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['240.0.0.0/4', 'reserved'],
])

const v6Ranges = ranges([
  ['fd00:ec2::254/128', 'metadata'], // AWS
  ['fd00:ec2::23/128', 'metadata'], // AWS EKS Pod Identity
  ['fd20:ce::254/128', 'metadata'], // Google Cloud
  ['fd00:c1::a9fe:a9fe/128', 'metadata'], // Oracle Cloud
  ['fd00:a9fe:a9fe::1/128', 'metadata'], // Akamai (Linode)
  ['fd00:42::42/128', 'metadata'], // Scaleway
  ['fe80::a9fe:a9fe/128', 'metadata'], // OpenStack
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['::/96', 'ipv4_compatible'],
  ['::ffff:0:0:0/96', 'nat64'], // IPv4-translated, RFC 2765
  ['64:ff9b::/96', 'nat64'],
  ['64:ff9b:1::/48', 'nat64'],
  ['2001::/32', 'teredo'],
  ['2001:2::/48', 'benchmarking'],
  ['2001:db8::/32', 'documentation'],
  ['2001::/23', 'reserved'],
  ['2002::/16', '6to4'],
  ['2620:4f:8000::/48', 'reserved'], // AS112
  ['3fff::/20', 'documentation'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link_local'],
  ['fec0::/10', 'private'], // site-local, deprecated by RFC 3879 and still configured in places
  ['ff00::/8', 'multicast'],
])

/** RFC 4291 §2.4: the only block from which global unicast addresses are assigned. */
const globalUnicast = ipaddr.parseCIDR('2000::/3')

/**
 * Parses an address as a resolver or a canonical URL host spells it; an IPv4-mapped address (`::ffff:10.0.0.1`) comes
 * back as the IPv4 address the kernel would connect to. Shorthand IPv4 (`127.1`, `0x7f000001`) is refused: the URL
 * parser has already made it four decimal parts, and anything else that still carries it is not to be trusted.
 */
export function parseAddress(text: string): Address | undefined {
  const zone = text.indexOf('%')
  const bare = zone === -1 ? text : text.slice(0, zone)
  if (ipaddr.IPv4.isValidFourPartDecimal(bare)) return ipaddr.IPv4.parse(bare)
  if (!bare.includes(':')) return undefined
  // ipaddr.js reads the IPv4-compatible `::8.8.8.8`, which getaddrinfo prints, as the mapped `::ffff:8.8.8.8`: another
  // place. The URL parser follows RFC 4291 and leaves hexadecimal groups only.
  const groups = bare.includes('.') ? hexadecimalGroups(bare) : bare
  if (groups === undefined || !ipaddr.IPv6.isValid(groups)) return undefined
  const address = ipaddr.IPv6.parse(groups)
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

function hexadecimalGroups(address: string): string | undefined {
  const url = `http://[${address}]`
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined
}

export function classifyAddress(address: Address | string): AddressClass {
  const parsed = typeof address === 'string' ? parseAddress(address) : address
  if (parsed === undefined) return 'invalid'
  return parsed.kind() === 'ipv4' ? classifyV4(parsed as IPv4) : classifyV6(parsed as IPv6)
}

function classifyV4(address: IPv4): AddressClass {
  for (const [range, kind] of v4Ranges) if (within(address, range)) return kind
  return 'public'
}

function classifyV6(address: IPv6): AddressClass {
  const kind = rangeOfV6(address)
  // A translation mechanism may deliver to the IPv4 address inside: one that leads to metadata is metadata, so that
  // no allow-listed prefix opens it. The others are denied whatever they hold.
  const inner = embeddedV4(address, kind)
  return inner !== undefined && classifyV4(inner) === 'metadata' ? 'metadata' : kind
}

function rangeOfV6(address: IPv6): AddressClass {
  for (const [range, kind] of v6Ranges) if (within(address, range)) return kind
  if (!within(address, globalUnicast)) return 'reserved'
  // RFC 5214: the interface identifier names an IPv4 tunnel endpoint behind any prefix.
  const part4 = address.parts[4]
  if ((part4 === 0 || part4 === 0x200) && address.parts[5] === 0x5efe) return 'isatap'
  return 'public'
}

function embeddedV4(address: IPv6, kind: AddressClass): IPv4 | undefined {
  const parts = address.parts
  const at = (index: number, mask = 0): IPv4 => {
    const high = (parts[index] ?? 0) ^ mask
    const low = (parts[index + 1] ?? 0) ^ mask
    return new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff])
  }
  switch (kind) {
    case '6to4':
      return at(1)
    case 'teredo':
      return at(6, 0xffff) // RFC 4380 §4: the client address is stored inverted
    case 'nat64':
    case 'isatap':
    case 'ipv4_compatible':
      return at(6)
    default:
      return undefined
  }
}

export function within(address: Address, [network, bits]: Cidr): boolean {
  return address.kind() === network.kind() && address.match(network, bits)
}

/** `10.0.0.0/8`, `fd00::/8`, or a single address. Mapped IPv4 prefixes become IPv4 ones. Undefined when malformed. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length, ...rest] = text.trim().split('/')
  if (rest.length > 0 || address.includes('%')) return undefined
  const parsed = parseAddress(address)
  if (parsed === undefined || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined
  const size = parsed.kind() === 'ipv4' ? 32 : 128
  // An IPv4-mapped prefix counts its 96 fixed bits too.
  const shift = size === 32 && address.includes(':') ? 96 : 0
  const bits = length === undefined ? size : Number(length) - shift
  return bits >= 0 && bits <= size ? [parsed, bits] : undefined
}

export function isSingleAddress([address, bits]: Cidr): boolean {
  return bits === (address.kind() === 'ipv4' ? 32 : 128)
}
