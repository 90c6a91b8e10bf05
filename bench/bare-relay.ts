/**
 * The yardstick: the least that any Node gateway does. Reads the body, sends it on with `undici` dispatch, pipes the
 * answer back with backpressure. No routing, no checks, no counting.
 * `node bench/bare-relay.ts --port 9002 --upstream http://127.0.0.1:9001`
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import { type Dispatcher, Pool } from 'undici'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9002' },
    upstream: { type: 'string', default: 'http://127.0.0.1:9001' },
  },
})
const pool = new Pool(values.upstream, { connections: 128, pipelining: 1 })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => relay(request, response, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
})

function relay(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      response.on('close', () => {
        if (!response.writableFinished) controller.abort(new Error('client left'))
      })
    },
    onResponseStart(_, status, headers) {
      const length = headers['content-length']
      const head: Record<string, string> = { 'content-type': String(headers['content-type']) }
      if (length !== undefined) head['content-length'] = String(length)
      response.writeHead(status, head)
    },
    onResponseData(controller, chunk) {
      if (response.write(chunk)) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      response.end()
    },
    onResponseError(_, error) {
      if (!response.headersSent) response.writeHead(502)
      response.end(error.message)
    },
  }
  pool.dispatch(
    {
      path: request.url ?? '/',
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: request.headers.authorization ?? '' },
      body,
    },
    handler,
  )
}

server.listen(Number(values.port), '127.0.0.1', () => {
  const address = server.address()
  console.log(`listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : values.port}`)
})
