import { describe, expect, it } from 'vitest'
import { type AddressClass, classifyAddress } from './address-policy.ts'
import { EgressPolicy } from './egress-policy.ts'

const none = new EgressPolicy()
const policy = (allowHosts: string[], allowCidrs: string[] = []) => new EgressPolicy({ allowHosts, allowCidrs })

/** address, its class, a network that opens it (undefined: nothing but the exact address does) */
const addresses: [address: string, kind: AddressClass, network?: string][] = [
  ['0.0.0.0', 'unspecified', '0.0.0.0/8'],
  ['0.1.2.3', 'unspecified', '0.0.0.0/8'],
  ['10.0.0.1', 'private', '10.0.0.0/8'],
  ['10.255.255.255', 'private', '10.0.0.0/8'],
  ['100.64.0.1', 'cgnat', '100.64.0.0/10'],
  ['100.127.255.254', 'cgnat', '100.64.0.0/10'],
  ['100.100.100.200', 'metadata'],
  ['127.0.0.1', 'loopback', '127.0.0.0/8'],
  ['127.255.255.254', 'loopback', '127.0.0.0/8'],
  ['168.63.129.16', 'metadata'],
  ['169.254.0.1', 'link_local', '169.254.0.0/16'],
  ['169.254.0.23', 'metadata'],
  ['169.254.169.254', 'metadata'],
  ['169.254.170.2', 'metadata'],
  ['169.254.170.23', 'metadata'],
  ['172.16.0.1', 'private', '172.16.0.0/12'],
  ['172.31.255.255', 'private', '172.16.0.0/12'],
  ['192.0.0.1', 'reserved', '192.0.0.0/24'],
  ['192.0.0.192', 'metadata'],
  ['192.0.2.7', 'documentation', '192.0.2.0/24'],
  ['192.31.196.1', 'reserved', '192.31.196.0/24'],
  ['192.52.193.1', 'reserved', '192.52.193.0/24'],
  ['192.88.99.1', '6to4', '192.88.99.0/24'],
  ['192.168.1.1', 'private', '192.168.0.0/16'],
  ['192.175.48.1', 'reserved', '192.175.48.0/24'],
  ['198.18.0.1', 'benchmarking', '198.18.0.0/15'],
  ['198.19.255.255', 'benchmarking', '198.18.0.0/15'],
  ['198.51.100.1', 'documentation', '198.51.100.0/24'],
  ['203.0.113.1', 'documentation', '203.0.113.0/24'],
  ['224.0.0.1', 'multicast', '224.0.0.0/4'],
  ['239.255.255.250', 'multicast', '224.0.0.0/4'],
  ['240.0.0.1', 'reserved', '240.0.0.0/4'],
  ['255.255.255.255', 'broadcast', '255.255.255.255/32'],
  ['::', 'unspecified', '::/128'],
  ['::1', 'loopback', '::1/128'],
  ['0:0:0:0:0:0:0:1', 'loopback', '::1'],
  ['::127.0.0.1', 'ipv4_compatible', '::/96'],
  ['::8.8.8.8', 'ipv4_compatible', '::/96'],
  ['::169.254.169.254', 'metadata'],
  ['::ffff:127.0.0.1', 'loopback', '127.0.0.0/8'],
  ['::ffff:7f00:1', 'loopback', '127.0.0.0/8'],
  ['::ffff:10.1.2.3', 'private', '::ffff:10.0.0.0/104'],
  ['::ffff:192.168.0.1', 'private', '192.168.0.0/16'],
  ['::ffff:169.254.169.254', 'metadata'],
  ['::ffff:a9fe:a9fe', 'metadata'],
  ['::ffff:0:127.0.0.1', 'nat64', '::ffff:0:0:0/96'],
  ['64:ff9b::127.0.0.1', 'nat64', '64:ff9b::/96'],
  ['64:ff9b::8.8.8.8', 'nat64', '64:ff9b::/96'],
  ['64:ff9b::a9fe:a9fe', 'metadata'],
  ['64:ff9b:1::10.0.0.1', 'nat64', '64:ff9b:1::/48'],
  ['100::1', 'reserved', '100::/64'],
  ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'teredo', '2001::/32'],
  ['2001:0:0:0:0:0:5601:5601', 'metadata'],
  ['2001:2::1', 'benchmarking', '2001:2::/48'],
  ['2001:10::1', 'reserved', '2001:10::/28'],
  ['2001:20::1', 'reserved', '2001:20::/28'],
  ['2001:db8::1', 'documentation', '2001:db8::/32'],
  ['3fff::1', 'documentation', '3fff::/20'],
  ['2002:7f00:1::', '6to4', '2002::/16'],
  ['2002:a00:1::1', '6to4', '2002::/16'],
  ['2002:a9fe:a9fe::1', 'metadata'],
  ['2620:4f:8000::1', 'reserved', '2620:4f:8000::/48'],
  ['2600:1f00::5efe:a00:1', 'isatap', '2600:1f00::/64'],
  ['2600:1f00::200:5efe:a00:1', 'isatap', '2600:1f00::/64'],
  ['5f00::1', 'reserved', '5f00::/16'],
  ['4000::1', 'reserved', '4000::/3'],
  ['fc00::1', 'private', 'fc00::/7'],
  ['fd12:3456::1', 'private', 'fc00::/7'],
  ['fd00:ec2::254', 'metadata'],
  ['fd00:ec2::23', 'metadata'],
  ['fd20:ce::254', 'metadata'],
  ['fe80::1', 'link_local', 'fe80::/10'],
  ['fe80::a9fe:a9fe', 'metadata'],
  ['febf::1', 'link_local', 'fe80::/10'],
  ['fec0::1', 'private', 'fec0::/10'],
  ['ff02::1', 'multicast', 'ff00::/8'],
  ['ff0e::1', 'multicast', 'ff00::/8'],
]

/** Other spellings of refused places, as URLs. */
const spellings: readonly string[] = [
  'http://127.1/',
  'http://127.0.1/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.1/',
  'http://0177.0.0.1/',
  'http://017700000001/',
  'http://0x7f.0x0.0x0.0x1/',
  'http://127.0.0.1./',
  'http://①②⑦.0.0.1/',
  'http://127。0。0。1/',
  'http://127%2e0%2e0%2e1/',
  'http://0/',
  'http://0x0/',
  'http://00000000.0/',
  'http://3232235777/',
  'http://0xc0a80101/',
  'http://0300.0250.1.1/',
  'http://10.1/',
  'http://2852039166/',
  'http://0xa9fea9fe/',
  'http://0251.0376.0251.0376/',
  'http://169.254.43518/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://[0:0:0:0:0:ffff:169.254.169.254]/',
  'http://[0000:0000:0000:0000:0000:0000:0000:0001]/',
  'http://[::]:8080/',
  'http://[FE80::1]/',
  'http://[64:FF9B::7f00:1]/',
  'http://localhost/',
  'http://LOCALHOST/',
  'http://localhost./',
  'http://localhost:11434/v1',
  'http://api.localhost/',
  'http://a.b.localhost./',
  'http://ⓛocalhost/',
  'https://127.0.0.1:8443/v1/chat/completions?x=1#f',
  'http:\\\\127.0.0.1\\',
  'http:127.0.0.1',
  'http:///127.0.0.1',
  ' http://127.0.0.1 ',
  'http://127.0.0.1\t/',
]

const refusedOutright: readonly string[] = [
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com:70/',
  'data:text/plain,x',
  'javascript:alert(1)',
  'unix:/var/run/docker.sock',
  'ws://example.com/',
  'http+unix://%2Fvar%2Frun%2Fdocker.sock/',
  'https://user@example.com/',
  'https://user:pass@example.com/',
  'https://example.com@127.0.0.1/',
  'http://[fe80::1%25eth0]/',
  'http://256.256.256.256/',
  'http://1.2.3.4.5/',
  'http://exa mple.com/',
  'http://',
  '//example.com/',
  'example.com',
  '',
]

describe('addresses', () => {
  it.each(addresses)('%s is %s', (address, kind) => {
    expect(classifyAddress(address)).toBe(kind)
  })

  it.each(addresses)('%s (%s) is refused, and opened by its network %s', (address, kind, network) => {
    const url = address.includes(':') ? `http://[${address}]:8080/v1` : `http://${address}:8080/v1`
    const refusal = none.checkUrl(url)
    expect(refusal?.code).toBe('egress_denied')
    expect(refusal?.message).toContain(kind)
    expect(refusal?.message).toContain('routeiq.egress.allow_cidrs')
    if (network !== undefined) expect(policy([], [network]).checkUrl(url)).toBeUndefined()
  })

  it.each(addresses.filter(([, kind]) => kind === 'metadata'))('%s stays shut for wide rules', address => {
    const host = address.includes(':') ? `[${address}]` : address
    const wide = policy([host], ['0.0.0.0/0', '::/0', '169.254.0.0/16', '169.254.169.254/31'])
    expect(wide.checkUrl(`http://${host}/latest`)?.message).toContain('metadata')
    expect(policy([], [address]).checkUrl(`http://${host}/latest`)).toBeUndefined()
  })

  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '198.17.255.255',
    '198.20.0.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
    '2001:4860:4860::8888',
    '::ffff:8.8.8.8',
  ])('%s is public', address => {
    expect(classifyAddress(address)).toBe('public')
    expect(none.checkUrl(address.includes(':') ? `https://[${address}]/` : `https://${address}/`)).toBeUndefined()
  })

  it.each(['fe80::1%eth0', 'fe80::1%25eth0'])('the zone of %s does not change its class', address => {
    expect(classifyAddress(address)).toBe('link_local')
  })

  it.each(['', '127.1', '0x7f000001', '010.0.0.1', '1.2.3', 'localhost', '::ffff:127.1', ':::', '::g'])(
    '%j is no address',
    text => {
      expect(classifyAddress(text)).toBe('invalid')
    },
  )
})

describe('urls', () => {
  it.each(spellings)('%j is refused', url => {
    expect(none.checkUrl(url)?.code).toBe('egress_denied')
  })

  it.each(refusedOutright)('%j is refused whatever is allowed', url => {
    const everything = policy(['example.com', '127.0.0.1', 'localhost'], ['0.0.0.0/0', '::/0'])
    expect(everything.checkUrl(url)?.code).toBe('egress_denied')
  })

  it.each(spellings.filter(url => /127|2130706433|7f|0177|local/i.test(url) && !url.includes('[')))(
    '%j is allowed with loopback allowed',
    url => {
      expect(policy([], ['127.0.0.0/8']).checkUrl(url)).toBeUndefined()
    },
  )

  it('does not repeat the URL, which may hold a credential', () => {
    for (const url of ['https://user:hunter2@example.com/', 'nonsense hunter2', 'http://10.0.0.1/?key=hunter2']) {
      expect(none.checkUrl(url)?.message).not.toContain('hunter2')
    }
  })

  it('leaves names to the resolver', () => {
    expect(none.checkUrl('https://api.openai.com/v1')).toBeUndefined()
    expect(none.checkUrl('http://notlocalhost/')).toBeUndefined()
  })
})

describe('allow_hosts', () => {
  const allows = (entry: string, url: string) => policy([entry]).checkUrl(url) === undefined

  it.each([
    ['localhost', 'http://localhost:11434/'],
    ['localhost', 'http://LOCALHOST./'],
    ['LocalHost.', 'http://localhost/'],
    ['localhost:11434', 'http://localhost:11434/'],
    ['localhost:80', 'http://localhost/'],
    ['localhost:443', 'https://localhost/'],
    ['*.localhost', 'http://models.localhost/'],
    ['*.localhost', 'http://a.b.localhost/'],
    ['*.localhost:8080', 'http://a.localhost:8080/'],
    ['127.0.0.1', 'http://0x7f.1:9/'],
    ['127.1:9', 'http://127.0.0.1:9/'],
    ['[::1]:9', 'http://[0::1]:9/'],
    ['::1', 'http://[::1]:9/'],
  ])('%j opens %s', (entry, url) => {
    expect(allows(entry, url)).toBe(true)
  })

  it.each([
    ['localhost:11434', 'http://localhost/'],
    ['localhost:80', 'https://localhost/'],
    ['*.localhost', 'http://localhost/'],
    ['*.localhost:8080', 'http://a.localhost:8081/'],
    ['*.ocalhost', 'http://localhost/'],
    ['ocalhost', 'http://localhost/'],
    ['a.localhost', 'http://b.a.localhost/'],
    ['127.0.0.1', 'http://127.0.0.2/'],
    ['127.0.0.1:80', 'http://127.0.0.1:81/'],
    ['example.com', 'http://127.0.0.1/'],
  ])('%j does not open %s', (entry, url) => {
    expect(allows(entry, url)).toBe(false)
  })

  it.each([
    '',
    '*',
    '*.',
    '**.example.com',
    'a.*.com',
    'http://example.com',
    'example.com/v1',
    'user@example.com',
    'example.com:99999',
    'example.com:port',
    'exa mple.com',
    '*.127.0.0.1',
    '10.0.0.0/8',
  ])('%j is refused with the setting named', entry => {
    expect(() => policy([entry])).toThrow(/routeiq\.egress\.allow_hosts/)
  })
})

describe('allow_cidrs', () => {
  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::1/129',
    'fe80::1%eth0/64',
    'example.com',
    '*',
  ])('%j is refused with the setting named', entry => {
    expect(() => policy([], [entry])).toThrow(/routeiq\.egress\.allow_cidrs/)
  })

  it('compares rules, not their order', () => {
    expect(
      policy(['A.example', 'b.example'], ['10.0.0.0/8']).equals(policy(['b.example', 'a.example'], ['10.0.0.0/8'])),
    ).toBe(true)
    expect(policy(['a.example']).equals(policy(['*.a.example']))).toBe(false)
    expect(policy([], ['10.0.0.0/8']).equals(policy([], ['10.0.0.0/9']))).toBe(false)
  })
})
