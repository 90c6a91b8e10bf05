import type { FastifyRequest } from 'fastify'
import type { PresentedRequest } from '../governance/authentication/presented.ts'

/** A request as authentication sees it. */
export const presented = (request: FastifyRequest): PresentedRequest => ({
  method: request.method,
  headers: request.raw.headers,
  address: request.clientAddress,
  peer: request.raw.socket.remoteAddress ?? '',
})
