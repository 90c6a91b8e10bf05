import { z } from 'zod'
import { roles } from '../../authorization/roles.ts'
import { settingInvalid } from '../token-errors.ts'
import { noRules, subjectOf, type TokenIdentity, tokenIdentity } from '../token-identity.ts'

const id = z.string().min(1).max(512)
const texts = z.array(z.string().max(512)).max(1000)
const limit = z.number().min(0)
const optionalId = id.nullish()

/** What a `custom_auth` module may say, under LiteLLM's names. Unknown fields are an error: a typo must not lift a limit. */
const identitySchema = z.strictObject({
  user_id: optionalId,
  user_email: optionalId,
  user_role: z.enum(roles).nullish(),
  team_id: optionalId,
  team_alias: optionalId,
  org_id: optionalId,
  end_user_id: optionalId,
  agent_id: optionalId,
  key_alias: optionalId,
  models: texts.nullish(),
  allowed_routes: texts.nullish(),
  /** Epoch milliseconds, a date, or ISO 8601. */
  expires: z
    .union([
      z.number(),
      z.date().transform(date => date.getTime()),
      z.iso.datetime({ offset: true }).transform(text => Date.parse(text)),
    ])
    .nullish(),
  max_budget: limit.nullish(),
  soft_budget: limit.nullish(),
  budget_duration: z.string().max(20).nullish(),
  tpm_limit: limit.nullish(),
  rpm_limit: limit.nullish(),
  max_parallel_requests: limit.nullish(),
  model_max_budget: z.record(z.string(), z.unknown()).nullish(),
  aliases: z.record(z.string(), z.string()).nullish(),
  tags: texts.nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  enforced_params: texts.nullish(),
})

/** Fields that act like those of a key's row. */
const keyFields = [
  'key_alias',
  'models',
  'max_budget',
  'soft_budget',
  'budget_duration',
  'tpm_limit',
  'rpm_limit',
  'max_parallel_requests',
  'model_max_budget',
  'aliases',
  'tags',
  'metadata',
  'enforced_params',
] as const

/**
 * A module's answer → an identity. An answer that is just text is a virtual key, to be used in place of what the caller sent.
 * @param credential hash of what the caller sent, for bearers without an id
 * @param asKey whether limits of the rows it names apply (`custom_auth_run_common_checks`)
 * @throws GatewayError `config_invalid`: the module is wrong, not the caller
 */
export function customIdentity(answer: unknown, credential: string): TokenIdentity | { readonly key: string } {
  if (typeof answer === 'string' && answer !== '') return { key: answer }
  const parsed = identitySchema.safeParse(answer)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const at = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
    throw settingInvalid(
      `general_settings.custom_auth answered with something else than an identity: ${at}${issue?.message ?? ''}.`,
    )
  }
  const said = parsed.data
  const fields = Object.fromEntries(
    keyFields.flatMap(name => (said[name] === undefined || said[name] === null ? [] : [[name, said[name]]])),
  )
  const userId = said.user_id ?? undefined
  const teamId = said.team_id ?? undefined
  return tokenIdentity({
    proof: 'custom',
    subject: subjectOf('custom', userId ?? teamId ?? credential, said.key_alias ?? ''),
    userId,
    userEmail: said.user_email ?? undefined,
    role: said.user_role ?? (userId === undefined ? 'team' : undefined),
    teamId,
    teamAlias: said.team_alias ?? undefined,
    organizationId: said.org_id ?? undefined,
    endUserId: said.end_user_id ?? undefined,
    agentId: said.agent_id ?? undefined,
    routes: said.allowed_routes ?? [],
    rules: { ...noRules, unknownUser: 'admit' },
    keyFields: fields,
    expiresAt: said.expires ?? undefined,
  })
}
