import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure, deployment, get, metric, reload } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { literal, names, unopened } from './ssrf-corpus.ts'
import { type FakeDns, fakeDns } from './ssrf-dns.ts'

let upstream: Upstream
let gateway: Gateway
let dns: FakeDns
let rebinding: readonly (readonly string[])[] = []

beforeAll(async () => {
  upstream = await startUpstream()
  dns = await fakeDns((name, asked) => {
    if (name === 'rebind.evil.test') return rebinding[Math.min(asked, rebinding.length - 1)] ?? []
    return names[name] ?? []
  })
  gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'start')] } })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
  await dns.close()
})

const base = (group: string, apiBase: string): Json => ({
  model_name: group,
  litellm_params: { model: `openai/${group}`, api_base: apiBase, api_key: 'k' },
  model_info: { id: group },
})
const config = (entries: readonly Json[], egress: Json): Json => ({
  model_list: [...entries],
  router_settings: { num_retries: 0, disable_cooldowns: true },
  routeiq: { egress: { allow_cidrs: [], dns_servers: [dns.address], ...egress } },
})
const codeOf = (json: Json | undefined): unknown => (json?.['error'] as Json | undefined)?.['code']

describe('model addresses', () => {
  it('that are hostile are refused, every one, before anything is opened', async () => {
    const urls = [
      ...literal.map(({ url }) => url).filter(url => URL.canParse(url)),
      ...Object.keys(names).map(name => `http://${name}/v1`),
    ]
    const entries = urls.map((url, index) => base(`d${index}`, url))
    await configure(gateway, config(entries, {}))
    const verdicts = await Promise.all(
      urls.map(async (url, index) => {
        const { status, json } = await chat(gateway, `d${index}`, 'hi')
        return [url, status, codeOf(json)]
      }),
    )
    expect(urls.length).toBeGreaterThanOrEqual(150)
    expect(verdicts).toEqual(urls.map(url => [url, 403, 'egress_denied']))
    expect(upstream.connections).toBe(0)
  })

  it('that are not http, or carry a user, do not even load', async () => {
    // One deployment each: the config says what is wrong with the first alone.
    for (const { url } of unopened.filter((_, index) => index % 3 === 0)) {
      gateway.writeConfig(config([base('d', url)], {}))
      const answer = await reload(gateway)
      if (answer.status === 200)
        expect([url, codeOf((await chat(gateway, 'd', 'hi')).json)]).toEqual([url, 'egress_denied'])
      else expect([url, answer.status, codeOf(answer.json)]).toEqual([url, 400, 'config_invalid'])
    }
    expect(upstream.connections).toBe(0)
  })

  it('their twins are answered where they are allowed, by name and by address', async () => {
    const spellings = [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '127.0.0.1.',
      '[::ffff:7f00:1]',
      '①②⑦.⓪.⓪.①',
    ]
    const local = Object.keys(names).filter(name => names[name]?.includes('127.0.0.1'))
    const hosts = [...spellings, ...local, 'mapped.evil.test', 'LOOPBACK.evil.test.']
    const entries = hosts.map((host, index) => base(`t${index}`, `http://${host}:${upstream.port}/v1`))
    for (const egress of [
      { allow_cidrs: ['127.0.0.1/32'] },
      { providers: { allow_cidrs: ['127.0.0.1/32'] } },
      { allow_hosts: ['127.0.0.1', ...local, 'mapped.evil.test'] },
    ]) {
      await configure(gateway, config(entries, egress))
      for (const [index, host] of hosts.entries()) {
        // The AAAA record of a mapped address is no way to 127.0.0.1 on a machine without IPv6.
        if (host === 'mapped.evil.test') continue
        // A host is trusted as it is written in the URL; the mapped spelling is another one.
        if (host === '[::ffff:7f00:1]' && 'allow_hosts' in egress) continue
        expect([host, (await chat(gateway, `t${index}`, 'hi')).status]).toEqual([host, 200])
      }
    }
    await configure(gateway, config(entries, { allow_cidrs: ['127.0.0.1/32'], providers: {} }))
    expect((await chat(gateway, 't0', 'hi')).status, 'a section of its own uses only that').toBe(403)
  })

  it('that rebind between two calls are judged for each connection', async () => {
    rebinding = [['127.0.0.1'], ['169.254.169.254'], ['10.0.0.1']]
    const entries = [base('r', `http://rebind.evil.test:${upstream.port}/v1`)]
    await configure(gateway, config(entries, { allow_cidrs: ['127.0.0.1/32'] }))
    expect((await chat(gateway, 'r', 'hi')).status).toBe(200)
    expect(dns.asked.filter(question => question === 'A rebind.evil.test')).toHaveLength(1)
    // Each change of the rules ends the sockets of before; answers of DNS are remembered for five seconds.
    let round = 0
    await expect
      .poll(
        async () => {
          const other = `192.0.2.${round++ % 2}`
          await configure(gateway, config(entries, { allow_cidrs: ['127.0.0.1/32', other] }))
          return codeOf((await chat(gateway, 'r', 'hi')).json)
        },
        { timeout: 15_000, interval: 500 },
      )
      .toBe('egress_denied')
  }, 20_000)
})

it('refusals are counted and listed for the operator, one entry per destination', async () => {
  await configure(
    gateway,
    config([base('d', 'http://192.168.77.7/v1'), base('n', `http://loopback.evil.test:81/v1`)], {}),
  )
  const count = async (kind: string) =>
    metric((await get(gateway, '/metrics')).text, 'routeiq_egress_denials_total', {
      address_class: kind,
      purpose: 'providers',
    })
  const before = await count('private')
  for (let call = 0; call < 3; call++) await chat(gateway, 'd', 'hi')
  await chat(gateway, 'n', 'hi')
  expect(await count('private')).toBe(before + 3)
  const { denials } = (await get(gateway, '/v1/routeiq/egress/denials')).json as { denials: Json[] }
  expect(denials.slice(0, 2)).toMatchObject([
    { purpose: 'providers', host: 'loopback.evil.test', port: '81', reason: 'loopback', count: 1 },
    { purpose: 'providers', host: '192.168.77.7', port: '80', reason: 'private', count: 3 },
  ])
  await gateway.waitForLog(/192\.168\.77\.7.*refused/)
  const told = gateway
    .logs()
    .split('\n')
    .filter(line => line.includes('192.168.77.7') && line.includes('refused'))
  expect(told).toHaveLength(1)
})
