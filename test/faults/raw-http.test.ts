import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, contentOf } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { isError } from './fuzz/judge.ts'

/** What arrives at the door and is no proper HTTP. */
describe('bare sockets', () => {
  let gateway: Gateway
  let upstream: Upstream
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: {
        model_list: [
          {
            model_name: 'm',
            litellm_params: { model: 'openai/gpt-4o', api_base: `${upstream.url}/v1`, api_key: 'sk-upstream' },
          },
        ],
      },
    })
  })
  afterAll(async () => {
    try {
      await gateway?.stop()
    } finally {
      await upstream?.close()
    }
  })
  beforeEach(() => upstream.reset())

  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
  const post = (framing: string, rest: string, extra = ''): string =>
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\n` +
    `content-type: application/json\r\n${extra}${framing}\r\n\r\n${rest}`
  const whole = (extra?: string): string => post(`content-length: ${body.length}`, body, extra)

  async function stillServes(): Promise<void> {
    expect(contentOf(await chat(gateway, 'm', 'still there?'))).toBe('echo: still there?')
  }

  it.each<[string, () => string, number]>([
    ['no request line', () => 'GARBAGE\r\n\r\n', 400],
    ['an unknown version', () => 'GET / HTTP/9.9\r\n\r\n', 400],
    ['an unknown method', () => 'BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['a TLS greeting', () => `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${'\x00'.repeat(40)}`, 400],
    ['zero bytes', () => '\0'.repeat(64), 400],
    ['headers beyond 16 KB', () => whole(`x-long: ${'a'.repeat(40_000)}\r\n`), 431],
    ['a header with a bare line feed in its name', () => whole('x\n-y: 1\r\n'), 400],
    ['a chunk size that is no number', () => post('transfer-encoding: chunked', 'zz\r\n{}\r\n0\r\n\r\n'), 400],
    ['two content lengths', () => post('content-length: 5\r\ncontent-length: 6', '{"a":1}'), 400],
    [
      'length and chunks at once',
      () => post(`content-length: ${body.length}\r\ntransfer-encoding: chunked`, body),
      400,
    ],
    ['a negative length', () => post('content-length: -1', body), 400],
    ['no host', () => 'GET /v1/models HTTP/1.1\r\n\r\n', 400],
  ])('%s is refused and the connection closed', async (_name, bytes, status) => {
    const answer = await exchange(gateway.port, bytes())
    expect(answer.closed).toBe('by the gateway')
    const [head = '', text = ''] = answer.text.split('\r\n\r\n', 2).map(part => part.trim())
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    // Where Node answers by itself (no host), the body is empty.
    if (text !== '' && text !== '0') expect(isError(JSON.parse(text), 'openai'), text).toBe(true)
    expect(upstream.requests).toEqual([])
  })

  it.each<[string, () => string]>([
    ['a body that is shorter than announced', () => post(`content-length: ${body.length + 10}`, body)],
    [
      'a chunked body without its end',
      () => post('transfer-encoding: chunked', `${body.length.toString(16)}\r\n${body}\r\n`),
    ],
    ['a chunk cut in the middle', () => post('transfer-encoding: chunked', `ffff\r\n${body}`)],
    ['half a head', () => whole().slice(0, 60)],
  ])('%s, then the caller is gone: the upstream never hears of it', async (_name, bytes) => {
    await Promise.all(Array.from({ length: 20 }, () => exchange(gateway.port, bytes(), { leaveAfter: 20 })))
    await stillServes()
    expect(upstream.requests.length).toBe(1)
  })

  it('answers pipelined requests in their order', async () => {
    const question = (text: string): string => {
      const json = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }] })
      return post(`content-length: ${json.length}`, json)
    }
    const last = 'GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
    const { text } = await exchange(gateway.port, question('one') + question('two') + question('three') + last)
    expect(text.match(/echo: \w+|HTTP\/1\.1 401/g)).toEqual(['echo: one', 'echo: two', 'echo: three', 'HTTP/1.1 401'])
  })

  it('answers what came before the garbage on the same connection', async () => {
    const { text, closed } = await exchange(gateway.port, `${whole()}\r\n\r\nGARBAGE\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 (200|400) /)
    expect(closed).toBe('by the gateway')
    await stillServes()
  })

  it('continues where the caller waits for it', async () => {
    const socket = connect(gateway.port, '127.0.0.1')
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    const seen = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(text)) await new Promise(resolve => socket.once('data', resolve))
    }
    socket.write(post(`content-length: ${body.length}`, '', 'expect: 100-continue\r\n'))
    await seen(/^HTTP\/1\.1 100 Continue\r\n/)
    socket.write(body)
    await seen(/HTTP\/1\.1 200 OK[\s\S]*echo: hi/)
    socket.destroy()
  })

  it('answers HTTP/1.0 and closes', async () => {
    const { text, closed } = await exchange(gateway.port, whole().replace('HTTP/1.1', 'HTTP/1.0'))
    expect(text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*echo: hi/)
    expect(closed).toBe('by the gateway')
  })

  it('does not switch protocols', async () => {
    const upgrade = 'GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n'
    const { text } = await exchange(gateway.port, upgrade, { leaveAfter: 500 })
    expect(text).not.toMatch(/101 Switching/)
    await exchange(gateway.port, 'CONNECT 10.0.0.1:80 HTTP/1.1\r\nhost: x\r\n\r\n', { leaveAfter: 100 })
    await stillServes()
  })

  it('serves others while hundreds of connections dawdle', async () => {
    const heads = Array.from({ length: 300 }, () => connect(gateway.port, '127.0.0.1'))
    for (const socket of heads) {
      socket.on('error', () => {})
      socket.write(post('content-length: 100000', '{').slice(0, 40 + Math.floor(Math.random() * 200)))
    }
    await stillServes()
    for (const socket of heads) socket.resetAndDestroy()
    await stillServes()
  })

  it('survives callers that hang up in every stage of a call', async () => {
    const stages = [0, 10, 80, 200, whole().length - 1, whole().length]
    await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        exchange(gateway.port, whole().slice(0, stages[index % stages.length]), { leaveAfter: index % 7, reset: true }),
      ),
    )
    await stillServes()
  })

  it('logged no unexpected error', () => {
    expect(gateway.logs()).not.toMatch(/unexpected error|"level":"(error|fatal)"/)
  })
})

interface Exchange {
  readonly text: string
  readonly closed: 'by the gateway' | 'by the caller'
}

/** Sends bytes and reads until the connection closes, or the caller leaves after so many milliseconds. */
function exchange(
  port: number,
  bytes: string,
  options: { readonly leaveAfter?: number; readonly reset?: boolean } = {},
): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1')
    let text = ''
    let left = false
    const leave = (): void => {
      left = true
      if (options.reset === true) socket.resetAndDestroy()
      else socket.destroy()
    }
    const timer = setTimeout(
      options.leaveAfter === undefined ? () => reject(new Error(`no end after: ${text.slice(0, 300)}`)) : leave,
      options.leaveAfter ?? 10_000,
    )
    socket.on('data', chunk => {
      text += chunk.toString('utf8')
    })
    // A reset is one way to close.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ text, closed: left ? 'by the caller' : 'by the gateway' })
    })
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}
