import type { Clock } from '../../../platform/clock.ts'
import type { Actor } from '../../audit/audit-log.ts'
import type { Role } from '../../authorization/roles.ts'
import type { ControlPlane } from '../control-plane.ts'
import type { Newcomers } from '../people.ts'
import { ScimError } from './scim-error.ts'

export interface ScimServices {
  readonly plane: ControlPlane
  readonly clock: Clock
  readonly newcomers: () => Newcomers
  /** `litellm_settings.scim_upsert_user`, default true: members of a group that do not exist are created. */
  readonly upsertUsers: () => boolean
  /** `litellm_settings.scim_admin_group`: whoever is in it is a proxy admin, by id or name of the group. */
  readonly adminGroup: () => string | undefined
}

/** One call: who makes it, and where the service is reached. */
export interface ScimCall {
  readonly actor: Actor
  /** `https://gateway.example.com/scim/v2` */
  readonly base: string
  /** `If-Match`: the version that may be replaced. */
  readonly ifMatch: string | undefined
}

/** @throws ScimError 412 */
export function checkVersion({ ifMatch }: ScimCall, version: string): void {
  if (ifMatch === undefined || ifMatch === '*') return
  const given = ifMatch.split(',').map(tag => tag.trim())
  if (!given.includes(version)) throw new ScimError(412, 'The resource was changed since; read it again (If-Match).')
}

/** The role of a user by its groups; undefined: groups say nothing of roles here. */
export function roleByGroups(
  groups: readonly { readonly team_id: string; readonly team_alias: string | null }[],
  adminGroup: string | undefined,
  otherwise: Role,
): Role | undefined {
  if (adminGroup === undefined) return undefined
  return groups.some(group => group.team_id === adminGroup || group.team_alias === adminGroup)
    ? 'proxy_admin'
    : otherwise
}
