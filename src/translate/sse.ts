/**
 * Server-sent events (WHATWG HTML § 9.2) over byte chunks that may be cut anywhere: inside a UTF-8 character, inside a
 * line end, inside an event. Accepts LF, CRLF and CR; ignores comments, `id` and `retry`.
 */
export interface SseEvent {
  /** The `event:` field; empty when the stream names none. */
  event: string
  data: string
}

const LF = 10
const CR = 13

export class SseParser {
  #pending: Buffer | undefined
  #event = ''
  #data: string | undefined
  #sawCr = false
  #start = true
  readonly #maxBytes: number

  /** @param maxBytes longest line kept while waiting for its end; a longer one throws RangeError. */
  constructor(maxBytes = 16 * 1024 * 1024) {
    this.#maxBytes = maxBytes
  }

  /** Feeds bytes; calls `onEvent` for each event that is now complete. */
  push(chunk: Buffer, onEvent: (event: SseEvent) => void): void {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pending = undefined
    let from = 0
    if (this.#start && bytes.length > 0) {
      // A byte order mark may precede the first field.
      if (bytes[0] === 0xef) {
        if (bytes.length < 3) {
          this.#pending = bytes
          return
        }
        if (bytes[1] === 0xbb && bytes[2] === 0xbf) from = 3
      }
      this.#start = false
    }
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]
      if (byte === LF && this.#sawCr && at === from) {
        this.#sawCr = false
        from = at + 1
        continue
      }
      if (byte !== LF && byte !== CR) continue
      this.#line(bytes.toString('utf8', from, at), onEvent)
      this.#sawCr = byte === CR
      from = at + 1
    }
    if (from < bytes.length) {
      this.#sawCr = false
      if (bytes.length - from > this.#maxBytes) throw new RangeError('server-sent event line too long')
      this.#pending = bytes.subarray(from)
    }
  }

  /** The stream ended: an event without its closing blank line still counts if it holds data (vendors do this). */
  end(onEvent: (event: SseEvent) => void): void {
    if (this.#pending !== undefined) this.#line(this.#pending.toString('utf8'), onEvent)
    this.#pending = undefined
    this.#line('', onEvent)
  }

  #line(line: string, onEvent: (event: SseEvent) => void): void {
    if (line === '') {
      if (this.#data !== undefined) {
        const event = { event: this.#event, data: this.#data }
        this.#event = ''
        this.#data = undefined
        onEvent(event)
      } else {
        this.#event = ''
      }
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? line : line.slice(0, colon)
    let value = colon < 0 ? '' : line.slice(colon + 1)
    if (value.charCodeAt(0) === 32) value = value.slice(1)
    if (field === 'data') this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    else if (field === 'event') this.#event = value
  }
}
