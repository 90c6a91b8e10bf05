import type { IncomingHttpHeaders } from 'node:http'

/** What a request shows of its sender. */
export interface PresentedRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** The caller's address, trusted proxies taken into account. */
  readonly address: string
  /** The other end of the socket: the last proxy, if there is one. */
  readonly peer: string
}

/** A header that may come once; several values of it are nobody's word. */
export function oneHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
