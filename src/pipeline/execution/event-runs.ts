/**
 * Cuts a byte stream into runs of complete server-sent events, so that a relay never forwards half an event: an error
 * that interrupts the upstream can then follow cleanly. Bytes are neither decoded nor copied unless an event straddles
 * two chunks.
 */
export class EventRuns {
  #carry: Buffer[] = []
  #carried = 0
  readonly #maxCarry: number

  /** @param maxCarry largest event waited for; a larger one throws RangeError. */
  constructor(maxCarry = 16 * 1024 * 1024) {
    this.#maxCarry = maxCarry
  }

  /** The complete events that `chunk` finishes, or undefined when none is. */
  push(chunk: Buffer): Buffer | undefined {
    if (this.#carried === 0) {
      const end = endOfLastEvent(chunk)
      if (end === chunk.length) return chunk
      if (end === 0) {
        this.#hold(chunk)
        return undefined
      }
      this.#hold(chunk.subarray(end))
      return chunk.subarray(0, end)
    }
    let end = endOfLastEvent(chunk)
    if (end === 0) end = this.#junction(chunk)
    if (end === 0) {
      this.#hold(chunk)
      return undefined
    }
    const run = Buffer.concat([...this.#carry, chunk.subarray(0, end)])
    this.#carry = []
    this.#carried = 0
    if (end < chunk.length) this.#hold(chunk.subarray(end))
    return run
  }

  /** What is left when the stream ends: an event without its closing blank line. */
  rest(): Buffer | undefined {
    if (this.#carried === 0) return undefined
    const rest = this.#carry.length === 1 ? this.#carry[0] : Buffer.concat(this.#carry)
    this.#carry = []
    this.#carried = 0
    return rest
  }

  #hold(piece: Buffer): void {
    this.#carried += piece.length
    if (this.#carried > this.#maxCarry) throw new RangeError('server-sent event too large')
    this.#carry.push(piece)
  }

  /** A blank line may itself be cut in two: looks at the last bytes held together with the first of `chunk`. */
  #junction(chunk: Buffer): number {
    let tail = Buffer.alloc(0)
    for (let i = this.#carry.length - 1; i >= 0 && tail.length < 3; i--) {
      const piece = this.#carry[i] as Buffer
      tail = Buffer.concat([piece.subarray(Math.max(0, piece.length - 3)), tail])
    }
    tail = tail.subarray(Math.max(0, tail.length - 3))
    const joined = Buffer.concat([tail, chunk.subarray(0, 3)])
    return Math.max(0, endOfLastEvent(joined) - tail.length)
  }
}

const LF = 10

/** Index just behind the last blank line (`\n\n` or `\r\n\r\n`), 0 when there is none. */
export function endOfLastEvent(bytes: Buffer): number {
  const length = bytes.length
  // Upstreams write whole events: the common case ends here, without a search.
  if (length >= 2 && bytes[length - 1] === LF && bytes[length - 2] === LF) return length
  const lf = bytes.lastIndexOf('\n\n')
  const crlf = bytes.lastIndexOf('\r\n\r\n')
  return Math.max(lf < 0 ? 0 : lf + 2, crlf < 0 ? 0 : crlf + 4)
}

/** Index just behind the first blank line at or after `from`, or the end of the bytes. */
function endOfEvent(bytes: Buffer, from: number): number {
  const lf = bytes.indexOf('\n\n', from)
  const crlf = bytes.indexOf('\r\n\r\n', from)
  if (lf < 0 && crlf < 0) return bytes.length
  if (crlf < 0 || (lf >= 0 && lf < crlf)) return lf + 2
  return crlf + 4
}

/** Walks the events of a run. `visit` gets the event name, its data, and where its bytes lie in the run. */
export function eachEvent(run: Buffer, visit: (event: string, data: string, start: number, end: number) => void): void {
  for (let start = 0; start < run.length; ) {
    const end = endOfEvent(run, start)
    let name = ''
    let data: string | undefined
    for (const line of run.toString('utf8', start, end).split('\n')) {
      if (line.startsWith('data:')) {
        const value = fieldValue(line, 5)
        data = data === undefined ? value : `${data}\n${value}`
      } else if (line.startsWith('event:')) {
        name = fieldValue(line, 6)
      }
    }
    if (data !== undefined) visit(name, data, start, end)
    start = end
  }
}

function fieldValue(line: string, from: number): string {
  const start = line.charCodeAt(from) === 32 ? from + 1 : from
  return line.endsWith('\r') ? line.slice(start, -1) : line.slice(start)
}
