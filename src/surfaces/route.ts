import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../pipeline/identity/master-key.ts'
import type { Dialect } from '../providers/wire.ts'

/** Who may use a route. Every route declares one; the server refuses to start with a route that does not. */
export type Permission = 'public' | 'llm' | 'admin'

export interface RouteContext {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Undefined on public routes. */
  readonly identity: Identity | undefined
}

export interface Route {
  readonly method: 'GET' | 'POST'
  /** Fastify path; several for aliases. */
  readonly paths: readonly string[]
  readonly permission: Permission
  /** The dialect in which errors of this route are written. */
  readonly dialect: Dialect
  /** Returns a value to send as JSON, or undefined when it has answered itself. */
  readonly handle: (context: RouteContext) => unknown
}
