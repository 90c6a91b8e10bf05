import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

describe('a key that has spent its budget', () => {
  let upstream: Upstream
  let gateway: Gateway
  let slack: Server
  const messages: string[] = []
  beforeAll(async () => {
    upstream = await startUpstream()
    slack = createServer((request, response) => {
      let body = ''
      request.on('data', chunk => (body += chunk))
      request.on('end', () => {
        messages.push(String((JSON.parse(body) as Json)['text']))
        response.end('ok')
      })
    })
    await new Promise<void>(resolve => slack.listen(0, '127.0.0.1', resolve))
    const { port } = slack.address() as AddressInfo
    gateway = await startGateway({
      config: {
        model_list: [deployment('m', upstream, 'm', { input_cost_per_token: 0.001, output_cost_per_token: 0.001 })],
        litellm_settings: { default_soft_budget: 0.0005 },
        general_settings: { alerting: ['slack'] },
        routeiq: {
          egress: { allow_cidrs: ['127.0.0.0/8'], webhooks: { allow_cidrs: ['127.0.0.0/8'], ports: [port] } },
        },
      },
      env: { SLACK_WEBHOOK_URL: `http://127.0.0.1:${port}/services/T0/B0/secret` },
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await new Promise(resolve => slack.close(resolve))
    await upstream.close()
  })
  const ask = (key: string): Promise<StreamAnswer> => chat({ url: gateway.url, key }, 'm', 'hi', { max_tokens: 5 })
  const told = (answer: StreamAnswer): unknown[] => [
    answer.status,
    (answer.json?.['error'] as Json | undefined)?.['code'],
  ]
  const refused = [429, 'budget_exceeded']
  const slowed = [429, 'rate_limit_exceeded']
  const throttled = { max_budget: 0.001, rpm_limit: 30, throttle_on_budget_exceeded: true }

  it('is refused as long as nobody says by how much it is slowed down', async () => {
    const key = await newKey(gateway, throttled)
    expect((await ask(key)).status).toBe(200)
    expect(told(await ask(key))).toEqual(refused)
  })

  it('goes on at a part of its rates with throttle_on_budget_exceeded', async () => {
    expect(
      await done(gateway, 'PATCH', '/update/budget_settings', { budget_exceeded_throttle_percentage: 0.1 }),
    ).toMatchObject({ status: 'success' })
    expect(await done(gateway, 'GET', '/get/budget_settings')).toMatchObject({
      values: { budget_exceeded_throttle_percentage: 0.1 },
    })
    const key = await newKey(gateway, throttled)
    // Three of thirty: the one that crosses the budget, and two more.
    const answers = [await ask(key), await ask(key), await ask(key)]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(answers[2]?.headers['x-ratelimit-limit-requests']).toBe('3')
    expect(told(await ask(key))).toEqual(slowed)
    // More money, and it is as fast as before.
    await done(gateway, 'POST', '/key/update', { key, max_budget: 100 })
    for (let i = 0; i < 5; i++) expect((await ask(key)).status).toBe(200)
    // Without rates there is nothing to slow down; without the flag nobody asked for it.
    for (const fields of [{ rpm_limit: null }, { throttle_on_budget_exceeded: false }]) {
      const other = await newKey(gateway, { ...throttled, ...fields })
      expect((await ask(other)).status).toBe(200)
      expect(told(await ask(other)), JSON.stringify(fields)).toEqual(refused)
    }
    for (const share of [0, 1.5, -1]) {
      const body = { budget_exceeded_throttle_percentage: share }
      expect((await api(gateway, 'PATCH', '/update/budget_settings', body)).status).toBe(400)
    }
  })

  it('is only slowed down where an administrator says so', async () => {
    await done(gateway, 'POST', '/user/new', { user_id: 'slow', auto_create_key: false })
    const own = await newKey(gateway, { user_id: 'slow' })
    expect((await api(gateway, 'POST', '/key/generate', throttled, own)).status).toBe(403)
    const plain = { ...throttled, throttle_on_budget_exceeded: false }
    expect((await api(gateway, 'POST', '/key/generate', plain, own)).status).toBe(200)
  })

  it('is told of in Slack, with the soft budget every new key has by default', async () => {
    const made = await done(gateway, 'POST', '/key/generate', { key_alias: '<!channel> & co', max_budget: 0.001 })
    expect(made['soft_budget']).toBe(0.0005)
    const other = await done(gateway, 'POST', '/key/generate', { soft_budget: 7 })
    expect(other['soft_budget']).toBe(7)
    await ask(String(made['key']))
    const about = await eventually(() => {
      const found = messages.filter(text => text.includes('co`'))
      return found.some(text => text.startsWith('*soft_budget_crossed*')) ? found : undefined
    })
    expect(about.join()).toContain('key `&lt;!channel&gt; &amp; co`')
    expect(gateway.logs()).not.toContain('B0/secret')
  })
})
