import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type * as undici from 'undici'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Egress, type EgressDenial, type EgressOptions } from './egress.ts'
import { EgressPolicy } from './egress-policy.ts'
import { cachedResolver, type ResolvedAddress, type Resolver } from './egress-resolver.ts'

const policy = (allowHosts: string[] = [], allowCidrs: string[] = []) => new EgressPolicy({ allowHosts, allowCidrs })
const at = (...addresses: string[]): ResolvedAddress[] =>
  addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))

let server: Server
let port: number
let connections = 0
let release: (() => void)[] = []
const opened: Egress[] = []

function door(rules: EgressPolicy, options: EgressOptions = {}): Egress {
  const egress = new Egress(rules, options)
  opened.push(egress)
  return egress
}

async function get(egress: Egress, host: string, path = '/'): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(`http://${host}:${port}${path}`, {
    dispatcher: egress.dispatcher(`http://${host}:${port}`) as undici.Dispatcher,
  })
  return { status: statusCode, text: await body.text() }
}

beforeEach(async () => {
  connections = 0
  release = []
  server = createServer((request, response) => {
    if (request.url === '/redirect') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    else if (request.url === '/wait') release.push(() => response.end('late'))
    else response.end(`host=${request.headers.host}`)
  })
  server.on('connection', () => connections++)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map(egress => egress.destroy()))
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

describe('a real socket', () => {
  it('is opened to loopback when its network is allowed', async () => {
    expect(await get(door(policy([], ['127.0.0.0/8'])), '127.0.0.1')).toEqual({
      status: 200,
      text: `host=127.0.0.1:${port}`,
    })
  })

  it('is not opened otherwise', () => {
    const denied: EgressDenial[] = []
    const egress = door(policy(), { onDenied: denial => denied.push(denial) })
    expect(() => egress.dispatcher(`http://127.0.0.1:${port}`)).toThrow(/allow_cidrs/)
    expect(denied).toEqual([{ host: '127.0.0.1', port: String(port), kind: 'loopback' }])
    expect(egress.denials).toBe(1)
    expect(connections).toBe(0)
  })

  it('is opened through the system resolver for an allowed host name', async () => {
    expect((await get(door(policy([`localhost:${port}`])), 'localhost')).text).toBe(`host=localhost:${port}`)
    await expect(get(door(policy()), 'localhost')).rejects.toMatchObject({ code: 'egress_denied' })
  })
})

describe('names', () => {
  it('keeps the name in the Host header and connects to the checked address', async () => {
    const egress = door(policy([], ['127.0.0.0/8']), { resolver: async () => at('127.0.0.1') })
    expect((await get(egress, 'models.example')).text).toBe(`host=models.example:${port}`)
  })

  it('refuses a public name that resolves to a private address', async () => {
    const denied: EgressDenial[] = []
    const egress = door(policy(), { resolver: async () => at('127.0.0.1'), onDenied: denial => denied.push(denial) })
    const error = await get(egress, 'models.example').catch(caught => caught)
    expect(error).toMatchObject({ name: 'GatewayError', code: 'egress_denied', status: 403 })
    expect(error.message).toContain('models.example')
    expect(error.message).toContain('loopback')
    expect(error.message).toContain('routeiq.egress.allow_hosts')
    expect(denied).toEqual([{ host: 'models.example', port: String(port), kind: 'loopback' }])
    expect(connections).toBe(0)
  })

  it.each(['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1%eth0', '64:ff9b::7f00:1', 'garbage'])(
    'refuses a name that resolves to %s',
    async address => {
      const egress = door(policy(), { resolver: async () => at(address) })
      await expect(get(egress, 'models.example')).rejects.toMatchObject({ code: 'egress_denied' })
    },
  )

  it('does not open metadata for an allowed host', async () => {
    const egress = door(policy(['models.example']), { resolver: async () => at('169.254.169.254') })
    await expect(get(egress, 'models.example')).rejects.toThrow(/metadata/)
  })

  it('drops the refused addresses of a mixed answer', async () => {
    const egress = door(policy([], ['127.0.0.1/32']), { resolver: async () => at('10.0.0.1', '127.0.0.1', '::1') })
    expect((await get(egress, 'models.example')).status).toBe(200)
    expect(egress.denials).toBe(0)
  })

  it('resolves once per connection, so an answer that changes after the check is never used', async () => {
    let asked = 0
    const rebinding: Resolver = async () => at(asked++ === 0 ? '127.0.0.1' : '10.0.0.1')
    const egress = door(policy([], ['127.0.0.1/32']), { resolver: rebinding, dnsTtl: 0 })
    expect((await get(egress, 'rebind.example')).status).toBe(200)
    expect(asked).toBe(1)
    // The second connection asks again and is judged again.
    server.closeAllConnections()
    await expect
      .poll(async () =>
        get(egress, 'rebind.example').then(
          () => 'answered',
          error => error.code,
        ),
      )
      .toBe('egress_denied')
  })

  it('passes the resolver’s own error on', async () => {
    const missing = Object.assign(new Error('getaddrinfo ENOTFOUND models.example'), { code: 'ENOTFOUND' })
    const failing = door(policy(), { resolver: () => Promise.reject(missing) })
    await expect(get(failing, 'models.example')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    const empty = door(policy(), { resolver: async () => [] })
    await expect(get(empty, 'models.example')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })
})

it('does not follow redirects', async () => {
  expect((await get(door(policy([], ['127.0.0.1'])), '127.0.0.1', '/redirect')).status).toBe(302)
})

describe('origins', () => {
  const local = () => policy([], ['127.0.0.0/8'])

  it('has one dispatcher per origin, whatever its spelling', () => {
    const egress = door(local())
    expect(egress.dispatcher('http://127.0.0.1:9/')).toBe(egress.dispatcher('http://127.0.0.1:9'))
    expect(egress.dispatcher('http://127.1:9')).toBe(egress.dispatcher('http://127.0.0.1:9'))
    expect(egress.dispatcher('http://127.0.0.1:8')).not.toBe(egress.dispatcher('http://127.0.0.1:9'))
    expect(egress.origins).toBe(2)
  })

  it('makes room by dropping the least recently used idle one', () => {
    const egress = door(local(), { maxOrigins: 2 })
    const a = egress.dispatcher('http://127.0.0.1:1')
    const b = egress.dispatcher('http://127.0.0.1:2')
    egress.dispatcher('http://127.0.0.1:1')
    egress.dispatcher('http://127.0.0.1:3')
    expect(egress.origins).toBe(2)
    expect(egress.dispatcher('http://127.0.0.1:1')).toBe(a)
    expect(egress.dispatcher('http://127.0.0.1:2')).not.toBe(b)
  })

  it('never drops one with a call in flight', async () => {
    const egress = door(policy([], ['127.0.0.0/8']), { maxOrigins: 1 })
    const waiting = get(egress, '127.0.0.1', '/wait')
    await expect.poll(() => release.length).toBe(1)
    expect(() => egress.dispatcher('http://127.0.0.1:1')).toThrow(
      expect.objectContaining({ code: 'overloaded', retryAfter: 1 }),
    )
    release[0]?.()
    expect((await waiting).text).toBe('late')
    egress.dispatcher('http://127.0.0.1:1')
    expect(egress.origins).toBe(1)
  })

  it('applies a new policy to new calls and lets those in flight finish', async () => {
    const egress = door(local())
    const waiting = get(egress, '127.0.0.1', '/wait')
    await expect.poll(() => release.length).toBe(1)
    egress.updatePolicy(policy())
    expect(() => egress.dispatcher(`http://127.0.0.1:${port}`)).toThrow(/loopback/)
    release[0]?.()
    expect((await waiting).text).toBe('late')
  })

  it('keeps its sockets over a reload that changes nothing', async () => {
    const egress = door(local())
    await get(egress, '127.0.0.1')
    egress.updatePolicy(local())
    // The socket is free again a turn after its answer was read.
    await new Promise(resolve => setImmediate(resolve))
    await get(egress, '127.0.0.1')
    expect(connections).toBe(1)
  })

  it('closes: calls in flight finish, new ones are refused', async () => {
    const egress = door(local())
    const waiting = get(egress, '127.0.0.1', '/wait')
    await expect.poll(() => release.length).toBe(1)
    const closed = egress.close()
    expect(() => egress.dispatcher(`http://127.0.0.1:${port}`)).toThrow(
      expect.objectContaining({ code: 'shutting_down' }),
    )
    release[0]?.()
    expect((await waiting).text).toBe('late')
    await closed
  })

  it('destroys: calls in flight fail', async () => {
    const egress = door(local())
    const waiting = get(egress, '127.0.0.1', '/wait')
    await expect.poll(() => release.length).toBe(1)
    const failed = expect(waiting).rejects.toThrow('stopped')
    await egress.destroy(new Error('stopped'))
    await failed
  })
})

describe('the resolver cache', () => {
  it('asks once for callers that ask together and again after the time to live', async () => {
    let asked = 0
    let time = 0
    const resolve = cachedResolver(
      async () => {
        asked++
        return at('192.0.2.1')
      },
      { ttl: 5000, now: () => time },
    )
    await Promise.all([resolve('a'), resolve('a'), resolve('a')])
    expect(asked).toBe(1)
    time = 4999
    await resolve('a')
    expect(asked).toBe(1)
    time = 5000
    await resolve('a')
    expect(asked).toBe(2)
  })

  it('does not keep failures', async () => {
    let asked = 0
    const resolve = cachedResolver(() => Promise.reject(new Error(`no ${++asked}`)))
    await expect(resolve('a')).rejects.toThrow('no 1')
    await expect(resolve('a')).rejects.toThrow('no 2')
  })

  it('is bounded', async () => {
    let asked = 0
    const resolve = cachedResolver(
      async () => {
        asked++
        return at('192.0.2.1')
      },
      { maxHosts: 2 },
    )
    for (const host of ['a', 'b', 'c', 'c', 'b', 'a']) await resolve(host)
    expect(asked).toBe(4)
  })
})
