import { describe, expect, it } from 'vitest'
import { parseConfig } from '../platform/config/load.ts'
import { Secret } from '../platform/security/secret.ts'
import { PriceBook } from '../providers/price-book.ts'
import type { Limits } from './reservation/reserve.ts'
import { Cooldown } from './routing/cooldown.ts'
import { LiveStats } from './routing/live-stats.ts'
import { ManualClock, seededRandom } from './routing/routing.fixtures.ts'
import { compileSnapshot } from './snapshot.ts'

const clock = new ManualClock()
const prices = PriceBook.load()

function compile(yaml: string, env: Record<string, string> = {}) {
  return compileSnapshot(parseConfig(yaml, { env }), 3, {
    prices,
    routing: { live: new LiveStats({ clock }), cooldown: new Cooldown({ clock }), clock, random: seededRandom(1) },
    masterKey: new Secret('sk-start'),
    limitsOf: () => ({}) as Limits,
    demoOrigin: 'http://127.0.0.1:7001',
  })
}

const entry = (name: string, params: string, info = '{}') =>
  `  - model_name: ${name}\n    litellm_params: { ${params} }\n    model_info: ${info}\n`
const list = (...entries: string[]) => `model_list:\n${entries.join('')}`
const one = (params: string, info?: string, more = '', env?: Record<string, string>) =>
  compile(list(entry('m', params, info)) + more, env).deployments[0]!

describe('compileSnapshot', () => {
  it('carries version, hash and limits', () => {
    const snapshot = compile(
      `${list(entry('m', 'model: demo/fast'))}general_settings: { max_request_size_mb: 2, max_in_flight_requests_per_worker: 7, completion_model: m }
routeiq: { stream_commit_timeout: 3, explain_entries: 5, shutdown_timeout_seconds: 4 }
`,
    )
    expect(snapshot).toMatchObject({
      version: 3,
      label: `3-${snapshot.hash}`,
      limits: { maxRequestBytes: 2 * 1024 * 1024, streamCommitTimeout: 3000 },
      admission: { maxInFlight: 7, maxQueued: 0 },
      forcedModels: { chat: 'm', embeddings: undefined },
      explainEntries: 5,
      shutdownTimeout: 4000,
    })
  })

  it('takes the key of the start unless the config names one', () => {
    const own = compile(`${list(entry('m', 'model: demo/fast'))}general_settings: { master_key: sk-own }\n`)
    expect(own.keys.master.matches('sk-own')).toBe(true)
    expect(own.keys.master.matches('sk-start')).toBe(false)
    const start = compile(list(entry('m', 'model: demo/fast')))
    expect(start.keys.master.matches('sk-start')).toBe(true)
  })

  it('warns of addresses that the egress policy will refuse, not of allowed or public ones', () => {
    const entries = [
      'http://localhost:1/v1',
      'http://10.0.0.1/v1',
      'http://192.168.1.1/v1',
      'https://models.example.com/v1',
    ]
    const yaml = list(
      ...entries.map((base, at) => entry(`m${at}`, `model: openai/x, api_base: "${base}", api_key: k`)),
      entry('d', 'model: demo/fast'),
    )
    const { warnings } = compile(`${yaml}routeiq: { egress: { allow_cidrs: [192.168.0.0/16] } }\n`)
    expect(warnings.map(warning => warning.slice(0, 2))).toEqual(['m0', 'm1'])
    expect(warnings[0]).toContain('allow_hosts')
  })

  it('skips vendors to come and, when told, what cannot be made', () => {
    const later = compile(list(entry('b', 'model: bedrock/x'), entry('d', 'model: demo/fast')))
    expect(later.deployments.map(({ group }) => group)).toEqual(['d'])
    expect(later.warnings).toEqual([expect.stringContaining('skipped: b (bedrock/x): vendor "bedrock"')])
    const broken = list(entry('x', 'model: no_such_vendor/x'), entry('d', 'model: demo/fast'))
    expect(() => compile(broken)).toThrow(/unknown vendor "no_such_vendor"/)
    const skipped = compile(`${broken}router_settings: { ignore_invalid_deployments: true }\n`)
    expect(skipped.deployments).toHaveLength(1)
    expect(skipped.warnings).toEqual([expect.stringContaining('skipped: model_list: x')])
  })
})

describe('a compiled deployment', () => {
  it('has an id that depends on its parameters, not on their order; model_info.id beats it', () => {
    const a = one('model: openai/x, api_key: k, rpm: 3').id
    expect(a).toMatch(/^[0-9a-f]{64}$/)
    expect(one('rpm: 3, api_key: k, model: openai/x').id).toBe(a)
    expect(one('model: openai/x, api_key: other, rpm: 3').id).not.toBe(a)
    expect(one('model: openai/x, api_key: k, rpm: 4').id).not.toBe(a)
    expect(one('model: azure/x, api_base: "https://a.example.com", azure_ad_token: t').id).not.toBe(
      one('model: azure/x, api_base: "https://a.example.com", azure_ad_token: u').id,
    )
    expect(one('model: openai/x', '{ id: mine }').id).toBe('mine')
  })

  it('takes address and key from the config, else from the environment, else from the vendor', () => {
    expect(one('model: openai/x, api_base: "https://a.example.com/v1/", api_key: k').target).toMatchObject({
      origin: 'https://a.example.com',
      basePath: '/v1',
    })
    const env = { OPENAI_API_KEY: 'sk-env', OPENAI_BASE_URL: 'https://env.example.com/v2', OPENAI_ORGANIZATION: 'org' }
    const fromEnv = one('model: openai/x', '{}', '', env).target
    expect([fromEnv.origin, fromEnv.basePath, fromEnv.apiKey?.reveal(), fromEnv.organization]).toEqual([
      'https://env.example.com',
      '/v2',
      'sk-env',
      'org',
    ])
    expect(one('model: openai/x').target).toMatchObject({ origin: 'https://api.openai.com', apiKey: undefined })
    expect(one('model: demo/fast').target.origin).toBe('http://127.0.0.1:7001')
    const azure = one('model: azure/x, api_base: "https://r.openai.azure.com/?api-version=2024-10-21"').target
    expect(azure.apiVersion).toBe('2024-10-21')
    expect(
      one('model: azure/x, api_base: "https://r.openai.azure.com"', '{}', '', {
        AZURE_AD_TOKEN: 't',
      }).target.bearerToken?.reveal(),
    ).toBe('t')
  })

  it.each([
    ['model: azure/x', /set litellm_params\.api_base or the environment variable AZURE_API_BASE/],
    ['model: openai/x, api_base: "nonsense"', /not a URL/],
    ['model: openai/x, api_base: "ftp://a.example.com"', /https:\/\/ or http:\/\//],
    ['model: openai/x, api_base: "https://u:pass-word@a.example.com"', /user name or password/],
    ['model: no-vendor', /does not say which vendor/],
  ])('cannot be made of %s', (params, message) => {
    let text = ''
    try {
      one(params)
    } catch (error) {
      text = String(error)
    }
    expect(text).toMatch(message)
    expect(text).not.toContain('pass-word')
  })

  it('has times in milliseconds, its own before the router’s, and router defaults below its own parameters', () => {
    const more =
      'router_settings: { timeout: 30, stream_timeout: 20, default_litellm_params: { timeout: 9, rpm: 5 }, default_max_parallel_requests: 4 }\n'
    expect(one('model: openai/x, stream_timeout: 2, cooldown_time: 0, max_retries: 1', '{}', more)).toMatchObject({
      timeout: 9000,
      streamTimeout: 2000,
      cooldown: 0,
      numRetries: 1,
      rpm: 5,
      maxParallelRequests: 4,
    })
    expect(one('model: openai/x, timeout: 1, num_retries: 2, max_retries: 1', '{}', more)).toMatchObject({
      timeout: 1000,
      numRetries: 2,
    })
  })

  it('sends unknown parameters to the vendor, and extra headers in lower case', () => {
    const { target } = one(
      'model: openai/x, temperature: 0.5, chat_template_kwargs: { a: 1 }, extra_headers: { X-Own: v }',
    )
    expect(target.defaults).toMatchObject({ temperature: 0.5, chat_template_kwargs: { a: 1 } })
    expect(target.defaults).not.toHaveProperty('model')
    expect(target.extraHeaders).toEqual({ 'x-own': 'v' })
    expect(one('model: demo/fast, words_per_second: 9').target.extraHeaders).toEqual({ 'x-demo-words-per-second': '9' })
  })

  it('takes prices from the map, its own, or those of its base model; the demo is free', () => {
    expect(one('model: openai/gpt-4o').price?.input).toBe(2_500_000)
    expect(one('model: openai/gpt-4o, input_cost_per_token: 0.000001').price?.input).toBe(1_000_000)
    expect(one('model: openai/mine', '{ base_model: gpt-4o }').price?.input).toBe(2_500_000)
    expect(one('model: openai/mine').price).toBeUndefined()
    expect(one('model: demo/fast').price?.input).toBe(0)
  })

  it('of a wildcard is made concrete per name, keeps its id, and is made once', () => {
    const { router } = compile(
      list(entry('team/*', 'model: openai/own-*, api_key: k'), entry('"*"', 'model: "*", api_key: k')),
    )
    const group = router.resolve('team/a')!
    expect(group.deployments[0]!.target.model).toBe('own-a')
    expect(group.deployments[0]!.group).toBe('team/*')
    expect(router.resolve('team/a')).toBe(group)
    expect(router.resolve('team/b')!.deployments[0]!.id).toBe(group.deployments[0]!.id)
    expect(router.resolve('anthropic/claude-x')!.deployments[0]!.target.vendor.id).toBe('anthropic')
    expect(() => router.resolve('nobody/knows')).toThrow(
      expect.objectContaining({ code: 'model_not_found', status: 404 }),
    )
    expect(router.resolve('gpt-4o')!.deployments[0]!.target).toMatchObject({
      model: 'gpt-4o',
      vendor: { id: 'openai' },
    })
  })
})
