import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../governance/authentication/principal.ts'
import type { GuardedRoute, Permission } from '../governance/authorization/permission.ts'
import type { Reach, ReachedRoute } from '../governance/authorization/policy/access-control.ts'
import type { RouteGroup } from '../governance/authorization/route-groups.ts'
import type { Dialect } from '../providers/wire.ts'
import type { ApiDescription } from './api-description.ts'
import type { JsonBody } from './json-body.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface RouteContext {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Undefined on public routes. */
  readonly identity: Principal | undefined
  readonly route: GuardedRoute
}

/** A call at the door: its caller known, its body read. */
export interface IncomingCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Undefined on public routes. */
  readonly identity: Principal | undefined
  readonly route: GuardedRoute
  /** Where it comes from, trusted proxies taken into account. */
  readonly address: string
  /** Monotonic milliseconds at which the request head was read. */
  readonly startedAt: number
  /** Undefined when it is empty. */
  readonly body: JsonBody | undefined
  /** What stands for the `*` of the path. */
  readonly rest: string
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
  readonly handle?: (context: RouteContext) => unknown
  /** In place of `handle`, for calls: takes JSON, and writes to the socket itself. */
  readonly answer?: (call: IncomingCall) => void
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

/** A route as authorization sees it. @throws Error for one without permission or answer: such a gateway does not start. */
export function guardedRoute(route: Route): ReachedRoute {
  if (route.permission === undefined) throw new Error(`route ${route.paths[0]} declares no permission`)
  if (route.handle === undefined && route.answer === undefined)
    throw new Error(`route ${route.paths[0]} answers nothing`)
  return {
    paths: route.paths,
    permission: route.permission,
    groups: groupsOf(route),
    writes: writesOf(route),
    body: route.method !== 'GET',
    anywhere: route.anywhere,
  }
}

/** The route a path leads to, for those who ask without calling. Declared paths win over patterns. */
export function matching(routes: readonly Route[], method: Method, path: string): Route | undefined {
  const own = routes.filter(route => route.method === method)
  return (
    own.find(route => route.paths.includes(path)) ??
    own.find(route => route.paths.some(template => fits(template.split('/'), path.split('/'))))
  )
}

function fits(template: readonly string[], path: readonly string[]): boolean {
  const open = template.at(-1) === '*'
  if (open ? path.length < template.length : path.length !== template.length) return false
  return template.every((part, index) => part === '*' || part.startsWith(':') || part === path[index])
}
