import { z } from 'zod'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { TeamRow } from '../../../platform/store/tables.ts'
import { roles } from '../../authorization/roles.ts'
import { dollars, idText, limitFields, record, texts } from '../limit-fields.ts'
import type { ObjectKind } from '../managed-objects.ts'
import { type MemberLimits, teamRoles } from '../teams/team-fields.ts'

/** Users, as the management API keeps and shows them. */
export const userKind: ObjectKind<'users'> = {
  table: 'users',
  id: 'user_id',
  name: 'user',
  columns: new Set([
    'user_id',
    'user_email',
    'user_alias',
    'sso_user_id',
    'user_role',
    'password',
    'budget_id',
    'spend',
    'budget_reset_at',
    'blocked',
    'teams',
    'team_id',
    'auto_create_key',
    'send_invite_email',
    'duration',
    'key_alias',
    'created_at',
    'updated_at',
  ]),
  presentation: {
    money: ['spend'],
    times: ['created_at', 'updated_at', 'budget_reset_at'],
    flags: ['blocked'],
    hidden: ['password_hash', 'spend_since', 'spend_base'],
    defaults: {
      models: [],
      metadata: {},
      max_budget: null,
      budget_duration: null,
      tpm_limit: null,
      rpm_limit: null,
      max_parallel_requests: null,
    },
  },
  notices: row => [{ kind: 'user', id: row.user_id }],
}

const userRoles = z.enum(roles)

const userFields = {
  ...limitFields,
  user_email: z.string().min(3).max(320).nullish(),
  user_alias: z.string().max(255).nullish(),
  sso_user_id: idText.nullish(),
  user_role: userRoles.nullish(),
  models: texts.nullish(),
  metadata: record.nullish(),
  aliases: z.record(z.string(), z.string()).nullish(),
  guardrails: texts.nullish(),
  object_permission: record.nullish(),
  organizations: texts.nullish(),
  blocked: z.boolean().nullish(),
} as const

export const newUserRequest = z.object({
  ...userFields,
  user_id: idText.nullish(),
  teams: z
    .array(z.union([z.string(), record]))
    .max(100)
    .nullish(),
  team_id: idText.nullish().meta({ description: 'Same as `teams` with one; the key that comes with the user is its.' }),
  auto_create_key: z.boolean().nullish().meta({ description: 'Default true: a key comes with the user.' }),
  duration: z.string().max(20).nullish(),
  key_alias: z.string().max(255).nullish(),
  send_invite_email: z.boolean().nullish(),
})
export const updateUserRequest = z
  .object({ ...userFields, user_id: idText.nullish(), spend: z.number().min(0).nullish() })
  .refine(body => body.user_id != null || body.user_email != null, 'give user_id or user_email')

export type NewUserRequest = z.output<typeof newUserRequest>
export type UpdateUserRequest = z.output<typeof updateUserRequest>

/** A team that a new user becomes a member of. */
export interface Place {
  readonly team: TeamRow
  readonly role: 'admin' | 'user'
  readonly limits: MemberLimits
}

/** A team as `teams` names it: by id, or with the member's role and budget. */
export function placeOf(
  entry: string | Readonly<Record<string, unknown>>,
): Omit<Place, 'team'> & { readonly id: string } {
  if (typeof entry === 'string') return { id: entry, role: 'user', limits: {} }
  const parsed = userTeam.safeParse(entry)
  if (!parsed.success) {
    throw new GatewayError(
      'invalid_request',
      "'teams' must name teams by id, or as {team_id, user_role, max_budget_in_team}.",
      {
        param: 'teams',
      },
    )
  }
  const { team_id: id, user_role: role, max_budget_in_team: budget } = parsed.data
  return { id, role, limits: budget == null ? {} : { max_budget_in_team: budget } }
}

const userTeam = z.object({
  team_id: idText,
  user_role: z.enum(teamRoles).default('user'),
  max_budget_in_team: dollars.nullish(),
})
