import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { signatureFault } from '../../src/governance/audit/shipping/s3-signature.fixtures.ts'
import { freePort } from '../harness/services/service.ts'

interface S3rver {
  run(): Promise<AddressInfo>
  close(): Promise<void>
}
const S3rverServer = createRequire(import.meta.url)('s3rver') as new (options: object) => S3rver

export const bucket = 'audit-bucket'
/** s3rver's one account. */
export const account = { access_key_id: 'S3RVER', secret_access_key: 'S3RVER' }

/** What happens to the next PUTs: stored and confirmed; stored, and the connection cut; refused. */
export type PutFate = 'ok' | 'stored_but_cut' | 'refused'

export interface S3Server {
  readonly url: string
  /** Keys in the order of their last PUT that was stored. */
  readonly puts: readonly string[]
  fate: (key: string) => PutFate
  /** Starts to listen; the server is made down. */
  up(): Promise<void>
  down(): Promise<void>
  keys(prefix?: string): Promise<string[]>
  /** Content of an object, unpacked. */
  read(key: string): Promise<string>
  close(): Promise<void>
}

/**
 * s3rver, an S3-compatible server from npm, behind a door that checks signatures: s3rver itself takes any signature of
 * version 4. Its port is known before it listens.
 */
export async function startS3(): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'routeiq-s3-'))
  const server = new S3rverServer({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    vhostBuckets: false,
    configureBuckets: [{ name: bucket, configs: [] }],
  })
  const inner = `http://127.0.0.1:${(await server.run()).port}`
  const puts: string[] = []
  const door = createServer((request, response) => void pass(request, response))
  const port = await freePort()

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray())
    const { method = '', url: path = '' } = request
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const fault = signatureFault({ method, path, headers, body }, { S3RVER: 'S3RVER' })
    const key = decodeURIComponent(path.slice(`/${bucket}/`.length))
    const fate = fault === undefined ? s3.fate(key) : 'refused'
    if (fate === 'refused') {
      response.writeHead(fault === undefined ? 503 : 403, { 'content-type': 'application/xml' })
      response.end(`<Error><Code>${fault ?? 'SlowDown'}</Code></Error>`)
      return
    }
    const { host: _, connection: __, ...rest } = headers
    const answer = await fetch(inner + path, { method, headers: rest, body: new Uint8Array(body) })
    if (answer.ok) puts.push(key)
    if (fate === 'stored_but_cut') request.socket.destroy()
    else response.writeHead(answer.status).end(await answer.text())
  }

  const s3: S3Server = {
    url: `http://127.0.0.1:${port}`,
    puts,
    fate: () => 'ok',
    up: () => new Promise(resolve => door.listen(port, '127.0.0.1', () => resolve())),
    down: () =>
      new Promise(resolve => {
        door.close(() => resolve())
        door.closeAllConnections()
      }),
    async keys(prefix = '') {
      const list = await fetch(`${inner}/${bucket}?list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}`)
      return [...(await list.text()).matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key).sort()
    },
    async read(key) {
      const answer = await fetch(`${inner}/${bucket}/${key}`)
      const bytes = Buffer.from(await answer.arrayBuffer())
      return (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8')
    },
    async close() {
      if (door.listening) await s3.down()
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return s3
}
