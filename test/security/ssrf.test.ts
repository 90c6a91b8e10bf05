import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifyAddress, parseAddress } from '../../src/platform/security/address-policy.ts'
import { DenialLog } from '../../src/platform/security/egress-denials.ts'
import { EgressDoors } from '../../src/platform/security/egress-doors.ts'
import { egressConfiguration, type PurposeSettings } from '../../src/platform/security/egress-policies.ts'
import { destinationOf, EgressDenied, parseUrl } from '../../src/platform/security/egress-policy.ts'
import type { Resolver } from '../../src/platform/security/egress-resolver.ts'
import { type Hostile, lists, literal, metadata, names, unopened } from './ssrf-corpus.ts'
import { type FakeDns, fakeDns } from './ssrf-dns.ts'

/** Every name leads to this machine, so that a name which is let through would connect. */
const toLoopback: Resolver = async () => [{ address: '127.0.0.1', family: 4 }]

function doors(rules: PurposeSettings = {}, resolver?: Resolver, denials?: DenialLog): EgressDoors {
  const configuration = egressConfiguration({ mcp: rules })
  return new EgressDoors({ ...configuration, ...(resolver && { resolver }) }, { ...(denials && { denials }) })
}

const verdict = (made: EgressDoors, url: string): Promise<string> =>
  made.request('mcp', url, { timeout: 2000 }).then(
    () => 'answered',
    error => error.code,
  )

/** Allowed as far as the rules go; a socket to some private address would only wait for nobody. */
function passes(rules: PurposeSettings, url: string): boolean {
  const { mcp } = egressConfiguration({ mcp: rules }).policies
  const parsed = parseUrl(url)
  if (parsed instanceof EgressDenied) return false
  const destination = destinationOf(parsed)
  const behindTheName = destinationOf(new URL('http://127.0.0.1')).address
  const address = destination.address ?? behindTheName
  return mcp.checkUrl(url) === undefined && address !== undefined && mcp.refuses(destination, address) === undefined
}

const all: readonly Hostile[] = [...literal, ...unopened, ...lists]

it('the corpus has at least 150 different URLs', () => {
  expect(new Set(all.map(({ url }) => url)).size).toBeGreaterThanOrEqual(280)
})

describe('is refused, and its twin is not:', () => {
  it.each(all.map(hostile => [JSON.stringify(hostile.url), hostile] as const))('%s', async (_name, hostile) => {
    const { url, rules, twin = url, under = {} } = hostile
    const denials = new DenialLog()
    const closed = doors(under, toLoopback, denials)
    expect(await verdict(closed, url)).toBe('egress_denied')
    expect(denials.list()).toHaveLength(1)
    await closed.destroy()
    expect(passes(under, url)).toBe(false)
    expect(passes(rules, twin), `twin ${twin}`).toBe(true)
  })

  it.each(metadata.map(({ url }) => url))('%s under the widest rules', async url => {
    const { hostname } = new URL(url)
    const wide = doors({ allow_hosts: [hostname], allow_cidrs: ['0.0.0.0/0', '::/0', '169.254.0.0/16', 'fd00::/8'] })
    expect(await verdict(wide, url)).toBe('egress_denied')
    await wide.destroy()
  })
})

describe('names, with a DNS server of the attacker’s', () => {
  let server: Server
  let port: number
  let connections = 0
  let dns: FakeDns
  /** Name → what it answers at each question; the last answer stays. */
  let plan: Record<string, readonly (readonly string[])[]> = {}

  beforeAll(async () => {
    server = createServer((request, response) => response.end(request.headers.host))
    server.on('connection', () => connections++)
    // On every loopback address: 127.0.0.2 stands for a place that is allowed, 127.0.0.1 for one that is not.
    await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
    port = (server.address() as AddressInfo).port
    dns = await fakeDns((name, asked) => plan[name]?.[Math.min(asked, plan[name].length - 1)] ?? names[name] ?? [])
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    await dns.close()
  })

  const asking = (rules: PurposeSettings): EgressDoors =>
    new EgressDoors(egressConfiguration({ mcp: { ports: [port], ...rules }, dns_servers: [dns.address] }))

  it.each(Object.keys(names))('%s is refused, and allowed by its name unless it is metadata', async name => {
    const closed = asking({})
    expect(await verdict(closed, `http://${name}:${port}/`)).toBe('egress_denied')
    await closed.destroy()
    const { mcp } = egressConfiguration({ mcp: { allow_hosts: [`${name}:${port}`], ports: [] } }).policies
    const destination = destinationOf(new URL(`http://${name}:${port}/`))
    for (const text of names[name] ?? []) {
      const address = parseAddress(text)
      const refused = address === undefined ? 'no address' : mcp.refuses(destination, address)
      expect([text, refused]).toEqual([text, classifyAddress(text) === 'metadata' ? 'metadata' : undefined])
    }
  })

  it('that are allowed are answered', async () => {
    const open = asking({ allow_hosts: [`loopback.evil.test:${port}`, `many.evil.test:${port}`] })
    for (const name of ['loopback.evil.test', 'LOOPBACK.evil.test.', 'many.evil.test']) {
      expect(await verdict(open, `http://${name}:${port}/`), name).toBe('answered')
    }
    await open.destroy()
  })

  it('that rebind gain nothing: the address that was judged is the one that is connected to', async () => {
    plan = { 'rebind.evil.test': [['127.0.0.2'], ['127.0.0.1']] }
    const made = asking({ allow_cidrs: ['127.0.0.2/32'] })
    const before = connections
    expect(await verdict(made, `http://rebind.evil.test:${port}/`)).toBe('answered')
    expect(connections - before).toBe(1)
    expect(dns.asked.filter(question => question === 'A rebind.evil.test')).toHaveLength(1)
    await made.destroy()
    const next = asking({ allow_cidrs: ['127.0.0.2/32'] })
    expect(await verdict(next, `http://rebind.evil.test:${port}/`)).toBe('egress_denied')
    expect(connections - before).toBe(1)
    await next.destroy()
  })

  it('that flip at every question never reach the place that is not allowed', async () => {
    plan = { 'flip.evil.test': Array.from({ length: 60 }, (_, i) => [i % 2 === 0 ? '127.0.0.2' : '127.0.0.1']) }
    const addresses = new Set<string | undefined>()
    const see = (socket: { localAddress?: string }): void => void addresses.add(socket.localAddress)
    server.on('connection', see)
    const verdicts: string[] = []
    for (let call = 0; call < 30; call++) {
      const made = asking({ allow_cidrs: ['127.0.0.2/32'] })
      verdicts.push(await verdict(made, `http://flip.evil.test:${port}/`))
      await made.destroy()
    }
    server.off('connection', see)
    expect(new Set(verdicts)).toEqual(new Set(['answered', 'egress_denied']))
    expect([...addresses]).toEqual(['127.0.0.2'])
  })

  it('with a good and a bad address lead to the good one alone', async () => {
    plan = { 'mixed.evil.test': [['127.0.0.1', '127.0.0.2', '10.0.0.1', '::1']] }
    const made = asking({ allow_cidrs: ['127.0.0.2/32'] })
    const addresses: (string | undefined)[] = []
    const see = (socket: { localAddress?: string }): void => void addresses.push(socket.localAddress)
    server.on('connection', see)
    expect(await verdict(made, `http://mixed.evil.test:${port}/`)).toBe('answered')
    server.off('connection', see)
    expect(addresses).toEqual(['127.0.0.2'])
    await made.destroy()
  })

  it('of an only_listed purpose are refused before DNS is asked', async () => {
    const made = asking({ only_listed: true, allow_hosts: [`friend.test:${port}`] })
    const before = dns.asked.length
    expect(await verdict(made, `http://stranger.test:${port}/`)).toBe('egress_denied')
    expect(dns.asked.length).toBe(before)
    plan = { 'friend.test': [['127.0.0.1']] }
    expect(await verdict(made, `http://friend.test:${port}/`)).toBe('answered')
    await made.destroy()
  })
})
