import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, message, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { answeredBy, called, configure, deployment, get, metric, reload } from './setup.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'start')] } })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const at = (host: string): Pick<Upstream, 'url'> => ({ url: `http://${host}:${upstream.port}` })
const allow = (egress: Json, ...hosts: string[]) =>
  configure(gateway, {
    model_list: hosts.map(host => deployment(host, at(host), `at-${host}`)),
    router_settings: { num_retries: 0 },
    // The harness allows loopback unless the test says otherwise.
    routeiq: { egress: { allow_cidrs: [], ...egress } },
  })

function denied(answer: StreamAnswer, host: string): void {
  expect([answer.status, answer.json!['error']], answer.text).toMatchObject([
    403,
    { code: 'egress_denied', type: 'permission_error', message: expect.stringContaining(host) },
  ])
}

const denials = async (): Promise<number> =>
  metric((await get(gateway, '/metrics')).text, 'routeiq_egress_denials_total', { address_class: 'loopback' })

describe('the outbound door', () => {
  it('refuses loopback by address and by name unless it is allowed, and counts it', async () => {
    const reply = await allow({}, '127.0.0.1', 'localhost')
    expect(reply['warnings']).toEqual([expect.stringContaining('127.0.0.1'), expect.stringContaining('localhost')])
    const before = await denials()
    denied(await chat(gateway, '127.0.0.1', 'hi'), '127.0.0.1')
    denied(await chatStream(gateway, '127.0.0.1', 'hi'), '127.0.0.1')
    denied(await chat(gateway, 'localhost', 'hi'), 'localhost')
    const anthropic = await message(gateway, '127.0.0.1', 'hi')
    expect([anthropic.status, anthropic.json]).toMatchObject([
      403,
      { type: 'error', error: { type: 'permission_error' } },
    ])
    expect(await denials()).toBe(before + 4)
    expect([upstream.requests, upstream.connections]).toEqual([[], 0])
    await gateway.waitForLog(/outbound connection refused/)
  })

  it.each([
    ['allow_cidrs', { allow_cidrs: ['127.0.0.0/8', '::1/128'] }],
    ['allow_hosts', { allow_hosts: ['127.0.0.1', 'localhost'] }],
    [
      'allow_hosts with the port',
      () => ({ allow_hosts: [`127.0.0.1:${upstream.port}`, `localhost:${upstream.port}`] }),
    ],
  ])('lets it pass with %s', async (_name, egress) => {
    await allow(typeof egress === 'function' ? egress() : egress, '127.0.0.1', 'localhost')
    expect((await chat(gateway, '127.0.0.1', 'hi')).status).toBe(200)
    expect((await chat(gateway, 'localhost', 'hi')).status).toBe(200)
    expect(called(upstream)).toHaveLength(2)
  })

  it('another host or port on the list opens nothing', async () => {
    await allow(
      { allow_hosts: [`127.0.0.1:${upstream.port + 1}`, '*.localhost', '127.0.0.2'], allow_cidrs: ['10.0.0.0/8'] },
      '127.0.0.1',
      'localhost',
    )
    denied(await chat(gateway, '127.0.0.1', 'hi'), '127.0.0.1')
    denied(await chat(gateway, 'localhost', 'hi'), 'localhost')
  })

  it('refuses other spellings of the same addresses, and the places where machines keep credentials', async () => {
    const hosts = [
      '2130706433',
      '0x7f.1',
      '127.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      '169.254.169.254',
      '10.0.0.1',
      '100.64.0.1',
      '[64:ff9b::7f00:1]',
    ]
    await configure(gateway, {
      model_list: hosts.map((host, index) => deployment(`d${index}`, at(host), `s${index}`)),
      router_settings: { num_retries: 0 },
      routeiq: { egress: { allow_cidrs: [] } },
    })
    for (const [index, host] of hosts.entries()) {
      const answer = await chat(gateway, `d${index}`, 'hi')
      expect([answer.status, (answer.json!['error'] as Json)['code']], host).toEqual([403, 'egress_denied'])
    }
    expect(upstream.connections).toBe(0)
  })

  it('a reload that takes the permission away acts on open connections too', async () => {
    await allow({ allow_cidrs: ['127.0.0.1/32'] }, '127.0.0.1')
    expect((await chat(gateway, '127.0.0.1', 'hi')).status).toBe(200)
    expect(upstream.connections).toBeGreaterThan(0)
    upstream.fault('at-127.0.0.1', 'chunks=20,cadence=20')
    let begun: (() => void) | undefined
    const first = new Promise<void>(resolve => {
      begun = resolve
    })
    const streaming = chatStream(gateway, '127.0.0.1', 'hi', {}, { onEvent: () => begun?.() })
    await first
    await allow({}, '127.0.0.1')
    denied(await chat(gateway, '127.0.0.1', 'hi'), '127.0.0.1')
    const answer = await streaming
    expect([answer.end, answer.events.at(-1)!.data], 'the call in flight ends well').toEqual(['clean', '[DONE]'])
    denied(await chat(gateway, '127.0.0.1', 'hi'), '127.0.0.1')
    await expect.poll(() => upstream.connections).toBe(0)
  })

  it('a fallback takes over from a refused address, and the refused one is not to blame', async () => {
    await configure(gateway, {
      model_list: [deployment('near', at('localhost'), 'near'), deployment('ok', at('127.0.0.1'), 'ok')],
      router_settings: { fallbacks: [{ near: ['ok'] }] },
      routeiq: { egress: { allow_cidrs: [], allow_hosts: ['127.0.0.1'] } },
    })
    for (let call = 0; call < 3; call++) expect(answeredBy(await chat(gateway, 'near', 'hi'))).toBe('ok')
  })

  it('redirects are not followed', async () => {
    await allow({ allow_cidrs: ['127.0.0.0/8'] }, '127.0.0.1')
    upstream.fault('at-127.0.0.1', { status: 302, location: `${upstream.url}/elsewhere` })
    const answer = await chat(gateway, '127.0.0.1', 'hi')
    expect([answer.status, answer.json!['error']]).toMatchObject([
      502,
      { message: expect.stringContaining('redirect') },
    ])
    expect(upstream.requests).toHaveLength(1)
  })

  it('malformed entries are refused with the config', async () => {
    for (const egress of [
      { allow_hosts: ['http://localhost'] },
      { allow_cidrs: ['10.0.0.0/99'] },
      { allow_cidrs: ['localhost'] },
    ]) {
      gateway.writeConfig({ model_list: [deployment('m', upstream, 'm')], routeiq: { egress } })
      const answer = await reload(gateway)
      expect([answer.status, answer.json!['error']]).toMatchObject([
        400,
        { message: expect.stringContaining('routeiq.egress') },
      ])
    }
  })
})
