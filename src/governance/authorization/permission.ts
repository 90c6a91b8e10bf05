import type { Principal } from '../authentication/principal.ts'
import { type RouteFacts, routeAllowed } from './route-groups.ts'

/**
 * Who may use a route; every route declares one.
 * - `public`: everybody, no key
 * - `llm`: whoever has a valid key, for calls to models, tools and agents
 * - `self`: people and keys, for their own objects; the handler narrows to what the caller may see or change, and team
 *   and organization admins reach theirs. Viewers may only read.
 * - `viewer`: administrators and administrators' viewers
 * - `admin`: administrators
 */
export type Permission = 'public' | 'llm' | 'self' | 'viewer' | 'admin'

export interface GuardedRoute extends RouteFacts {
  /** Whether what is asked for stands in a body that is read later. */
  readonly body?: boolean
  readonly permission: Permission
  /** Whether the route changes something; viewers are refused then. */
  readonly writes: boolean
}

/** Why a caller may not use a route, for the 403; undefined: it may. */
export function refusal(principal: Principal, route: GuardedRoute): string | undefined {
  if (route.permission === 'public') return undefined
  if (!routeAllowed(principal.allowedRoutes, route)) return 'this key is limited to other routes (allowed_routes)'
  const { role } = principal
  switch (route.permission) {
    case 'llm':
      return undefined
    case 'self':
      if (role === 'team' || role === 'customer') return `the role ${role} has no access to management routes`
      if (route.writes && (role === 'proxy_admin_viewer' || role === 'internal_user_viewer')) {
        return `the role ${role} may only read`
      }
      return undefined
    case 'viewer':
      if (role === 'proxy_admin') return undefined
      return role === 'proxy_admin_viewer' && !route.writes
        ? undefined
        : 'only administrators (proxy_admin, or proxy_admin_viewer for reading) may'
    case 'admin':
      return role === 'proxy_admin' ? undefined : 'only administrators (proxy_admin) may'
  }
}
