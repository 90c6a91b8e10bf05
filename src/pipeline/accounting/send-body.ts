import { isAscii } from 'node:buffer'
import type { ServerResponse } from 'node:http'

/** Milliseconds an idle connection of a caller stays open; told to callers in `Keep-Alive`. */
export const keepAliveTimeout = 75_000

const alive = `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveTimeout / 1000}\r\n\r\n`

/** Bytes up to which Node copies head and body into one write on its stack. */
const oneWrite = 12 * 1024

/**
 * Sends a complete body.
 * @param head lines, each with its end; see `responseHead`
 * @param oneByte the body is ASCII text
 */
export function sendBody(
  response: ServerResponse,
  status: number,
  head: string,
  body: Buffer | string,
  oneByte = false,
): void {
  const length = typeof body === 'string' && !oneByte ? Buffer.byteLength(body) : body.length
  const lines = `${head}content-length: ${length}\r\n`
  if (status !== 200 || !headWritten(response, lines)) response.writeHead(status, headerPairs(lines))
  if (typeof body === 'string') response.end(body, length === body.length ? 'latin1' : 'utf8')
  else response.end(body)
}

/** Names and values in turn, as `writeHead` takes them. */
export function headerPairs(lines: string): string[] {
  const pairs: string[] = []
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ')
    if (colon > 0) pairs.push(line.slice(0, colon), line.slice(colon + 2))
  }
  return pairs
}

/**
 * The complete answer as it is best sent: where all of it is ASCII, head and body leave in one write instead of a gathered
 * one. (As many characters as bytes are no proof: each byte that is no UTF-8 is read as one character as well.)
 */
export function bodyToSend(bytes: Buffer, text: string): Buffer | string {
  return bytes.length <= oneWrite && isAscii(bytes) ? text : bytes
}

/**
 * Puts the head of an ordinary 200 on a connection that stays open in place as it is. `writeHead` looks at each of 25
 * names and values several times, which is a microsecond more per call, and four with limits (ADR 0004).
 * @returns false: nothing was done, the usual way is needed
 */
function headWritten(response: ServerResponse, lines: string): boolean {
  if (!response.shouldKeepAlive || !response.sendDate || response.hasHeader('connection')) return false
  response.statusCode = 200
  ;(response as ServerResponse & { _header: string })._header =
    `HTTP/1.1 200 OK\r\n${lines}Date: ${httpDate()}\r\n${alive}`
  return response.headersSent
}

let date = ''
/** Wall-clock milliseconds at which `date` is a second old. */
let dateEnds = 0

function httpDate(): string {
  const now = Date.now()
  if (now >= dateEnds || now < dateEnds - 1000) {
    date = new Date(now).toUTCString()
    dateEnds = now - (now % 1000) + 1000
  }
  return date
}
