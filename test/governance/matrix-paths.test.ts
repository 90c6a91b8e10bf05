import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { type Operation, startWorld, type World } from './matrix-world.ts'
import { api, done, newKey } from './setup.ts'

interface Raw {
  readonly status: number
  readonly text: string
}

/** Sends a path as it is written: nothing is resolved, decoded or normalized on the way. */
function raw(url: string, method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Raw> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const length = body === '' ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) }
    const request = httpRequest({ hostname, port, method, path, headers: { ...length, ...headers } }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', piece => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

let world: World
let gateway: Gateway
let inference: Record<string, string>
const word = 'only-administrators-read-this'
beforeAll(async () => {
  world = await startWorld()
  gateway = world.gateway
  inference = { authorization: `Bearer ${await newKey(gateway, { key_type: 'llm_api' })}` }
  await done(gateway, 'POST', '/team/new', { team_id: 'shown', team_alias: word })
  await newKey(gateway, { team_id: 'shown', key_alias: word })
})
afterAll(() => world.close())

/** Ways to write a path that something in between might take for another one. */
const spellings = (path: string): string[] => {
  const [, first = '', rest = ''] = /^\/([^/]+)\/(.*)$/.exec(path) ?? []
  const coded = `%${path.charCodeAt(1).toString(16)}`
  return [
    path,
    `${path}/`,
    `${path}//`,
    `/${path}`,
    `//${path.slice(1)}`,
    `/${first}//${rest}`,
    path.toUpperCase(),
    `/${first.toUpperCase()}/${rest}`,
    `/${coded}${path.slice(2)}`,
    `/${first}%2f${rest}`,
    `/${first}%2F${rest}`,
    `/${first}%5c${rest}`,
    `/${first}/%2e/${rest}`,
    `/${first}/./${rest}`,
    `/x/..${path}`,
    `/v1/models/..%2f..${path}`,
    `/v1/models/../..${path}`,
    `/health/liveliness/../..${path}`,
    `/health/liveliness%2f..%2f..${path}`,
    `/openapi.json/..${path}`,
    `${path}?path=/health/liveliness`,
    `${path}?/health/liveliness`,
    `${path}#/health/liveliness`,
    `${path};/health/liveliness`,
    `${path};a=b`,
    `${path}%00`,
    `${path}%20`,
    `${path}.json`,
    `${path}%3f`,
    `${path}%ff`,
    `http://other.test${path}`,
    `http://127.0.0.1/health/liveliness${path}`,
    `/sso${path}`,
    `/scim/v2${path}`,
    `/metrics${path}`,
    `/login${path}`,
  ]
}
const protectedPaths = [
  '/key/list',
  '/team/list',
  '/v2/team/list',
  '/v1/routeiq/audit/verify',
  '/spend/logs',
  '/global/spend/keys',
]
/** Refused for who asks, or there is nothing there. */
const closed = [400, 401, 403, 404, 405]

/** Headers in which proxies and frameworks name another address, method or host than that of the request. */
const confusing: readonly Record<string, string>[] = [
  { host: 'localhost' },
  { host: '127.0.0.1/health/liveliness' },
  { host: 'x/health/liveliness?' },
  { host: 'x#' },
  { host: 'x\\@y' },
  { host: '' },
  { 'x-forwarded-host': 'x/health/liveliness' },
  { 'x-forwarded-prefix': '/health/liveliness' },
  { 'x-forwarded-path': '/health/liveliness' },
  { 'x-forwarded-uri': '/health/liveliness' },
  { 'x-original-url': '/health/liveliness' },
  { 'x-original-uri': '/health/liveliness' },
  { 'x-rewrite-url': '/health/liveliness' },
  { 'x-http-method-override': 'OPTIONS' },
  { 'x-http-method': 'HEAD' },
  { 'x-method-override': 'GET' },
  { 'x-forwarded-for': '127.0.0.1' },
  { 'x-real-ip': '127.0.0.1' },
  { 'x-forwarded-user': 'admin' },
  { 'x-user-id': 'admin' },
  { 'x-mcp-auth': 'Bearer anything', 'mcp-protocol-version': '2025-06-18' },
  { 'x-litellm-key': 'sk-1234', cookie: 'token=sk-1234; litellm_session=x' },
]

describe('a protected route', () => {
  it.each(protectedPaths)('%s is protected however it is written', async path => {
    const own = await raw(gateway.url, 'GET', path, { authorization: `Bearer ${gateway.key}` })
    expect(own.status, own.text).toBe(200)
    for (const headers of [{}, inference]) {
      for (const spelling of spellings(path)) {
        const answer = await raw(gateway.url, 'GET', spelling, headers)
        expect(closed, `${spelling}: ${answer.status} ${answer.text.slice(0, 200)}`).toContain(answer.status)
        expect(answer.text, spelling).not.toContain(word)
      }
    }
  })

  it('is decided on the route alone, whatever host, address or method a header names (CVE-2026-49468)', async () => {
    for (const headers of confusing) {
      const told = JSON.stringify(headers)
      for (const bearer of [{}, inference]) {
        const read = await raw(gateway.url, 'GET', '/key/list', { ...headers, ...bearer })
        expect(closed, `${told}: ${read.status} ${read.text}`).toContain(read.status)
        expect(read.text, told).not.toContain(word)
        const made = await raw(gateway.url, 'POST', '/key/generate', { ...headers, ...bearer }, '{}')
        expect(closed, `${told}: ${made.status} ${made.text}`).toContain(made.status)
        expect(made.text, told).not.toContain('"key":')
      }
    }
    // No header makes a reading request a writing one either.
    const before = (await api(gateway, 'GET', '/key/list')).json?.['total_count']
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
      const headers = { authorization: `Bearer ${gateway.key}`, [name]: 'DELETE' }
      expect((await raw(gateway.url, 'GET', '/key/list?_method=DELETE', headers)).status).toBe(200)
      expect((await raw(gateway.url, 'GET', '/key/generate?_method=POST', { ...headers, [name]: 'POST' })).status).toBe(
        405,
      )
    }
    expect((await api(gateway, 'GET', '/key/list')).json?.['total_count']).toBe(before)
  })
})

describe('methods that a route does not have', () => {
  it('are refused on every path; HEAD asks for the same right as GET', async () => {
    const byPath = new Map<string, Operation[]>()
    for (const operation of world.operations)
      byPath.set(operation.path, [...(byPath.get(operation.path) ?? []), operation])
    const found: string[] = []
    for (const [template, operations] of byPath) {
      const path = template.replaceAll(/\{\w+\}/g, 'some-id')
      const declared = new Map(operations.map(operation => [operation.method, operation]))
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        if (declared.has(method)) continue
        const like = method === 'HEAD' ? declared.get('GET') : undefined
        const { status } = await raw(gateway.url, method, path)
        const [, ...others] = declared.keys()
        // Under a pattern another declared path may lie.
        const expected =
          like === undefined ? [405] : like.permission === 'public' ? [200, 303, 400, 401, 403, 404] : [401]
        if (!expected.includes(status)) found.push(`${method} ${path} (${others.length}): ${status}`)
      }
    }
    expect(found).toEqual([])
  })

  it('are unknown to HTTP or to us: none reaches a route', async () => {
    for (const method of ['TRACE', 'PROPFIND', 'SEARCH', 'LOCK', 'PURGE', 'get']) {
      const { status, text } = await raw(gateway.url, method, '/key/list', inference).catch(() => ({
        status: 400,
        text: '',
      }))
      expect([...closed, 501], `${method}: ${status}`).toContain(status)
      expect(text).not.toContain(word)
    }
  })
})

describe('under a prefix (SERVER_ROOT_PATH)', () => {
  let upstream: Upstream
  let prefixed: Gateway
  beforeAll(async () => {
    upstream = await startUpstream()
    prefixed = await startGateway({
      config: { model_list: [deployment('m', upstream, 'm')] },
      env: { SERVER_ROOT_PATH: '/gw' },
    })
  })
  afterAll(async () => {
    await prefixed.stop()
    await upstream.close()
  })

  it('routes are there and nowhere else, and as protected', async () => {
    const master = { authorization: `Bearer ${prefixed.key}` }
    expect((await raw(prefixed.url, 'GET', '/gw/key/list', master)).status).toBe(200)
    expect((await raw(prefixed.url, 'GET', '/key/list', master)).status).toBe(404)
    const made = await raw(prefixed.url, 'POST', '/gw/key/generate', master, '{"key_type":"llm_api"}')
    const own = { authorization: `Bearer ${(JSON.parse(made.text) as { key: string }).key}` }
    // allowed_routes name routes, not places: they hold under the prefix as well.
    expect((await raw(prefixed.url, 'GET', '/gw/v1/models', own)).status).toBe(200)
    for (const headers of [{}, own]) {
      for (const path of [
        '/gw/key/list',
        '/gw//key/list',
        '/gw/gw/key/list',
        '/gw/../key/list',
        '/gw/../gw/key/list',
        '/GW/key/list',
        '//gw/key/list',
        '/gw%2fkey/list',
        '/gw/health/liveliness/../../key/list',
      ]) {
        const { status } = await raw(prefixed.url, 'GET', path, headers)
        expect(closed, `${path}: ${status}`).toContain(status)
      }
    }
  })
})
