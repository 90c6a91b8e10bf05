import type { IncomingMessage } from 'node:http'
import type { PresentedRequest } from '../governance/authentication/presented.ts'

/** A request as authentication sees it. */
export const presented = (request: IncomingMessage, address: string): PresentedRequest => ({
  method: request.method ?? 'GET',
  headers: request.headers,
  address,
  peer: request.socket.remoteAddress ?? '',
})
