import type { TeamMemberRow, TeamRow } from '../../../platform/store/tables.ts'
import type { Ownership } from '../../authorization/tenancy.ts'
import { parseSettings, textOf } from '../../objects/settings.ts'
import type { ObjectKind } from '../managed-objects.ts'
import { dollarsFromNano } from '../present.ts'

/** Teams, as the management API keeps and shows them. */
export const teamKind: ObjectKind<'teams'> = {
  table: 'teams',
  id: 'team_id',
  name: 'team',
  columns: new Set([
    'team_id',
    'team_alias',
    'organization_id',
    'budget_id',
    'spend',
    'budget_reset_at',
    'blocked',
    'members_with_roles',
    'members',
    'admins',
    'created_at',
    'updated_at',
  ]),
  presentation: {
    money: ['spend'],
    times: ['created_at', 'updated_at', 'budget_reset_at'],
    flags: ['blocked'],
    hidden: ['spend_since', 'spend_base'],
    defaults: {
      models: [],
      metadata: {},
      max_budget: null,
      soft_budget: null,
      budget_duration: null,
      tpm_limit: null,
      rpm_limit: null,
      max_parallel_requests: null,
      team_member_permissions: [],
      model_aliases: {},
      access_group_ids: [],
    },
  },
  notices: row => [{ kind: 'team', id: row.team_id }],
}

export const teamOwnership = (row: TeamRow): Ownership => ({ teamId: row.team_id, organizationId: row.organization_id })

/** A member in the list a team shows. */
export interface TeamMember {
  readonly user_id: string
  readonly user_email: string | null
  readonly role: string
}

export const memberOf = (row: TeamMemberRow): TeamMember => ({
  user_id: row.user_id,
  user_email: textOf(parseSettings(row.settings), 'user_email') ?? null,
  role: row.role,
})

/** `team_memberships` of `/team/info`: a member's own budget and spend inside the team. */
export const membershipOf = (row: TeamMemberRow): Record<string, unknown> => {
  const { permissions, user_email: _email, ...limits } = parseSettings(row.settings)
  return {
    user_id: row.user_id,
    team_id: row.team_id,
    budget_id: row.budget_id,
    spend: dollarsFromNano(row.spend),
    permissions: permissions ?? [],
    litellm_budget_table: Object.keys(limits).length === 0 ? null : { budget_id: row.budget_id, ...limits },
  }
}
