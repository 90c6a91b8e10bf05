import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DenialLog } from './egress-denials.ts'
import { EgressDoors, type EgressDoorsOptions } from './egress-doors.ts'
import { type EgressSettings, egressConfiguration } from './egress-policies.ts'
import type { Resolver } from './egress-resolver.ts'
import type { OutboundInit } from './outbound.ts'
import { caCertificate, clientCertificate, clientKey, serverCertificate, serverKey } from './tls.fixtures.ts'

const loopback = { allow_cidrs: ['127.0.0.0/8'] }
const anyName: Resolver = async () => [{ address: '127.0.0.1', family: 4 }]

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

let server: Server
let port: number
let url: string
let seen: Seen[] = []
let answer: (request: Seen, response: ServerResponse) => void
const opened: EgressDoors[] = []

function doors(
  settings: EgressSettings = { identity: loopback },
  options: EgressDoorsOptions = {},
  resolver?: Resolver,
): EgressDoors {
  const made = new EgressDoors({ ...egressConfiguration(settings), ...(resolver && { resolver }) }, options)
  opened.push(made)
  return made
}

beforeEach(async () => {
  seen = []
  answer = (_request, response) => response.end('{"ok":true}')
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      const whole = { method, url, headers, body: Buffer.concat(chunks).toString() }
      seen.push(whole)
      answer(whole, response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  url = `http://127.0.0.1:${port}`
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map(made => made.destroy()))
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    error => error.code,
  )

describe('a request', () => {
  it('is sent with its method, headers and body, and its answer read whole', async () => {
    answer = (_request, response) => response.writeHead(418, { 'x-a': '1' }).end('{"a":[1]}')
    const answered = await doors().request('identity', `${url}/p?q=1#f`, {
      method: 'POST',
      headers: { Authorization: 'Bearer t', Host: 'other', 'Content-Length': '99' },
      body: 'hello',
    })
    expect(answered).toMatchObject({ status: 418, url: `${url}/p?q=1#f` })
    expect(answered.headers['x-a']).toBe('1')
    expect([answered.text(), answered.json()]).toEqual(['{"a":[1]}', { a: [1] }])
    expect(seen).toMatchObject([
      {
        method: 'POST',
        url: '/p?q=1',
        body: 'hello',
        headers: { authorization: 'Bearer t', host: `127.0.0.1:${port}` },
      },
    ])
  })

  it('is bounded in time, size and number', async () => {
    const made = doors(undefined, { maxInFlight: 1 })
    answer = () => {}
    const waiting = made.request('identity', url, { timeout: 50 })
    expect(await code(made.request('identity', url))).toBe('overloaded')
    expect(await code(waiting)).toBe('upstream_timeout')
    answer = (_request, response) => response.end('x'.repeat(101))
    expect(await code(made.request('identity', url, { maxBytes: 100 }))).toBe('upstream_bad_response')
    expect((await made.request('identity', url, { maxBytes: 101 })).body).toHaveLength(101)
  })

  it('times out on a body that trickles', async () => {
    answer = (_request, response) => {
      const timer = setInterval(() => response.write('x'), 10)
      response.on('close', () => clearInterval(timer))
    }
    expect(await code(doors().request('identity', url, { timeout: 80 }))).toBe('upstream_timeout')
  })

  it('can be called off', async () => {
    answer = () => {}
    const stop = new AbortController()
    const waiting = code(doors().request('identity', url, { signal: stop.signal }))
    await expect.poll(() => seen.length).toBe(1)
    stop.abort()
    expect(await waiting).toBe('client_disconnected')
    expect(await code(doors().request('identity', url, { signal: stop.signal }))).toBe('client_disconnected')
    expect(seen).toHaveLength(1)
  })

  it('says what failed without the path, the query or a header', async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    const gone = await doors()
      .request('identity', `${url}/secret-path?token=secret-query`, { headers: { authorization: 'secret-header' } })
      .catch(error => error)
    expect(gone).toMatchObject({ code: 'upstream_unreachable', message: expect.stringContaining('127.0.0.1') })
    expect(gone.message).not.toContain('secret')
    const malformed = await doors()
      .request('identity', url, { headers: { 'x-a': 'secret\r\nx-b: 1' } })
      .catch(error => error)
    expect(malformed).toMatchObject({ code: 'invalid_request' })
    expect(`${malformed.message} ${malformed.cause}`).not.toContain('secret')
  })

  it('with an answer that is no JSON says so when asked for JSON', async () => {
    answer = (_request, response) => response.end('<html>')
    const answered = await doors().request('identity', url)
    expect(() => answered.json()).toThrow(expect.objectContaining({ code: 'upstream_bad_response' }))
  })
})

describe('certificates', () => {
  const secure = createTlsServer(
    { key: serverKey, cert: serverCertificate, ca: caCertificate, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { authorized } = request.socket as TLSSocket
      response.end(`${authorized} ${request.headers.host}`)
    },
  )
  let address: string
  beforeEach(async () => {
    await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
    address = `vault.test:${(secure.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    secure.closeAllConnections()
    await new Promise(resolve => secure.close(resolve))
  })
  const rules = { identity: loopback, secrets: {} }
  const ask = (made: EgressDoors, tls?: OutboundInit['tls']) =>
    made.request('identity', `https://${address}`, tls === undefined ? {} : { tls }).then(
      answer => answer.text(),
      error => error.code,
    )

  it('of a private CA are trusted only where it is given, for the name in the URL alone', async () => {
    const made = doors(rules, {}, anyName)
    expect(await ask(made)).toBe('upstream_unreachable')
    expect(await ask(made, { ca: caCertificate })).toBe(`false ${address}`)
    expect(await ask(made), 'the other sockets do not trust it').toBe('upstream_unreachable')
    address = address.replace('vault.test', 'other.test')
    expect(await ask(made, { ca: caCertificate })).toBe('upstream_unreachable')
    expect(await ask(made, { rejectUnauthorized: false })).toBe(`false ${address}`)
  })

  it('of this side prove who it is', async () => {
    const tls = { ca: caCertificate, cert: clientCertificate, key: clientKey }
    expect(await ask(doors(rules, {}, anyName), tls)).toBe(`true ${address}`)
  })

  it('open nothing that the rules do not', async () => {
    const made = doors({}, {}, anyName)
    expect(await ask(made, { ca: caCertificate })).toBe('egress_denied')
    made.configure(egressConfiguration(rules))
    expect(await ask(made, { ca: caCertificate })).not.toBe('egress_denied')
    made.configure(egressConfiguration())
    expect(await ask(made, { ca: caCertificate })).toBe('egress_denied')
  })
})

describe('purposes', () => {
  it('with a section of their own use only that; others take the common lists, or none where URLs come from callers', async () => {
    const made = doors({ ...loopback, audit: {}, mcp: loopback })
    const verdicts: Record<string, string> = {}
    for (const purpose of ['providers', 'secrets', 'identity', 'audit', 'webhooks', 'mcp', 'image_fetch'] as const) {
      verdicts[purpose] = await code(made.request(purpose, url))
    }
    expect(verdicts).toEqual({
      providers: 'answered',
      secrets: 'answered',
      identity: 'answered',
      mcp: 'answered',
      audit: 'egress_denied',
      webhooks: 'egress_denied',
      image_fetch: 'egress_denied',
    })
  })

  it('name their section in the message', async () => {
    const made = doors()
    expect((await made.request('audit', url).catch(error => error)).message).toContain('routeiq.egress.allow_hosts')
    const webhook = await made.request('webhooks', 'http://10.0.0.1/').catch(error => error)
    expect(webhook.message).toContain('routeiq.egress.webhooks.allow_hosts')
  })

  it('have their own ports; an entry that names a port opens it for its host', async () => {
    const listed = doors({ webhooks: { ...loopback }, mcp: { ...loopback, ports: [port] } })
    expect(await code(listed.request('webhooks', url))).toBe('egress_denied')
    expect(await code(listed.request('mcp', url))).toBe('answered')
    const named = doors({ webhooks: { allow_hosts: [`127.0.0.1:${port}`], ports: [443] } })
    expect(await code(named.request('webhooks', url))).toBe('answered')
    expect(named.check('webhooks', 'http://127.0.0.1:444/')?.message).toContain('port 444')
  })

  it('refuse mail and database ports unless an entry names them', () => {
    const made = doors({ providers: { allow_hosts: ['cache.example:6379'] } })
    expect(made.check('providers', 'http://mail.example:25/')?.message).toContain('"mail.example:25"')
    expect(made.check('providers', 'http://other.example:6379/')).toBeDefined()
    expect(made.check('providers', 'http://cache.example:6379/')).toBeUndefined()
    expect(made.check('providers', 'https://models.example:8443/')).toBeUndefined()
  })

  it('take new rules at once', async () => {
    const made = doors()
    expect(await code(made.request('identity', url))).toBe('answered')
    made.configure(egressConfiguration())
    expect(await code(made.request('identity', url))).toBe('egress_denied')
  })
})

describe('redirects', () => {
  const to = (location: string, status = 302) => {
    answer = (request, response) => {
      if (request.url === '/') response.writeHead(status, { location }).end()
      else response.end('there')
    }
  }

  it('are the answer unless asked for', async () => {
    to('/next')
    expect((await doors().request('identity', url)).status).toBe(302)
    expect(seen).toHaveLength(1)
  })

  it('are followed, relative ones too, and only so many times', async () => {
    to('/next')
    const answered = await doors().request('identity', url, { redirects: 1 })
    expect([answered.text(), answered.url]).toEqual(['there', `${url}/next`])
    answer = (_request, response) => response.writeHead(302, { location: '/' }).end()
    seen = []
    expect(await code(doors().request('identity', url, { redirects: 3 }))).toBe('upstream_bad_response')
    expect(seen).toHaveLength(4)
  })

  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]:1/',
    'http://10.0.0.1/',
    'ftp://files.example/',
    'http://user:pass@127.0.0.1/',
    'http://127.0.0.1:22/',
    'file:///etc/passwd',
    'http://',
  ])('to %s are refused', async location => {
    to(location)
    expect(await code(doors().request('identity', url, { redirects: 5 }))).toBe('egress_denied')
    expect(seen).toHaveLength(1)
  })

  it('to another origin carry no credentials', async () => {
    answer = (request, response) => {
      if (request.url === '/') response.writeHead(302, { location: `http://other.example:${port}/next` }).end()
      else response.end('there')
    }
    const made = doors(undefined, {}, anyName)
    const headers = { authorization: 'Bearer t', cookie: 'c', 'x-vault-token': 'v', accept: 'a/b' }
    await made.request('identity', url, { redirects: 1, headers })
    expect(seen[0]?.headers).toMatchObject(headers)
    expect(seen[1]?.headers).toMatchObject({ host: `other.example:${port}`, accept: 'a/b' })
    for (const name of ['authorization', 'cookie', 'x-vault-token']) expect(seen[1]?.headers).not.toHaveProperty(name)
  })

  it('keep method and body with 307 on the same origin, and become GET with 303', async () => {
    to('/next', 307)
    await doors().request('identity', url, { method: 'POST', body: 'b', redirects: 1 })
    expect(seen[1]).toMatchObject({ method: 'POST', body: 'b' })
    seen = []
    to('/next', 303)
    await doors().request('identity', url, {
      method: 'POST',
      body: 'b',
      redirects: 1,
      headers: { 'content-type': 'a/b' },
    })
    expect(seen[1]).toMatchObject({ method: 'GET', body: '' })
    expect(seen[1]?.headers).not.toHaveProperty('content-type')
  })

  it('never take a body to another origin', async () => {
    to(`http://other.example:${port}/next`, 307)
    const made = doors(undefined, {}, anyName)
    expect(await code(made.request('identity', url, { method: 'POST', body: 'b', redirects: 1 }))).toBe('egress_denied')
    expect(seen).toHaveLength(1)
  })
})

describe('the denial log', () => {
  it('has one entry per purpose, destination and reason, the latest first', async () => {
    let now = 0
    const news: unknown[] = []
    const denials = new DenialLog({
      epoch: () => now,
      onNews: (denial, repeated) => news.push([denial.host, repeated]),
    })
    const made = doors({}, { denials }, anyName)
    const ask = async (purpose: 'webhooks' | 'identity', target: string): Promise<void> => {
      now += 1000
      await made.request(purpose, target, { redirects: 2 }).catch(() => {})
    }
    await ask('webhooks', 'http://10.0.0.1/')
    await ask('identity', 'https://named.example/')
    await ask('webhooks', 'gopher://old.example/')
    await ask('webhooks', 'not a url')
    await ask('webhooks', 'http://10.0.0.1/other')
    now += 60_000
    await ask('webhooks', 'http://10.0.0.1/')
    expect(
      denials.list().map(({ purpose, host, port, reason, count }) => [purpose, host, port, reason, count]),
    ).toEqual([
      ['webhooks', '10.0.0.1', '80', 'private', 3],
      ['webhooks', '', '', 'invalid_url', 1],
      ['webhooks', 'old.example', '', 'scheme', 1],
      ['identity', 'named.example', '443', 'loopback', 1],
    ])
    expect(denials.list()[0]).toMatchObject({
      first_seen: '1970-01-01T00:00:01.000Z',
      last_seen: '1970-01-01T00:01:06.000Z',
    })
    expect(news).toEqual([
      ['10.0.0.1', 0],
      ['named.example', 0],
      ['old.example', 0],
      ['', 0],
      ['10.0.0.1', 1],
    ])
  })

  it('is bounded, in entries and in the length of names', () => {
    const denials = new DenialLog({ entries: 2 })
    for (const host of ['a', 'b', 'c'.repeat(1000)]) denials.add({ purpose: 'mcp', host, port: '80', kind: 'private' })
    expect(denials.list().map(({ host }) => host)).toEqual(['c'.repeat(253), 'b'])
  })
})
