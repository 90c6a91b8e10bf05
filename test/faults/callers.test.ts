import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream, message } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { type SlowReader, slowChat } from './slow-reader.ts'
import { startTorrent, type Torrent } from './torrent.ts'

const megabyte = 1024 * 1024
const messages = [{ role: 'user', content: 'hi' }]

/** Callers that leave, read slowly, or stop reading. */
describe('callers', () => {
  let gateway: Gateway
  let upstream: Upstream
  let torrent: Torrent
  beforeAll(async () => {
    ;[upstream, torrent] = await Promise.all([startUpstream(), startTorrent()])
    const entry = (name: string, model: string, url: string, params: Json): Json => ({
      model_name: name,
      litellm_params: {
        model: `openai/${model}`,
        api_base: `${url}/v1`,
        api_key: 'sk-upstream',
        num_retries: 0,
        ...params,
      },
    })
    const model = (name: string, fault: string, params: Json = {}): Json =>
      entry(name, `${name}@${fault}`, upstream.url, params)
    const flow = (name: string, params: Json = {}): Json => entry(name, name, torrent.url, params)
    gateway = await startGateway({
      config: {
        model_list: [
          model('endless', 'chunks=2000,cadence=20'),
          model('hanging', 'hang'),
          model('silent', 'ttft=30000'),
          model('trickling', 'drip=2,cadence=20'),
          model('failing', 'status=503', { num_retries: 5 }),
          flow('torrent'),
          flow('zipped'),
          flow('torrent-unread', { stream_idle_timeout: 1 }),
          flow('big', { timeout: 1 }),
        ],
        router_settings: { disable_cooldowns: true },
      },
    })
  })
  afterAll(async () => {
    await gateway?.stop()
    await Promise.all([upstream?.close(), torrent?.close()])
  })
  beforeEach(() => upstream.reset())

  describe('that leave', () => {
    /** How long the upstream call outlives its caller, for several callers one after the other. */
    async function delays(call: (signal: AbortSignal) => Promise<unknown>, arrived: (bytes: number) => boolean) {
      const found: number[] = []
      for (let round = 0; round < 9; round++) {
        upstream.reset()
        const controller = new AbortController()
        const pending = call(controller.signal).catch(() => undefined)
        const request = await upstream.waitFor(({ bytesSent }) => arrived(bytesSent))
        const left = performance.now()
        controller.abort()
        await upstream.waitFor(({ abortedAt }) => abortedAt !== undefined)
        found.push(request.abortedAt! - left)
        await pending
      }
      return found.sort((a, b) => a - b)
    }

    const anyBytes = (): boolean => true
    const someBytes = (bytes: number): boolean => bytes > 500

    it.each([
      [
        'in the middle of a stream',
        (signal: AbortSignal) => chatStream(gateway, 'endless', 'hi', {}, { signal }),
        someBytes,
      ],
      [
        'in a translated stream',
        (signal: AbortSignal) => message(gateway, 'endless', 'hi', { stream: true }, { signal }),
        someBytes,
      ],
      [
        'before a stream’s head',
        (signal: AbortSignal) => chatStream(gateway, 'silent', 'hi', {}, { signal }),
        anyBytes,
      ],
      [
        'before the upstream answers',
        (signal: AbortSignal) => chat(gateway, 'hanging', 'hi', {}, { signal }),
        anyBytes,
      ],
      [
        'in the middle of a plain answer',
        (signal: AbortSignal) => chat(gateway, 'trickling', 'hi', {}, { signal }),
        (bytes: number) => bytes > 10,
      ],
    ])('%s: the upstream call is aborted within 50 ms', async (_name, call, arrived) => {
      const found = await delays(call, arrived)
      expect(found[4], String(found)).toBeLessThan(50)
      expect(found[8], String(found)).toBeLessThan(500)
    })

    it('during a back-off: no further attempt is made', async () => {
      const controller = new AbortController()
      const pending = chat(gateway, 'failing', 'hi', {}, { signal: controller.signal }).catch(() => undefined)
      await upstream.waitFor(({ finishedAt }) => finishedAt !== undefined)
      controller.abort()
      await pending
      // The first back-off is 125 to 500 ms.
      await sleep(700)
      expect(upstream.requests.length).toBe(1)
    })

    it('cost no place among the calls in flight', async () => {
      const text = await (
        await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${gateway.key}` } })
      ).text()
      expect(text).toMatch(/in_flight[^\n]* 0(\n|$)/)
    })
  })

  describe('that read slowly', () => {
    beforeEach(() => torrent.forget())

    it.each([
      // What fills up is sockets and kernel buffers (a few MB for each connection), not the gateway.
      { model: 'torrent', atMost: 60 * megabyte },
      // 200 MB are less than 1 MB here: all of it may have arrived, none of it may have been unpacked ahead of its reader.
      { model: 'zipped', atMost: 3 * megabyte },
    ])('hold the upstream back and cost bounded memory: $model', async ({ model, atMost }) => {
      // What the process takes once, it takes before.
      await chatStream(gateway, model, 'warm up', {}, { signal: AbortSignal.timeout(500) }).catch(() => undefined)
      torrent.forget()
      const before = gateway.rss()
      const readers = await Promise.all([1, 2, 3].map(() => slowChat(gateway, { model, messages, stream: true })))
      const sent = (): number => torrent.flows.reduce((sum, flow) => sum + flow.sent, 0)
      const peak = await peakUntilQuiet(sent, () => gateway.rss())
      expect(torrent.flows.length).toBe(3)
      expect(sent()).toBeLessThan(atMost)
      expect(peak - before).toBeLessThan(60 * megabyte)
      // The stream is not dead, it waits for its reader.
      const [reader] = readers as [SlowReader, ...SlowReader[]]
      reader.read()
      await until(() => reader.received > 30 * megabyte)
      expect(reader.text()).toMatch(/^HTTP\/1\.1 200 OK/)
      for (const one of readers) one.leave()
      await until(() => torrent.flows.every(({ over }) => over))
    })

    it('for ever lose their stream after stream_idle_timeout, and so does the upstream', async () => {
      const reader = await slowChat(gateway, { model: 'torrent-unread', messages, stream: true })
      await until(() => torrent.flows[0]?.over === true)
      expect(torrent.flows[0]?.sent).toBeLessThan(30 * megabyte)
      reader.read()
      await reader.closed
      expect(reader.received).toBeLessThan(30 * megabyte)
    })

    it('for ever lose their plain answer after timeout', async () => {
      const reader = await slowChat(gateway, { model: 'big', messages })
      await until(() => torrent.flows[0]?.over === true)
      // The answer is complete in the gateway; only its reader is missing. It gets a second, then the connection goes.
      await gateway.waitForLog(/"model":"big","deployment"/)
      await sleep(2500)
      reader.read()
      await reader.closed
      expect(reader.received).toBeGreaterThan(0)
      expect(reader.received).toBeLessThan(20 * megabyte)
    })
  })
})

/** Watches until nothing more was sent for half a second; returns the highest memory seen. */
async function peakUntilQuiet(sent: () => number, memory: () => number): Promise<number> {
  let peak = 0
  let last = -1
  for (let quiet = 0; quiet < 10; ) {
    await sleep(50)
    peak = Math.max(peak, memory())
    quiet = sent() > 0 && sent() === last ? quiet + 1 : 0
    last = sent()
  }
  return peak
}

async function until(condition: () => boolean, timeout = 20_000): Promise<void> {
  const end = performance.now() + timeout
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${condition}`)
    await sleep(10)
  }
}
