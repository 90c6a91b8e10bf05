import { z } from 'zod'
import { count, dollars, record, texts } from '../limit-fields.ts'

export const teamRoles = ['admin', 'user'] as const

/** A member as requests name it: by user id, or by e-mail. */
export const member = z
  .object({
    user_id: z.string().min(1).max(255).nullish(),
    user_email: z.string().min(3).max(320).nullish(),
    role: z.enum(teamRoles).default('user'),
  })
  .refine(one => one.user_id != null || one.user_email != null, 'give user_id or user_email')

export const teamFields = {
  team_alias: z.string().min(1).max(255).nullish(),
  organization_id: z.string().max(255).nullish(),
  models: texts.nullish(),
  metadata: record.nullish(),
  tags: texts.nullish(),
  max_budget: dollars.nullish(),
  soft_budget: dollars.nullish(),
  budget_duration: z.string().max(20).nullish(),
  budget_limits: z.array(record).max(10).nullish(),
  limits: z.array(record).max(50).nullish(),
  tpm_limit: count.nullish(),
  rpm_limit: count.nullish(),
  itpm_limit: count.nullish(),
  otpm_limit: count.nullish(),
  max_parallel_requests: count.nullish(),
  model_rpm_limit: z.record(z.string(), count).nullish(),
  model_tpm_limit: z.record(z.string(), count).nullish(),
  model_max_budget: record.nullish(),
  team_member_budget: dollars.nullish().meta({ description: 'Budget every member gets inside the team.' }),
  team_member_budget_duration: z.string().max(20).nullish(),
  team_member_rpm_limit: count.nullish(),
  team_member_tpm_limit: count.nullish(),
  team_member_key_duration: z.string().max(20).nullish(),
  team_member_permissions: texts
    .nullish()
    .meta({ description: 'Routes members may use for the team: `/key/generate`, …' }),
  model_aliases: z.record(z.string(), z.string()).nullish(),
  guardrails: texts.nullish(),
  policies: texts.nullish(),
  prompts: texts.nullish(),
  object_permission: record.nullish(),
  access_group_ids: texts.nullish(),
  router_settings: record.nullish(),
  secret_manager_settings: record.nullish(),
  allowed_passthrough_routes: z.array(z.unknown()).max(200).nullish(),
  blocked: z.boolean().nullish(),
} as const

export const newTeamRequest = z.object({
  ...teamFields,
  team_id: z.string().min(1).max(255).nullish(),
  members_with_roles: z.array(member).max(1000).nullish(),
  members: texts.nullish(),
  admins: texts.nullish(),
})

export const updateTeamRequest = z.object({
  ...teamFields,
  team_id: z.string().min(1).max(255),
  spend: dollars.nullish(),
})

/** What a member may have inside a team. */
export const memberLimits = {
  max_budget_in_team: dollars.nullish(),
  budget_duration: z.string().max(20).nullish(),
  tpm_limit: count.nullish(),
  rpm_limit: count.nullish(),
  allowed_models: texts.nullish(),
} as const

export type NewTeamRequest = z.output<typeof newTeamRequest>
export type UpdateTeamRequest = z.output<typeof updateTeamRequest>
export type MemberRequest = z.output<typeof member>
export type MemberLimits = { readonly [K in keyof typeof memberLimits]?: z.output<(typeof memberLimits)[K]> }
