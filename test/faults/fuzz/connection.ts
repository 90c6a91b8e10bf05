import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: string
  readonly body: string
  /** The connection stays open for another request. */
  readonly reusable: boolean
}

/** One keep-alive connection that sends prepared bytes and reads one answer at a time. */
export class Connection {
  readonly #port: number
  #socket: Socket | undefined
  #received = Buffer.alloc(0)
  #method = ''
  #settle: ((answer: RawAnswer | undefined) => void) | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** @returns undefined when the connection closed without an answer. */
  ask(bytes: Buffer, method: string): Promise<RawAnswer | undefined> {
    return new Promise(resolve => {
      const timer = setTimeout(
        () => this.#finish({ status: 0, headers: 'no answer in 20 s', body: '', reusable: false }),
        20_000,
      )
      this.#method = method
      this.#settle = answer => {
        clearTimeout(timer)
        this.#settle = undefined
        if (answer?.reusable !== true) this.close()
        resolve(answer)
      }
      this.#socket ??= this.#open()
      this.#socket.write(bytes)
    })
  }

  close(): void {
    this.#socket?.removeAllListeners()
    this.#socket?.on('error', () => {})
    this.#socket?.destroy()
    this.#socket = undefined
    this.#received = Buffer.alloc(0)
  }

  #open(): Socket {
    const socket = connect(this.#port, '127.0.0.1')
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#read()
    })
    socket.on('error', () => this.#finish(undefined))
    socket.on('close', () => this.#finish(undefined))
    return socket
  }

  #finish(answer: RawAnswer | undefined): void {
    this.#settle?.(answer)
  }

  #read(): void {
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n')
      if (end < 0) return
      const headers = this.#received.toString('latin1', 0, end).toLowerCase()
      const status = Number(headers.slice(9, 12))
      if (status === 100) {
        this.#received = this.#received.subarray(end + 4)
        continue
      }
      const rest = this.#received.subarray(end + 4)
      const body = this.#method === 'HEAD' || status === 204 ? { text: '', length: 0 } : bodyOf(headers, rest)
      if (body === undefined) return
      this.#received = rest.subarray(body.length)
      const reusable = !headers.includes('connection: close') && this.#received.length === 0
      this.#finish({ status, headers, body: body.text, reusable })
      return
    }
  }
}

/** Undefined while the body is incomplete. */
function bodyOf(headers: string, rest: Buffer): { text: string; length: number } | undefined {
  if (!headers.includes('transfer-encoding: chunked')) {
    const length = Number(/\r\ncontent-length: (\d+)/.exec(headers)?.[1] ?? 0)
    return rest.length < length ? undefined : { text: rest.toString('utf8', 0, length), length }
  }
  const pieces: Buffer[] = []
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(rest.toString('latin1', at, line), 16)
    const next = line + 2 + size + 2
    if (rest.length < next) return undefined
    if (size === 0) return { text: Buffer.concat(pieces).toString('utf8'), length: next }
    pieces.push(rest.subarray(line + 2, line + 2 + size))
    at = next
  }
}
