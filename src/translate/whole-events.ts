const CR = 0x0d
const CLOSE = 0x7d

/**
 * Whether an event in this run of complete server-sent events ends in anything but `}`: broken off JSON, an error page,
 * a comment, `[DONE]`. JSON that is broken in its middle goes unnoticed; finding that would mean parsing every event.
 * Measured: 0.02 µs for a chunk of 300 bytes. @param text bytes of the run as latin1.
 */
export function hasOddEvent(text: string): boolean {
  const { length } = text
  const crlf = text.charCodeAt(length - 2) === CR
  const blank = crlf ? '\n\r\n' : '\n\n'
  const before = crlf ? 2 : 1
  for (let at = text.indexOf(blank); at >= 0; at = text.indexOf(blank, at + blank.length)) {
    if (text.charCodeAt(at - before) !== CLOSE) return true
  }
  return false
}
