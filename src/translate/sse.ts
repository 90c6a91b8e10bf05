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

const tooLarge = () => new RangeError('server-sent event too large')

export class SseParser {
  /** The beginning of a line whose end has not come yet. */
  #held: Buffer[] = []
  #heldBytes = 0
  #event = ''
  #data: string | undefined
  #sawCr = false
  #start = true
  readonly #maxBytes: number

  /** @param maxBytes largest event waited for; a larger one throws RangeError. */
  constructor(maxBytes = 16 * 1024 * 1024) {
    this.#maxBytes = maxBytes
  }

  /** Feeds bytes; calls `onEvent` for each event that is now complete. */
  push(chunk: Buffer, onEvent: (event: SseEvent) => void): void {
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte !== LF && byte !== CR) continue
      if (byte === LF && this.#sawCr && at === from) {
        this.#sawCr = false
        from = at + 1
        continue
      }
      this.#line(this.#heldBytes === 0 ? chunk.toString('utf8', from, at) : this.#join(chunk, from, at), onEvent)
      this.#sawCr = byte === CR
      from = at + 1
    }
    if (from === chunk.length) return
    this.#sawCr = false
    this.#held.push(from === 0 ? chunk : chunk.subarray(from))
    this.#heldBytes += chunk.length - from
    if (this.#heldBytes > this.#maxBytes) throw tooLarge()
  }

  /** The stream ended: an event without its closing blank line still counts if it holds data (vendors do this). */
  end(onEvent: (event: SseEvent) => void): void {
    if (this.#heldBytes > 0) this.#line(this.#join(Buffer.alloc(0), 0, 0), onEvent)
    this.#line('', onEvent)
  }

  #join(chunk: Buffer, from: number, to: number): string {
    const line = Buffer.concat([...this.#held, chunk.subarray(from, to)]).toString('utf8')
    this.#held = []
    this.#heldBytes = 0
    return line
  }

  #line(text: string, onEvent: (event: SseEvent) => void): void {
    // A byte order mark may precede the first field.
    const line = this.#start && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
    this.#start = false
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
    if (field === 'data') {
      if (this.#data !== undefined && this.#data.length + value.length > this.#maxBytes) throw tooLarge()
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
    } else if (field === 'event') {
      this.#event = value
    }
  }
}
