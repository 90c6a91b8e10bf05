import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gateway as Pipeline } from '../../src/pipeline/gateway.ts'
import { routesOf } from '../../src/surfaces/routes.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, message, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { configure, deployment, get } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
const messages = [{ role: 'user', content: 'hi' }]

beforeAll(async () => {
  upstream = await startUpstream({ keep: 100_000 })
  gateway = await startGateway({
    config: {
      model_list: [deployment('m', upstream, 'm')],
      general_settings: { litellm_key_header_name: 'X-My-Key', max_request_size_mb: 2 },
    },
  })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

/** Every route with its permission, as the server itself lists them; handlers are not run here. */
const routes = await routesOf({ gateway: {} as Pipeline, fleet: {} as never })
const concrete = (path: string): string =>
  path.replace(':id', 'some-id').replace('*', path.includes('models') ? 'm' : 'm/chat/completions')
/** The smallest body the operation at a path takes. */
function bodyFor(path: string, content = 'hi'): object {
  if (path.endsWith('/embeddings')) return { model: 'm', input: content }
  if (/(?<!chat)\/completions$/.test(path)) return { model: 'm', prompt: content }
  const chatBody = { model: 'm', messages: [{ role: 'user', content }] }
  return path.endsWith('/messages') ? { ...chatBody, max_tokens: 10 } : chatBody
}
const call = (path: string, options: Parameters<typeof send>[1]): Promise<StreamAnswer> =>
  send(`${gateway.url}${path}`, options)

function expectError(
  answer: StreamAnswer,
  dialect: string,
  status: number,
  types: { openai: string; anthropic: string; code: string },
): void {
  expect(answer.status, answer.text).toBe(status)
  expect(answer.headers['content-type']).toMatch(/^application\/json/)
  if (dialect === 'anthropic') {
    expect(answer.json).toEqual({
      type: 'error',
      error: { type: types.anthropic, message: expect.stringMatching(/./) },
      request_id: answer.headers['x-litellm-call-id'],
    })
  } else {
    const error = { message: expect.stringMatching(/./), type: types.openai, param: null, code: types.code }
    expect(answer.json).toEqual({ error })
  }
}

const unauthorized = { openai: 'authentication_error', anthropic: 'authentication_error', code: 'invalid_api_key' }

describe('keys', () => {
  it.each([
    ['authorization', 'Bearer KEY'],
    ['authorization', 'bearer KEY'],
    ['authorization', 'KEY'],
    ['x-litellm-api-key', 'KEY'],
    ['x-litellm-api-key', 'Bearer KEY'],
    ['api-key', 'KEY'],
    ['x-api-key', 'KEY'],
    ['x-goog-api-key', 'KEY'],
    ['Ocp-Apim-Subscription-Key', 'KEY'],
    ['x-my-key', 'KEY'],
    ['x-my-key', 'Bearer KEY'],
  ])('%s: %s', async (header, value) => {
    const body = { model: 'm', messages }
    const with_ = (key: string) =>
      call('/v1/chat/completions', { headers: { [header]: value.replace('KEY', key) }, body })
    expect((await with_(gateway.key)).status).toBe(200)
    for (const wrong of [`${gateway.key}x`, gateway.key.slice(0, -1), gateway.key.toUpperCase(), 'x', ' ']) {
      expectError(await with_(wrong), 'openai', 401, unauthorized)
    }
  })

  it('are never passed on to the upstream', async () => {
    await chat(
      gateway,
      'm',
      'hi',
      {},
      { headers: { 'x-litellm-api-key': gateway.key, 'x-my-key': gateway.key, cookie: `k=${gateway.key}` } },
    )
    for (const request of upstream.requests) expect(JSON.stringify(request.rawHeaders)).not.toContain(gateway.key)
    expect(upstream.requests.at(-1)!.headers.authorization).toBe('Bearer sk-upstream-secret')
  })

  it('say 401 in the dialect of the route, and that a key is needed', async () => {
    const target = { url: gateway.url, key: 'sk-wrong' }
    const wrong = await message(target, 'm', 'hi')
    expectError(wrong, 'anthropic', 401, unauthorized)
    expect(wrong.headers['www-authenticate']).toBe('Bearer')
    const none = await call('/v1/chat/completions', { body: { model: 'm', messages } })
    expect(none.text).toContain('No API key given')
    expect(none.text).not.toContain('sk-wrong')
  })
})

describe('every route', () => {
  const all = routes.flatMap(route => route.paths.map(path => ({ ...route, path })))

  it('is listed, and only health, the metrics switch and the description of the API are public', () => {
    expect(all.length).toBeGreaterThan(30)
    const open = all.filter(route => route.permission === 'public').map(route => route.path)
    expect(open.sort()).toEqual([
      '/',
      '/_health/live',
      '/_health/ready',
      '/docs',
      '/health/liveliness',
      '/health/liveness',
      '/health/readiness',
      '/metrics',
      '/openapi.json',
    ])
  })

  it.each(all.map(route => [route.method, route.path, route] as const))(
    '%s %s refuses strangers',
    async (method, path, route) => {
      const url = concrete(path)
      const body = method === 'POST' ? bodyFor(path) : undefined
      const before = upstream.requests.length
      const anonymous = await call(url, { method, body })
      const stranger = await call(url, { method, body, headers: { authorization: 'Bearer sk-wrong' } })
      if (route.permission === 'public' && path !== '/metrics') {
        expect([anonymous.status, stranger.status]).toEqual([200, 200])
      } else {
        expectError(anonymous, route.dialect, 401, unauthorized)
        expectError(stranger, route.dialect, 401, unauthorized)
        expect(upstream.requests.length).toBe(before)
      }
    },
  )

  it.each(all.map(route => [route.method, route.path, route] as const))(
    '%s %s answers the key, and 405 to other methods',
    async (method, path, route) => {
      const url = concrete(path)
      const body = method === 'POST' ? bodyFor(path) : undefined
      const known = await call(url, { method, body, headers: { authorization: `Bearer ${gateway.key}` } })
      if (path === '/v1/routeiq/explain/:id')
        expectError(known, 'openai', 404, { openai: 'invalid_request_error', anthropic: '', code: 'not_found' })
      else expect(known.status, known.text).toBe(200)
      for (const other of ['PUT', 'DELETE', 'PATCH', method === 'GET' ? 'POST' : 'GET']) {
        const refused = await call(url, {
          method: other,
          headers: { authorization: `Bearer ${gateway.key}` },
          body: other === 'GET' ? undefined : {},
        })
        expectError(refused, route.dialect, 405, {
          openai: 'invalid_request_error',
          anthropic: 'invalid_request_error',
          code: 'method_not_allowed',
        })
        expect(refused.headers.allow).toBe(method)
      }
    },
  )

  it('path tricks find no way round the key', async () => {
    const tricks = [
      '/v1/models/',
      '//v1/models',
      '/v1//models',
      '/V1/MODELS',
      '/v1/models%2f',
      '/v1/%6dodels',
      '/v1/models?key=x',
      '/v1/models;x',
      '/health/../v1/models',
      '/./v1/models',
      '/v1/models%00',
      '/health/readiness/../../config/reload',
      '/config/reload/',
      '/_health/models/',
      '/metrics/',
      '/health/',
    ]
    for (const path of tricks) {
      const answer = await call(path, {})
      expect([400, 401, 404, 405], `${path}: ${answer.status} ${answer.text.slice(0, 200)}`).toContain(answer.status)
    }
  })
})

describe('requests that are no calls', () => {
  const headers = (): Record<string, string> => ({ authorization: `Bearer ${gateway.key}` })
  const doors = [
    ['/v1/chat/completions', 'openai'],
    ['/v1/completions', 'openai'],
    ['/v1/embeddings', 'openai'],
    ['/v1/messages', 'anthropic'],
    ['/v1/messages/count_tokens', 'anthropic'],
    ['/openai/deployments/m/chat/completions', 'openai'],
  ] as const
  const bad = (code: string) => ({ openai: 'invalid_request_error', anthropic: 'invalid_request_error', code })

  /** The status; the error's code when the gateway hung up before all of it was sent. */
  const sendChunked = (path: string, body: string): Promise<string> =>
    new Promise(resolve => {
      const request = httpRequest(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { ...headers(), 'content-type': 'application/json' },
      })
      request.on('response', response => resolve(String(response.resume().statusCode)))
      request.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)))
      for (let at = 0; at < body.length; at += 65_536) request.write(body.slice(at, at + 65_536))
      request.end()
    })

  it.each(doors)('%s: content type, JSON and size, in its dialect', async (path, dialect) => {
    const body = JSON.stringify({ model: 'm', messages })
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      undefined,
    ]) {
      const answer = await call(path, { body, headers: { ...headers(), 'content-type': type } })
      expectError(answer, dialect, 415, bad('unsupported_media_type'))
    }
    for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/vnd.x+json']) {
      expect((await call(path, { body: '{', headers: { ...headers(), 'content-type': type } })).status).toBe(400)
    }
    for (const text of ['{', '{"model":"m",}', 'hello', '{"a":1}{"b":2}', '\u0000']) {
      expectError(await call(path, { body: text, headers: headers() }), dialect, 400, bad('invalid_json'))
    }
    for (const text of ['[]', '"text"', '1', 'null', 'true']) {
      expectError(await call(path, { body: text, headers: headers() }), dialect, 400, bad('invalid_request'))
    }
    expectError(await call(path, { method: 'POST', headers: headers() }), dialect, 400, bad('invalid_json'))
    const secret = '{"model":"m","messages":[{"role":"user","content":"sk-very-secret"'
    expect((await call(path, { body: secret, headers: headers() })).text).not.toContain('very-secret')

    const large = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(2 * 1024 * 1024) }] })
    const refused = await call(path, { body: large, headers: headers() })
    expectError(refused, dialect, 413, {
      openai: 'invalid_request_error',
      anthropic: 'request_too_large',
      code: 'request_too_large',
    })
    // Without a length the body is counted as it arrives.
    expect(await sendChunked(path, large)).toMatch(/^(413|EPIPE|ECONNRESET)$/)
    const fits = bodyFor(path, 'x'.repeat(1_500_000))
    expect((await call(path, { body: fits, headers: headers() })).status, 'more than a megabyte').toBe(200)
  })

  it('unknown paths are 404 in the dialect of the caller', async () => {
    const lost = { openai: 'invalid_request_error', anthropic: 'not_found_error', code: 'route_not_found' }
    expectError(await call('/v1/nothing', { headers: headers() }), 'openai', 404, lost)
    expectError(await call('/v1/nothing', { body: {}, headers: headers() }), 'openai', 404, lost)
    expectError(
      await call('/v1/nothing', { headers: { ...headers(), 'anthropic-version': '2023-06-01' } }),
      'anthropic',
      404,
      lost,
    )
    expectError(await call('/engines/m/nothing', { body: {}, headers: headers() }), 'openai', 404, lost)
    const long = await call(`/${'x'.repeat(3000)}`, {})
    expect(long.status).toBe(404)
    expect(long.text.length).toBeLessThan(600)
  })

  it('unknown models and missing fields name the parameter', async () => {
    const unknown = await chat(gateway, 'nobody', 'hi')
    expect([unknown.status, unknown.json!['error']]).toEqual([
      404,
      {
        message: expect.stringContaining("'nobody'"),
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
      },
    ])
    const missing = await call('/v1/chat/completions', { body: { model: 'm' }, headers: headers() })
    expect([missing.status, missing.json!['error']]).toMatchObject([400, { param: 'messages', code: 'missing_field' }])
    const modelless = await call('/v1/chat/completions', { body: { messages }, headers: headers() })
    expect([modelless.status, modelless.json!['error']]).toMatchObject([400, { param: 'model', code: 'missing_field' }])
  })
})

describe('without a configured key', () => {
  it('one is made, printed once, and required', async () => {
    const open = await startGateway({
      bare: true,
      config: { model_list: [{ model_name: 'd', litellm_params: { model: 'demo/fast' } }] },
    })
    const key = /master key\s+(sk-[\w-]{32})\s/.exec(open.logs())?.[1]
    expect(key).toBeDefined()
    expect((await chat({ url: open.url, key: '' }, 'd', 'hi')).status).toBe(401)
    expect((await chat({ url: open.url, key: 'sk-1234' }, 'd', 'hi')).status).toBe(401)
    expect((await chat({ url: open.url, key: key! }, 'd', 'hi')).status).toBe(200)
    await open.stop()
    const again = await startGateway({ bare: true, config: { model_list: [] } })
    expect(again.logs()).not.toContain(key)
    await again.stop()
  })

  it('LITELLM_MASTER_KEY is taken, and not printed', async () => {
    const own = await startGateway({
      bare: true,
      config: { model_list: [] },
      env: { LITELLM_MASTER_KEY: 'sk-from-environment' },
    })
    expect((await get({ ...own, url: own.url, key: 'sk-from-environment' }, '/v1/models')).status).toBe(200)
    expect(own.logs()).not.toContain('sk-from-environment')
    await own.stop()
  })
})

describe('the metrics switch', () => {
  it('opens /metrics only when told', async () => {
    expect((await call('/metrics', {})).status).toBe(401)
    const model_list = [deployment('m', upstream, 'm')]
    await configure(gateway, { model_list, litellm_settings: { require_auth_for_metrics_endpoint: false } })
    const open = await call('/metrics', {})
    expect([open.status, open.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    expect((await call('/v1/models', {})).status).toBe(401)
    await configure(gateway, { model_list })
    expect((await call('/metrics', {})).status).toBe(401)
  })
})
