import { connect, type Socket } from 'node:net'
import type { CallTarget } from '../harness/http.ts'

/** A client on a bare socket that reads only when told. */
export interface SlowReader {
  readonly received: number
  /** Everything received so far, as text. */
  text(): string
  read(): void
  pause(): void
  leave(): void
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>
}

/** Sends one chat call and does not read what comes. */
export async function slowChat(target: CallTarget, body: object): Promise<SlowReader> {
  const { hostname, port } = new URL(target.url)
  const text = JSON.stringify(body)
  const socket: Socket = connect({ host: hostname, port: Number(port) })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.pause()
  const chunks: Buffer[] = []
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received < 1_000_000) chunks.push(chunk)
  })
  socket.pause()
  socket.on('error', () => socket.destroy())
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${target.key}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  return {
    get received() {
      return received
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
    read: () => void socket.resume(),
    pause: () => void socket.pause(),
    leave: () => socket.destroy(),
    closed,
  }
}
