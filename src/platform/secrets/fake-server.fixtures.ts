import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { caCertificate, serverCertificate, serverKey } from '../security/tls.fixtures.ts'

export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The caller proved itself with a certificate of the test CA. */
  readonly certified: boolean
}

export interface FakeAnswer {
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface FakeServer {
  readonly url: string
  readonly port: number
  readonly requests: FakeRequest[]
  /** While set, every request is answered with this status. */
  broken: number | undefined
  close(): Promise<void>
}

/** An HTTP server on loopback that answers with what `answer` returns: an object as JSON, a text as it is. */
export async function fakeServer(
  answer: (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>,
  { tls = false } = {},
): Promise<FakeServer> {
  const requests: FakeRequest[] = []
  const handle = (incoming: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = []
    incoming.on('data', chunk => chunks.push(chunk))
    incoming.on('end', async () => {
      const url = new URL(incoming.url ?? '/', 'http://fake')
      const request: FakeRequest = {
        method: incoming.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
        certified: tls && (incoming.socket as TLSSocket).authorized,
      }
      requests.push(request)
      const {
        status = 200,
        body = {},
        headers = {},
      } = fake.broken === undefined ? await answer(request) : { status: fake.broken, body: {} }
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(status === 204 ? '' : text)
    })
  }
  const server = tls ? createTlsServer(certificates, handle) : createServer(handle)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const fake: FakeServer = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    requests,
    broken: undefined,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return fake
}

const certificates = {
  key: serverKey,
  cert: serverCertificate,
  ca: caCertificate,
  requestCert: true,
  rejectUnauthorized: false,
}
