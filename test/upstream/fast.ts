import { createServer, type Server, type Socket } from 'node:net'

/**
 * The upstream of benchmarks: `/v1/chat/completions` with fixed bytes made at start, on a bare socket, so that it
 * stays far faster than what is measured in front of it. It reads only the head's length and whether the body asks
 * for a stream; nothing is checked.
 */
export interface FastOptions {
  readonly port?: number
  readonly host?: string
  /** Content chunks of a streamed answer. Default 100. */
  readonly chunks?: number
  /** Bytes of the plain answer's body. Default 1,024. */
  readonly bodyBytes?: number
}

export interface FastUpstream {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

const headEnd = Buffer.from('\r\n\r\n')
const streamMark = Buffer.from('"stream":true')

export async function startFastUpstream(options: FastOptions = {}): Promise<FastUpstream> {
  const host = options.host ?? '127.0.0.1'
  const plain = plainAnswer(options.bodyBytes ?? 1024)
  const stream = streamAnswer(options.chunks ?? 100)
  const sockets = new Set<Socket>()
  const server: Server = createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    serve(socket, plain, stream)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, host, 4096, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://${host}:${port}`,
    port,
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function serve(socket: Socket, plain: Buffer, stream: readonly Buffer[]): void {
  let pending: Buffer | undefined
  let needed = 0
  socket.on('data', chunk => {
    let bytes = pending === undefined ? chunk : Buffer.concat([pending, chunk])
    pending = undefined
    while (bytes.length > 0) {
      if (bytes.length < needed) break
      const end = bytes.indexOf(headEnd)
      if (end < 0) break
      const head = bytes.toString('latin1', 0, end)
      const total = end + 4 + contentLength(head)
      if (bytes.length < total) {
        needed = total
        break
      }
      needed = 0
      const at = bytes.indexOf(streamMark, end)
      if (at >= 0 && at < total) writeStream(socket, stream)
      else socket.write(plain)
      bytes = bytes.subarray(total)
    }
    if (bytes.length > 0) pending = bytes
  })
}

function contentLength(head: string): number {
  const match = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (match !== null) return Number(match[1])
  if (/\r\ntransfer-encoding:/i.test(head)) throw new Error('the fast upstream reads bodies with a content length only')
  return 0
}

/** One write per event-loop turn: chunks reach the reader one by one, as from a model, without a timer for each. */
function writeStream(socket: Socket, stream: readonly Buffer[]): void {
  let index = 0
  const next = (): void => {
    const chunk = stream[index++]
    if (chunk === undefined || socket.destroyed) return
    if (socket.write(chunk)) setImmediate(next)
    else socket.once('drain', next)
  }
  next()
}

function plainAnswer(bodyBytes: number): Buffer {
  const answer = (content: string): string =>
    JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion',
      created: 1_735_689_600,
      model: 'gpt-4o-mini',
      choices: [
        { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 150, completion_tokens: 120, total_tokens: 270 },
      system_fingerprint: 'fp_bench',
    })
  const filler = 'The quick brown fox jumps over the lazy dog. '
  const room = Math.max(0, bodyBytes - answer('').length)
  const body = answer(filler.repeat(Math.ceil(room / filler.length)).slice(0, room))
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
}

function streamAnswer(chunks: number): Buffer[] {
  const frame = (delta: unknown, finish: string | null, usage?: unknown): string =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion.chunk',
      created: 1_735_689_600,
      model: 'gpt-4o-mini',
      system_fingerprint: 'fp_bench',
      choices: usage === undefined ? [{ index: 0, delta, logprobs: null, finish_reason: finish }] : [],
      usage: usage ?? null,
    })}\n\n`
  const frames = [frame({ role: 'assistant', content: '' }, null)]
  for (let index = 0; index < chunks; index++) frames.push(frame({ content: ` word${index % 10}` }, null))
  frames.push(frame({}, 'stop'))
  frames.push(frame({}, null, { prompt_tokens: 150, completion_tokens: chunks, total_tokens: 150 + chunks }))
  frames.push('data: [DONE]\n\n')
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n'
  const encoded = frames.map(text => Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`))
  return [
    Buffer.concat([Buffer.from(head), encoded[0] ?? Buffer.alloc(0)]),
    ...encoded.slice(1),
    Buffer.from('0\r\n\r\n'),
  ]
}
