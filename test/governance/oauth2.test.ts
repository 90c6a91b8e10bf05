import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { errorOf } from './identity-world.ts'
import { newKey } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
let server: Server
let url: string
let asked = 0
let status = 200
const tokens: Record<string, Json> = {
  'good-token': { active: true, sub: 'alice', team_id: 't1' },
  'admin-token': { active: true, sub: 'root', role: 'proxy_admin' },
  'dead-token': { active: false, sub: 'alice' },
  'silent-token': { sub: 'alice' },
}

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      asked++
      const known = tokens[new URLSearchParams(body).get('token') ?? ''] ?? { active: false }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(known))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/introspect`
  upstream = await startUpstream()
  gateway = await startGateway({ config: config({ enable_oauth2_auth: true }) })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  server.closeAllConnections()
  server.close()
})

const config = (general: Json, routeiq: Json = {}): Json => ({
  model_list: [deployment('m', upstream, 'm')],
  environment_variables: { OAUTH_TOKEN_INFO_ENDPOINT: url, OAUTH_CLIENT_ID: 'gateway', OAUTH_CLIENT_SECRET: 'secret' },
  general_settings: general,
  routeiq: { egress: { allow_cidrs: ['127.0.0.0/8'] }, ...routeiq },
})
const ask = (key: string) => chat({ url: gateway.url, key }, 'm', 'hi')

describe('introspected tokens', () => {
  it('call models; each is asked about once', async () => {
    expect((await ask('good-token')).status).toBe(200)
    const before = asked
    for (let count = 0; count < 5; count++) expect((await ask('good-token')).status).toBe(200)
    expect(asked).toBe(before)
    expect((await send(`${gateway.url}/user/list`, { headers: { authorization: 'Bearer admin-token' } })).status).toBe(
      200,
    )
    expect(
      (await send(`${gateway.url}/user/new`, { body: {}, headers: { authorization: 'Bearer good-token' } })).status,
    ).toBe(403)
  })

  it('that are not active, unknown, or only begin like a good one are refused', async () => {
    for (const token of ['dead-token', 'silent-token', 'unknown', 'good-toke', 'good-token2']) {
      expect(errorOf(await ask(token)).code, token).toBe('invalid_api_key')
    }
  })

  it('leave virtual keys as they are, and an outage is one', async () => {
    expect((await ask(await newKey(gateway))).status).toBe(200)
    status = 500
    const answer = await ask('another-token')
    expect([answer.status, errorOf(answer).code]).toEqual([503, 'identity_unavailable'])
    expect((await ask('good-token')).status).toBe(200)
    status = 200
  })
})

describe('identity headers of a proxy', () => {
  const general = { enable_oauth2_proxy_auth: true, oauth2_config_mappings: { user_id: 'x-forwarded-user' } }
  const models = (headers: Record<string, string>) => send(`${gateway.url}/v1/models`, { headers })

  it('are believed from trusted proxies only', async () => {
    await configure(gateway, config(general, { trusted_proxies: ['127.0.0.1'] }))
    expect((await models({ 'x-forwarded-user': 'alice' })).status).toBe(200)
    expect((await models({})).status).toBe(401)
    await configure(gateway, config(general, { trusted_proxies: ['192.0.2.0/24'] }))
    const sent: Record<string, string>[] = [{}, { 'x-forwarded-for': '192.0.2.1' }]
    for (const headers of sent) {
      expect((await models({ 'x-forwarded-user': 'alice', ...headers })).status).toBe(403)
    }
    await configure(gateway, config({}))
    expect((await models({ 'x-forwarded-user': 'alice' })).status).toBe(401)
  })
})

describe('a custom module', () => {
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-custom-'))
  const file = join(folder, 'auth.mjs')
  const write = (text: string): void => writeFileSync(file, text)
  const call = (key: string) => ask(key)

  it('decides who calls, beside keys when it is told so', async () => {
    write(`export default (request, key) => {
      if (key === 'custom-1') return { user_id: 'custom-user', models: ['m'] }
      if (key === 'none') return { user_id: 'custom-user', models: ['other'] }
      if (key === 'limited') return { user_id: 'slow', rpm_limit: 1 }
      if (key === 'broken') return { user_id: 7 }
      if (key === 'slow') return new Promise(() => {})
      throw new Error('the password of the database is hunter2')
    }`)
    await configure(gateway, config({ custom_auth: file, custom_auth_settings: { mode: 'auto' } }))
    expect((await call('custom-1')).status).toBe(200)
    expect(errorOf(await call('none')).code).toBe('model_access_denied')
    expect((await call('limited')).status).toBe(200)
    expect((await call('limited')).status).toBe(429)
    const key = await newKey(gateway)
    expect((await call(key)).status).toBe(200)
    const refused = await call('unknown')
    expect([refused.status, refused.text]).toEqual([401, expect.not.stringContaining('hunter2')])
    expect((await call('broken')).status).toBe(500)
    expect((await call(gateway.key)).status).toBe(200)
    await configure(gateway, config({ custom_auth: file, custom_auth_settings: { mode: 'on' } }))
    expect((await call(key)).status).toBe(401)
    expect((await call('custom-1')).status).toBe(200)
  })

  it('is loaded anew with the configuration, and refused when it cannot be', async () => {
    write('export default () => ({ user_id: "anybody" })')
    await configure(
      gateway,
      config({ custom_auth: file, custom_auth_settings: { mode: 'on' }, litellm_key_header_name: 'x-changed' }),
    )
    expect((await call('whatever')).status).toBe(200)
    gateway.writeConfig(config({ custom_auth: './not-there.js' }))
    const answer = await send(`${gateway.url}/config/reload`, {
      body: {},
      headers: { authorization: `Bearer ${gateway.key}` },
    })
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('not-there.js')])
    expect((await call('whatever')).status).toBe(200)
  })
})
