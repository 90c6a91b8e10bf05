import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

/** An upstream that offers far more than anyone reads, as fast as it is taken; it honours backpressure. */
export interface Torrent {
  readonly url: string
  /** One entry per call. */
  readonly flows: readonly Flow[]
  forget(): void
  close(): Promise<void>
}

export interface Flow {
  /** Bytes handed to the socket. */
  sent: number
  /** The connection is over, or everything was sent. */
  over: boolean
}

const offered = 200 * 1024 * 1024
const event = `data: ${JSON.stringify({
  id: 'chatcmpl-torrent',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'torrent',
  choices: [{ index: 0, delta: { content: 'lorem ipsum '.repeat(1000) }, finish_reason: null }],
})}\n\n`
const piece = Buffer.from(event.repeat(5))

const answer = JSON.stringify({
  id: 'chatcmpl-big',
  object: 'chat.completion',
  created: 1,
  model: 'big',
  choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(24 * 1024 * 1024) }, finish_reason: 'stop' }],
})

export async function startTorrent(): Promise<Torrent> {
  let flows: Flow[] = []
  // Gzip knows no end but that of its last member: the same member over and over is one long body.
  const member = gzipSync(piece.toString().repeat(160))
  const server = createServer((request, response) => {
    const flow: Flow = { sent: 0, over: false }
    flows.push(flow)
    response.on('close', () => {
      flow.over = true
    })
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      if (body.includes('"model":"big"')) {
        response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
      } else if (body.includes('"model":"zipped"')) {
        const members = Math.ceil(offered / (piece.length * 160))
        void pour(response, member, members, flow, { 'content-encoding': 'gzip' })
      } else {
        void pour(response, piece, Math.ceil(offered / piece.length), flow, {})
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get flows() {
      return flows
    },
    forget() {
      flows = []
    },
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function pour(
  response: ServerResponse,
  bytes: Buffer,
  times: number,
  flow: Flow,
  headers: Record<string, string>,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
  for (let left = times; left > 0 && !response.destroyed; left--) {
    flow.sent += bytes.length
    // A connection that closes instead rejects this: nobody is left to send to.
    if (!response.write(bytes)) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined)
  }
  response.end()
}
