import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Principal } from '../authentication/principal.ts'

/** Whose an object is. */
export interface Ownership {
  readonly userId?: string | null | undefined
  readonly teamId?: string | null | undefined
  /** Its own, or that of its team. */
  readonly organizationId?: string | null | undefined
  /** For keys. */
  readonly token?: string | undefined
}

/**
 * Whether a caller may see an object: administrators and their viewers everything; organization and team admins theirs;
 * members what their team shows them (`permission` is the route their team must list); everybody their own.
 */
export function maySee(principal: Principal, object: Ownership, permission?: string): boolean {
  return (
    principal.role === 'proxy_admin_viewer' ||
    object.token === principal.token ||
    mayManage(principal, object, permission)
  )
}

/** Whether it may change it. A personal object inside a team belongs to the team's admins as well as to its user. */
export function mayManage(principal: Principal, object: Ownership, permission?: string): boolean {
  if (principal.admin) return true
  if (principal.role === 'proxy_admin_viewer') return false
  const { userId, teamId, organizationId } = object
  if (organizationId != null && principal.adminOfOrganizations.includes(organizationId)) return true
  if (teamId != null) {
    if (principal.adminOfTeams.includes(teamId)) return true
    // In a team, a member may do what the team lets its members do; that an object is its own is not enough.
    const permissions = principal.memberOfTeams.get(teamId)
    if (permissions === undefined) return false
    return permission === undefined ? false : permissions.includes(permission)
  }
  return userId != null && userId === principal.userId
}

/** @throws GatewayError 404: what is not the caller's does not exist for it. */
export const notFound = (kind: string, id: string): GatewayError =>
  new GatewayError('not_found', `There is no ${kind} '${id.slice(0, 200)}' that you may see.`)

/** Lists narrowed to what the caller may see; undefined: everything. */
export interface Visibility {
  readonly userId: string | undefined
  readonly token: string
  readonly teamIds: readonly string[]
  readonly organizationIds: readonly string[]
}

export function visibilityOf(principal: Principal): Visibility | undefined {
  if (principal.admin || principal.role === 'proxy_admin_viewer') return undefined
  return {
    userId: principal.userId,
    token: principal.token,
    teamIds: principal.adminOfTeams,
    organizationIds: principal.adminOfOrganizations,
  }
}
