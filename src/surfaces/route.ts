import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../governance/authentication/principal.ts'
import type { GuardedRoute, Permission } from '../governance/authorization/permission.ts'
import type { Reach } from '../governance/authorization/policy/access-control.ts'
import type { RouteGroup } from '../governance/authorization/route-groups.ts'
import type { Dialect } from '../providers/wire.ts'
import type { ApiDescription } from './api-description.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface RouteContext {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Undefined on public routes. */
  readonly identity: Principal | undefined
  readonly route: GuardedRoute
}

export interface Route {
  readonly method: Method
  /** Fastify path; several for aliases. */
  readonly paths: readonly string[]
  /** Who may use it. The server refuses to start with a route that does not say. */
  readonly permission: Permission
  /** Sets of LiteLLM's `allowed_routes` it belongs to. Default: by permission and dialect, see `groupsOf`. */
  readonly groups?: readonly RouteGroup[]
  /** Whether it changes something. Default: every method but GET, on routes that are not `llm`. */
  readonly writes?: boolean
  /** Who may use it from an address that is on no list of allowed ones. Default: nobody. */
  readonly anywhere?: Reach
  /** Takes a form (`application/x-www-form-urlencoded`) as well as JSON: what HTML pages send. */
  readonly form?: boolean
  /** The dialect in which errors of this route are written. */
  readonly dialect: Dialect
  /** What the OpenAPI document says of it. */
  readonly api?: ApiDescription
  /** Returns a value to send as JSON, or undefined when it has answered itself. */
  readonly handle: (context: RouteContext) => unknown
}

const dialectGroup = { openai: 'openai_routes', anthropic: 'anthropic_routes', gemini: 'google_routes' } as const

/** The `allowed_routes` sets of a route. */
export function groupsOf(route: Route): readonly RouteGroup[] {
  if (route.groups !== undefined) return route.groups
  switch (route.permission) {
    case 'public':
      return ['public_routes']
    case 'llm':
      return [
        'llm_api_routes',
        dialectGroup[route.dialect],
        ...(route.method === 'GET' ? (['info_routes'] as const) : []),
      ]
    default:
      return ['management_routes', ...(route.method === 'GET' ? (['info_routes'] as const) : [])]
  }
}

export const writesOf = (route: Route): boolean =>
  route.writes ?? (route.method !== 'GET' && route.permission !== 'llm' && route.permission !== 'public')
