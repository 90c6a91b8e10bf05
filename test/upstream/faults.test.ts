import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startFastUpstream } from './fast.ts'
import { parseFault, splitModel } from './fault.ts'
import { startUpstream, type Upstream } from './server.ts'

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
beforeEach(() => upstream.reset())
afterAll(() => upstream.close())

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  bytes: Buffer
  text: string
  /** How many reads the body came in. */
  reads: number
  /** Set when the body did not end as HTTP says it must. */
  broken: string | undefined
  elapsed: number
}

function post(
  model: string,
  extra: object = {},
  headers: Record<string, string> = {},
  url = upstream.url,
): Promise<Answer> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'héllo 🎉 wörld' }], ...extra })
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer k',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...headers,
      },
    })
    request.on('error', reject)
    request.on('response', response => {
      const chunks: Buffer[] = []
      const finish = (broken: string | undefined): void => {
        const bytes = Buffer.concat(chunks)
        const elapsed = performance.now() - started
        const text = bytes.toString('utf8')
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          bytes,
          text,
          reads: chunks.length,
          broken,
          elapsed,
        })
      }
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => finish(undefined))
      response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
    })
    request.end(body)
  })
}

const stream = { stream: true }
const contents = (text: string): string =>
  text
    .split(/\r?\n\r?\n/)
    .filter(event => event.startsWith('data: {'))
    .map(event => JSON.parse(event.slice(6)).choices[0]?.delta?.content ?? '')
    .join('')

describe('fault texts', () => {
  it('reads numbers, flags and texts, and refuses what it does not know', () => {
    expect(parseFault('status=503,retry_after=2,crlf,ping=false')).toEqual({
      status: 503,
      retry_after: '2',
      crlf: true,
      ping: false,
    })
    expect(() => parseFault('sttus=500')).toThrow(/unknown fault 'sttus'/)
    expect(() => parseFault('status=abc')).toThrow(/not a number/)
    expect(() => parseFault('status')).toThrow(/needs a value/)
    expect(splitModel('gpt-4o@status=500')).toEqual({ model: 'gpt-4o', faultText: 'status=500' })
    expect(splitModel('claude-sonnet-4@20250514')).toEqual({ model: 'claude-sonnet-4@20250514', faultText: '' })
  })
})

describe('faults', () => {
  it('answers a status with the vendor body and Retry-After, from name, header or program', async () => {
    const named = await post('gpt-4o@status=429,retry_after=7')
    expect(named).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
    expect(JSON.parse(named.text).error.code).toBe('rate_limit_exceeded')
    expect((await post('gpt-4o', {}, { 'x-fault': 'status=503' })).status).toBe(503)
    const undo = upstream.fault('gpt-4o', { status: 502 })
    expect((await post('gpt-4o')).status).toBe(502)
    undo()
    expect((await post('gpt-4o')).status).toBe(200)
    expect((await post('gpt-4o@context')).text).toContain('context_length_exceeded')
  })

  it('fails the first N calls only', async () => {
    const statuses = []
    for (let call = 0; call < 4; call++) statuses.push((await post('gpt-4o@fail=2,status=503')).status)
    expect(statuses).toEqual([503, 503, 200, 200])
  })

  it('waits before the head and before the first content', async () => {
    const [delayed, slow] = await Promise.all([post('gpt-4o@delay=80'), post('gpt-4o@ttft=80,cadence=20', stream)])
    expect(delayed.elapsed).toBeGreaterThan(75)
    // Four content frames: 80 ms before the first, 20 ms before each further frame.
    expect(slow.elapsed).toBeGreaterThan(80 + 3 * 20 - 5)
    expect(contents(slow.text)).toBe('echo: héllo 🎉 wörld')
  })

  it('streams an exact number of content chunks', async () => {
    const answer = await post('gpt-4o@chunks=37', stream)
    const events = answer.text
      .split('\n\n')
      .filter(event => event.includes('"content":"') && !event.includes('"content":""'))
    expect(events).toHaveLength(37)
  })

  it('cuts at a byte, before an event and after content', async () => {
    expect(await post('gpt-4o@cut=30')).toMatchObject({ broken: 'ECONNRESET', text: expect.stringMatching(/^.{30}$/s) })
    const atEvent = await post('gpt-4o@cut_event=2', stream)
    expect(atEvent.broken).toBe('ECONNRESET')
    expect(atEvent.text.split('\n\n').filter(Boolean)).toHaveLength(2)
    const early = await post('gpt-4o@cut_content=0', stream)
    expect(early.broken).toBe('ECONNRESET')
    expect(contents(early.text)).toBe('')
  })

  it('ends cleanly without a terminal event', async () => {
    const ended = await post('gpt-4o@end_content=2', stream)
    expect(ended.broken).toBeUndefined()
    expect(contents(ended.text)).toBe('echo: héllo')
    expect(ended.text).not.toContain('[DONE]')
    const undone = await post('gpt-4o@no_done', stream)
    expect(undone.text).toContain('"finish_reason":"stop"')
    expect(undone.text).not.toContain('[DONE]')
  })

  it('sends broken JSON', async () => {
    expect(() => JSON.parse('{}')).not.toThrow()
    const body = await post('gpt-4o@malformed')
    expect(() => JSON.parse(body.text)).toThrow()
    const streamed = await post('gpt-4o@malformed=2', stream)
    const broken = streamed.text.split('\n\n')[2]!
    expect(() => JSON.parse(broken.slice(6))).toThrow()
  })

  it('splits inside characters, with CRLF and pings, and the text survives', async () => {
    const answer = await post('gpt-4o@split=1,crlf,ping', stream)
    expect(answer.reads).toBeGreaterThan(20)
    expect(answer.text).toContain(': ping\r\n\r\n')
    expect(answer.text.replaceAll('\r\n', '')).not.toContain('\n')
    expect(contents(answer.text)).toBe('echo: héllo 🎉 wörld')
  })

  it('puts errors into a 200: as body, as first event, before content and in the middle', async () => {
    const body = await post('gpt-4o@error_body')
    expect(body.status).toBe(200)
    expect(JSON.parse(body.text).error.type).toBe('server_error')
    const first = await post('gpt-4o@error_event=0', stream)
    expect(first.text).toMatch(/^data: \{"error"/)
    const before = await post('gpt-4o@error_content=0,error_kind=rate_limit', stream)
    expect(before.text.split('\n\n')[1]).toContain('rate_limit_exceeded')
    const middle = await post('gpt-4o@error_content=2', stream)
    expect(contents(middle.text.replace(/data: \{"error".*\n\n/, ''))).toBe('echo: héllo')
    expect(middle.text).toContain('"error"')
  })

  it('lies about the content length', async () => {
    expect((await post('gpt-4o@content_length=10')).broken).toBe('ECONNRESET')
    // The surplus bytes spoil the connection: a client sees a truncated body or an HTTP parse error, never a whole answer.
    const short = await post('gpt-4o@content_length=-10')
      .then(
        answer => JSON.parse(answer.text),
        error => Promise.reject(error),
      )
      .then(
        () => 'whole',
        () => 'broken',
      )
    expect(short).toBe('broken')
  })

  it('compresses bodies and streams', async () => {
    const body = await post('gpt-4o@gzip')
    expect(body.headers['content-encoding']).toBe('gzip')
    expect(JSON.parse(gunzipSync(body.bytes).toString()).choices[0].message.content).toBe('echo: héllo 🎉 wörld')
    const streamed = await post('gpt-4o@gzip', stream)
    expect(contents(gunzipSync(streamed.bytes).toString())).toBe('echo: héllo 🎉 wörld')
  })

  it('answers a huge body and an HTML page', async () => {
    expect((await post('gpt-4o@huge=2')).bytes.length).toBeGreaterThan(2 * 1_048_576)
    const page = await post('gpt-4o@html,status=502')
    expect(page).toMatchObject({ status: 502, headers: { 'content-type': 'text/html; charset=utf-8' } })
    expect(page.text).toContain('<html>')
  })

  it('resets requests and connections', async () => {
    await expect(post('gpt-4o@reset')).rejects.toMatchObject({ code: 'ECONNRESET' })
    upstream.resetConnections(1)
    // A new agent connection is needed: the reset acts when a connection is made.
    await expect(
      post('gpt-4o', {}, { connection: 'close' }).then(() => post('gpt-4o', {}, { connection: 'close' })),
    ).rejects.toMatchObject({
      code: 'ECONNRESET',
    })
  })

  it('puts usage on every chunk, on none, and sends a chunk without choices', async () => {
    const every = await post('gpt-4o@usage_every', stream)
    const counts = [...every.text.matchAll(/"completion_tokens":(\d+)/g)].map(match => Number(match[1]))
    expect(counts).toEqual([0, 1, 2, 3, 4, 4])
    const none = await post('gpt-4o@no_usage', { ...stream, stream_options: { include_usage: true } })
    expect(none.text).not.toContain('usage')
    expect((await post('gpt-4o@empty_choices', stream)).text).toMatch(/^data: \{[^\n]*"choices":\[\]/)
  })

  it('drips, and records when the client leaves', async () => {
    const record = upstream.waitFor(entry => entry.model === 'slow' && entry.bytesSent > 0)
    const leaving = new Promise<void>(resolve => {
      const body = JSON.stringify({
        model: 'slow@drip=5,cadence=5',
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      })
      const headers = { authorization: 'Bearer k', 'content-type': 'application/json' }
      const request = httpRequest(`${upstream.url}/v1/chat/completions`, { method: 'POST', headers })
      request.on('response', response => response.once('data', () => request.destroy()).once('close', resolve))
      request.on('error', () => undefined)
      request.end(body)
    })
    await leaving
    await record
    const aborted = await upstream.waitFor(entry => entry.abortedAt !== undefined)
    expect(aborted.finishedAt).toBeUndefined()
    const whole = await post('gpt-4o', stream)
    expect(whole.broken).toBeUndefined()
    expect(upstream.requests.at(-1)!.abortedAt).toBeUndefined()
  })

  it('hangs and stalls until the client leaves', async () => {
    for (const model of ['gpt-4o@hang', 'gpt-4o@stall']) {
      const controller = new AbortController()
      const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'x' }] })
      const headers = { authorization: 'Bearer k', 'content-type': 'application/json' }
      const pending = fetch(`${upstream.url}/v1/chat/completions`, {
        method: 'POST',
        headers,
        body,
        signal: controller.signal,
      })
        .then(response => response.text())
        .catch(error => error.name)
      const record = await upstream.waitFor(
        entry => entry.text.includes(model) && (model.endsWith('hang') || entry.bytesSent > 0),
      )
      expect(record.finishedAt).toBeUndefined()
      controller.abort()
      expect(await pending).toBe('AbortError')
      await upstream.waitFor(entry => entry === record && entry.abortedAt !== undefined)
    }
  })

  it('waits for a slow reader instead of buffering', async () => {
    const body = JSON.stringify({ model: 'gpt-4o@huge=64', stream: true, messages: [{ role: 'user', content: 'x' }] })
    const request = httpRequest(`${upstream.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer k', 'content-type': 'application/json' },
    })
    request.on('error', () => undefined)
    request.on('response', response => response.pause())
    request.end(body)
    const record = await upstream.waitFor(entry => entry.bytesSent > 0, 10_000)
    let before = -1
    while (before !== record.bytesSent) {
      before = record.bytesSent
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    expect(record.bytesSent).toBeLessThan(32 * 1_048_576)
    request.destroy()
  })

  it('refuses unknown addresses, methods, content types and doubled base paths', async () => {
    const send = (path: string, init: RequestInit) =>
      fetch(`${upstream.url}${path}`, init).then(response => response.status)
    const headers = { authorization: 'Bearer k', 'content-type': 'application/json' }
    expect(await send('/v1/nothing', { method: 'POST', headers, body: '{}' })).toBe(404)
    expect(await send('/v1/v1/chat/completions', { method: 'POST', headers, body: '{}' })).toBe(404)
    expect(await send('/chat/completions', { method: 'POST', headers, body: '{}' })).toBe(404)
    expect(await send('/v1/chat/completions', { headers })).toBe(405)
    expect(
      await send('/v1/chat/completions', { method: 'POST', headers: { authorization: 'Bearer k' }, body: '{}' }),
    ).toBe(415)
    expect(await send('/v1/chat/completions', { method: 'POST', headers, body: '{' })).toBe(400)
  })
})

describe('the fast upstream of benchmarks', () => {
  it('answers fixed bytes, plain and streamed, over one connection', async () => {
    const fast = await startFastUpstream({ chunks: 5 })
    const plain = await post('x', {}, {}, fast.url)
    expect(plain.bytes.length).toBe(1024)
    expect(JSON.parse(plain.text).usage.total_tokens).toBe(270)
    const streamed = await post('x', stream, {}, fast.url)
    expect(contents(streamed.text)).toBe(' word0 word1 word2 word3 word4')
    expect(streamed.text.endsWith('data: [DONE]\n\n')).toBe(true)
    await fast.close()
  })
})
