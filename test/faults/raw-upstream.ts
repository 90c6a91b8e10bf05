import { createServer, type Server, type Socket } from 'node:net'

/** An upstream on bare sockets: answers that no HTTP server would write. The path's first segment picks the answer. */
export interface RawUpstream {
  readonly url: string
  /** Requests whose path holds `tag`. */
  count(tag: string): number
  close(): Promise<void>
}

type Answer = (socket: Socket) => void

const completion = JSON.stringify({
  id: 'chatcmpl-raw',
  object: 'chat.completion',
  created: 1,
  model: 'raw',
  choices: [{ index: 0, message: { role: 'assistant', content: 'raw' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})
const head = (extra: string, length = completion.length): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${extra}content-length: ${length}\r\n\r\n`

const delta = (content: string, finish: string | null = null): string =>
  `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"raw","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":${JSON.stringify(finish)}}]}\n\n`
const streamHead = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const chunked = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

const answers: Readonly<Record<string, Answer>> = {
  'not-http': socket => socket.end('SSH-2.0-OpenSSH_9.6\r\n'),
  'close-at-once': socket => socket.end(),
  'half-a-head': socket => socket.end('HTTP/1.1 200 OK\r\ncontent-ty'),
  'huge-head': socket => socket.end(head(`x-filler: ${'a'.repeat(100_000)}\r\n`) + completion),
  'early-hints': socket =>
    socket.end(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${head('connection: close\r\n')}${completion}`),
  'no-content': socket => socket.end('HTTP/1.1 204 No Content\r\n\r\n'),
  'empty-body': socket => socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n'),
  'no-length': socket =>
    socket.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n${completion}`),
  'bad-chunk': socket => socket.end(`${streamHead}zz\r\n${delta('x')}`),
  'odd-status': socket =>
    socket.end('HTTP/1.1 299 Strange\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'),
  'unknown-encoding': socket => socket.end(head('content-encoding: zstd-but-not\r\n') + completion),
  'limited-unreadable': socket =>
    socket.end(
      'HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!',
    ),
  /** A complete stream whose connection breaks instead of ending. */
  'reset-after-done': socket => {
    socket.write(streamHead + chunked(delta('raw')) + chunked(delta('', 'stop')) + chunked('data: [DONE]\n\n'), () =>
      socket.destroy(),
    )
  },
  'close-before-done': socket => {
    socket.write(streamHead + chunked(delta('raw')) + chunked(delta('', 'stop')), () => socket.destroy())
  },
  /** The last event lacks its blank line. */
  'no-last-newline': socket =>
    socket.end(`${streamHead}${chunked(delta('raw') + delta('', 'stop'))}${chunked('data: [DONE]')}0\r\n\r\n`),
  'bom-and-cr': socket =>
    socket.end(
      `${streamHead}${chunked(`\ufeff:hi\r\n\r\nretry: 5\r\n\r\nid: 1\r\n${delta('raw').trimEnd()}\r\n\r\n${delta('', 'stop').trimEnd()}\r\n\r\ndata: [DONE]\r\n\r\n`)}0\r\n\r\n`,
    ),
  'two-data-lines': socket => {
    const [before, after] = delta('raw').trimEnd().slice(6).split('"choices"') as [string, string]
    const event = `data: ${before}\ndata: "choices"${after}\n\n`
    socket.end(`${streamHead}${chunked(`${event}${delta('', 'stop')}data: [DONE]\n\n`)}0\r\n\r\n`)
  },
  /** Says it is a stream, then sends a JSON error, as some proxies do. */
  'json-as-stream': socket => {
    const body = JSON.stringify({ error: { message: 'engine overloaded', type: 'overloaded', code: null } })
    socket.end(`${streamHead}${chunked(body)}0\r\n\r\n`)
  },
  'empty-stream': socket => socket.end(`${streamHead}0\r\n\r\n`),
  /** One event that never ends, larger than any event may be. */
  'endless-event': socket => {
    socket.write(`${streamHead}${chunked('data: {"a":"')}`)
    const filler = chunked('x'.repeat(1024 * 1024))
    let left = 40
    const more = (): void => {
      while (left > 0 && !socket.destroyed) {
        left--
        if (!socket.write(filler)) {
          socket.once('drain', more)
          return
        }
      }
      socket.end()
    }
    more()
  },
}

export async function startRawUpstream(): Promise<RawUpstream> {
  const paths: string[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let received = ''
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      const length = Number(/content-length: *(\d+)/i.exec(received)?.[1] ?? 0)
      if (end < 0 || received.length < end + 4 + length) return
      const path = received.split(' ', 2)[1] ?? ''
      received = ''
      paths.push(path)
      const answer = answers[path.split('/')[1] ?? '']
      if (answer === undefined) throw new Error(`the raw upstream has no answer for ${path}`)
      answer(socket)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    count: tag => paths.filter(path => path.includes(`/${tag}`)).length,
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
