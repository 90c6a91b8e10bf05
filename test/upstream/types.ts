import type { IncomingHttpHeaders } from 'node:http'
import type { Fault } from './fault.ts'

export type Json = Record<string, unknown>

/** One request as it arrived, kept for assertions. Times are `performance.now()` milliseconds of this process. */
export interface RecordedRequest {
  readonly method: string
  /** Path with query as on the request line. */
  readonly url: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Raw header names and values, duplicates and case kept. */
  readonly rawHeaders: readonly string[]
  readonly text: string
  /** The parsed body; undefined when it is no JSON. */
  readonly body: Json | undefined
  readonly wire: WireName
  /** Model without the fault suffix; '' when the route has none. */
  readonly model: string
  readonly receivedAt: number
  /** Status answered; undefined until a head was sent. */
  status: number | undefined
  /** Body bytes handed to the socket so far. */
  bytesSent: number
  /** When the last byte was handed over and the answer ended as planned. */
  finishedAt: number | undefined
  /** When the client closed the connection before the answer was complete. */
  abortedAt: number | undefined
  /** The vendor's message when the request broke a rule of the wire. */
  rejected: string | undefined
}

export type WireName = 'openai' | 'azure-openai' | 'anthropic' | 'gemini'

/** What a wire's handler sees of a request. */
export interface WireCall {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Json
  /** Model or deployment without the fault suffix. */
  readonly model: string
  readonly fault: Fault
  readonly memory: Memory
  /** The only key accepted; undefined accepts any key that is there. */
  readonly apiKey: string | undefined
}

/** State a vendor keeps between calls: prompt-cache prefixes already written. */
export interface Memory {
  readonly cachedPrefixes: Set<string>
  nextId(prefix: string): string
}

/** Where a frame stands in a stream; faults are placed by it. */
export type FramePart = 'preamble' | 'content' | 'closing' | 'terminal'

export interface Frame {
  readonly text: string
  readonly part: FramePart
}

export type Reply =
  | { readonly kind: 'json'; readonly status: number; readonly headers: Record<string, string>; readonly body: unknown }
  | {
      readonly kind: 'stream'
      readonly headers: Record<string, string>
      readonly contentType: string
      readonly frames: Frame[]
    }

/** The request broke a rule of the wire: status and body exactly as the vendor answers. */
export class WireRejection extends Error {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown, message: string) {
    super(message)
    this.name = 'WireRejection'
    this.status = status
    this.body = body
  }
}

export interface Wire {
  readonly name: WireName
  answer(call: WireCall): Reply
  /** The vendor's body for an injected status. */
  failure(status: number, fault: Fault): { headers: Record<string, string>; body: unknown }
  /** The vendor's error as one stream frame. */
  errorFrame(fault: Fault): string
  /** A keep-alive frame as this vendor (or a proxy before it) sends. */
  ping: string
  /** A frame whose data breaks off in the middle of its JSON. */
  malformedFrame: string
  headers(memory: Memory): Record<string, string>
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
