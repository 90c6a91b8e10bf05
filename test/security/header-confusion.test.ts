import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { newKey } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'

/** Carriers in the order docs/access.md gives: the first that is there counts, and nothing else is tried. */
const carriers = [
  'x-litellm-api-key',
  'x-own-key',
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'ocp-apim-subscription-key',
]

let upstream: Upstream
let gateway: Gateway
let small: string
let large: string
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({
    config: {
      model_list: [deployment('small', upstream, 'small'), deployment('large', upstream, 'large')],
      general_settings: { litellm_key_header_name: 'X-Own-Key' },
    },
  })
  small = await newKey(gateway, { models: ['small'] })
  large = await newKey(gateway, { models: ['large'] })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

/** Whose key counted: the only model that it may see, or the status. */
async function who(headers: Record<string, string>): Promise<unknown> {
  const answer = await send(`${gateway.url}/v1/models`, { headers })
  return answer.status === 200
    ? ((answer.json!['data'] ?? []) as Json[]).map(model => model['id']).join()
    : answer.status
}

/** A request head exactly as given, header lines twice and all. */
function whoRaw(lines: readonly string[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.port, '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', piece => {
      text += piece
    })
    socket.on('error', reject)
    socket.on('close', () => {
      const status = Number(text.slice(9, 12))
      const ids = [...text.matchAll(/"id":"(\w+)"/g)].map(match => match[1])
      resolve(status === 200 ? ids.join() : status)
    })
    socket.write(['GET /v1/models HTTP/1.1', 'host: x', 'connection: close', ...lines, '', ''].join('\r\n'))
  })
}

describe('several keys in one request', () => {
  it('each carrier alone opens the door', async () => {
    for (const carrier of carriers) expect(await who({ [carrier]: small }), carrier).toBe('small')
  })

  it('the first carrier counts, in a fixed order, however the lines are ordered', async () => {
    for (const [index, first] of carriers.entries()) {
      for (const second of carriers.slice(index + 1)) {
        expect(await who({ [first]: small, [second]: large }), `${first}, ${second}`).toBe('small')
        expect(await who({ [second]: large, [first]: small }), `${second}, ${first}`).toBe('small')
        // A wrong key is not made good by a right one behind it.
        expect(await who({ [first]: 'sk-wrong', [second]: large }), `${first} wrong`).toBe(401)
        // An empty header carries nothing.
        expect(await who({ [first]: '', [second]: large }), `${first} empty`).toBe('large')
      }
    }
  })

  it('one header twice never adds up to two chances', async () => {
    // Node takes the first of a header that may come once, and joins the others.
    expect(await whoRaw([`authorization: Bearer ${small}`, `authorization: Bearer ${large}`])).toBe('small')
    expect(await whoRaw(['authorization: Bearer sk-wrong', `authorization: Bearer ${large}`])).toBe(401)
    for (const carrier of carriers.filter(name => name !== 'authorization')) {
      expect(await whoRaw([`${carrier}: ${small}`, `${carrier}: ${large}`]), carrier).toBe(401)
      expect(await whoRaw([`${carrier}: ${small}, ${large}`]), carrier).toBe(401)
    }
    expect(await whoRaw([`authorization: Bearer ${small}, Bearer ${large}`])).toBe(401)
  })

  it('what is almost a header, or a key in another place, is none', async () => {
    for (const line of [
      `authorization : Bearer ${small}`,
      ` authorization: Bearer ${small}`,
      `authorization\t: Bearer ${small}`,
      `x-api_key: ${small}`,
      `x_api_key: ${small}`,
      `cookie: authorization=Bearer ${small}`,
      `proxy-authorization: Bearer ${small}`,
      `authorization: Basic ${Buffer.from(`x:${small}`).toString('base64')}`,
      `authorization: Token ${small}`,
      `authorization: Bearer`,
      `authorization: Bearer Bearer ${small}`,
    ]) {
      expect([400, 401], line).toContain(await whoRaw([line]))
    }
    for (const query of [`key=${small}`, `api_key=${small}`, `access_token=${small}`]) {
      expect((await send(`${gateway.url}/v1/models?${query}`)).status, query).toBe(401)
    }
  })

  it('no header makes somebody else of the caller', async () => {
    const claims = {
      'x-litellm-user': 'admin',
      'x-litellm-user-role': 'proxy_admin',
      'x-litellm-team-id': 'somebodys-team',
      'x-litellm-changed-by': 'admin',
      'litellm-changed-by': 'admin',
      'x-forwarded-user': 'admin',
      'x-forwarded-email': 'admin@x.test',
      'x-forwarded-groups': 'proxy_admin',
      'x-user-id': 'admin',
      'x-user-role': 'proxy_admin',
    }
    expect(await who({ authorization: `Bearer ${small}`, ...claims })).toBe('small')
    expect(await who(claims)).toBe(401)
    const session = await send(`${gateway.url}/v1/routeiq/session`, {
      headers: { authorization: `Bearer ${small}`, ...claims },
    })
    expect(session.json).toMatchObject({
      proof: 'virtual_key',
      user_id: null,
      team_id: null,
      user_role: 'internal_user',
    })
  })
})
