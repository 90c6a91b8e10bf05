import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep, setImmediate as tick } from 'node:timers/promises'
import { constants, createGzip, type Gzip, gzipSync } from 'node:zlib'
import type { Fault } from './fault.ts'
import { applyStreamFaults } from './stream-faults.ts'
import type { RecordedRequest, Reply, Wire } from './types.ts'

/** The client has gone, or a fault destroyed the socket: nothing more to write. */
class Gone extends Error {}

/** Writes one answer with its faults of bytes and time. Backpressure is respected, so a slow reader slows it down. */
export class Sender {
  readonly #response: ServerResponse
  readonly #fault: Fault
  readonly #record: RecordedRequest
  readonly #signal: AbortSignal
  #gzip: Gzip | undefined

  constructor(response: ServerResponse, fault: Fault, record: RecordedRequest, signal: AbortSignal) {
    this.#response = response
    this.#fault = fault
    this.#record = record
    this.#signal = signal
  }

  async send(reply: Reply, wire: Wire): Promise<void> {
    try {
      if (reply.kind === 'json') await this.#sendBody(reply.status, reply.headers, JSON.stringify(reply.body))
      else await this.#sendStream(reply, wire)
    } catch (error) {
      if (!(error instanceof Gone) && !this.#signal.aborted) throw error
    }
  }

  async sendText(status: number, headers: Record<string, string>, text: string): Promise<void> {
    try {
      await this.#sendBody(status, headers, text)
    } catch (error) {
      if (!(error instanceof Gone) && !this.#signal.aborted) throw error
    }
  }

  async #sendBody(status: number, headers: Record<string, string>, text: string): Promise<void> {
    const fault = this.#fault
    const broken = fault.malformed !== undefined && fault.malformed !== false ? text.slice(0, -7) : text
    let bytes: Buffer = Buffer.from(broken)
    const head: Record<string, string | number> = { 'content-type': 'application/json', ...headers }
    if (fault.gzip === true) {
      bytes = gzipSync(bytes)
      head['content-encoding'] = 'gzip'
    }
    head['content-length'] = bytes.length + (fault.content_length ?? 0)
    if (fault.content_type !== undefined) head['content-type'] = fault.content_type
    await this.#head(status, head)
    await this.#bytes(bytes)
    // A declared length that is too long can only end with the connection.
    if ((fault.content_length ?? 0) > 0) await this.#destroy()
    this.#end()
  }

  async #sendStream(reply: Extract<Reply, { kind: 'stream' }>, wire: Wire): Promise<void> {
    const fault = this.#fault
    const { frames, end } = applyStreamFaults(reply.frames, fault, wire)
    const head: Record<string, string | number> = {
      'content-type': fault.content_type ?? reply.contentType,
      'cache-control': 'no-cache',
      ...reply.headers,
    }
    if (fault.content_length !== undefined) {
      const total = frames.reduce((sum, frame) => sum + Buffer.byteLength(frame.text), 0)
      head['content-length'] = total + fault.content_length
    }
    if (fault.gzip === true) {
      head['content-encoding'] = 'gzip'
      this.#gzip = createGzip()
      this.#gzip.on('data', (bytes: Buffer) => {
        this.#record.bytesSent += bytes.length
        this.#response.write(bytes)
      })
    }
    await this.#head(200, head)
    this.#response.flushHeaders()
    let started = false
    for (const frame of frames) {
      if (frame.part !== 'preamble' && !started) {
        started = true
        if (fault.ttft !== undefined) await this.#pause(fault.ttft)
      } else if (started && fault.cadence !== undefined && fault.drip === undefined) {
        await this.#pause(fault.cadence)
      }
      await this.#bytes(Buffer.from(frame.text))
    }
    if (end === 'stall') return
    if (end === 'destroy' || (fault.content_length ?? 0) > 0) await this.#destroy()
    if (this.#gzip !== undefined) {
      this.#gzip.end()
      await once(this.#gzip, 'end')
    }
    this.#end()
  }

  async #head(status: number, headers: Record<string, string | number>): Promise<void> {
    if (this.#signal.aborted) throw new Gone()
    if (this.#fault.retry_after !== undefined) headers['retry-after'] = this.#fault.retry_after
    if (this.#fault.location !== undefined) headers['location'] = this.#fault.location
    this.#record.status = status
    this.#response.writeHead(status, headers)
  }

  async #bytes(bytes: Buffer): Promise<void> {
    const fault = this.#fault
    const size = fault.drip ?? fault.split
    if (size === undefined) return this.#write(bytes)
    for (let from = 0; from < bytes.length; from += size) {
      await this.#write(bytes.subarray(from, from + size))
      // Without a pause the kernel would join the pieces again before the reader sees them.
      if (fault.drip === undefined) await tick()
      else await this.#pause(fault.cadence ?? 10)
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#signal.aborted) throw new Gone()
    const cut = this.#fault.cut
    if (cut !== undefined && this.#record.bytesSent + bytes.length >= cut) {
      this.#response.write(bytes.subarray(0, cut - this.#record.bytesSent))
      this.#record.bytesSent = cut
      await this.#destroy()
    }
    if (this.#gzip !== undefined) {
      const gzip = this.#gzip
      gzip.write(bytes)
      await new Promise<void>(resolve => gzip.flush(constants.Z_SYNC_FLUSH, resolve))
      return
    }
    this.#record.bytesSent += bytes.length
    if (this.#response.write(bytes)) return
    await once(this.#response, 'drain', { signal: this.#signal })
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#signal })
  }

  #end(): void {
    this.#record.finishedAt = performance.now()
    this.#response.end()
  }

  /** Lets what was written reach the wire, then breaks the connection. */
  async #destroy(): Promise<never> {
    const socket = this.#response.socket
    this.#record.finishedAt = performance.now()
    if (socket !== null) {
      this.#response.flushHeaders()
      if (socket.writableLength > 0) await new Promise<void>(resolve => socket.write('', () => resolve()))
      socket.destroy()
    }
    throw new Gone()
  }
}
