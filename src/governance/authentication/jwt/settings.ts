import { z } from 'zod'
import { roles } from '../../authorization/roles.ts'
import { settingInvalid } from '../token-errors.ts'

const name = z.string().min(1)
const claim = name.optional()
const oneOrMore = z.union([name.transform(one => [one]), z.array(name).min(1)])
const names = z.union([name.transform(one => [one]), z.array(name)])
const seconds = z.number().min(0).max(31_536_000)

/** LiteLLM's longer spellings of two roles. */
const role = z.preprocess(
  value =>
    value === 'internal_user_view_only'
      ? 'internal_user_viewer'
      : value === 'proxy_admin_view_only'
        ? 'proxy_admin_viewer'
        : value,
  z.enum(roles),
)

const issuerSchema = z.strictObject({
  issuer: name,
  jwks_url: name.optional(),
  audience: oneOrMore.optional(),
  disable_audience_validation: z.boolean().default(false),
  user_id_jwt_field: claim,
  user_email_jwt_field: claim,
  team_id_jwt_field: claim,
  team_ids_jwt_field: claim,
  org_id_jwt_field: claim,
  end_user_id_jwt_field: claim,
})

/** `general_settings.litellm_jwtauth`, with LiteLLM's names and defaults. */
const jwtAuthSchema = z.strictObject({
  admin_jwt_scope: name.default('litellm_proxy_admin'),
  admin_allowed_routes: names.default([
    'management_routes',
    'spend_tracking_routes',
    'global_spend_tracking_routes',
    'info_routes',
  ]),
  team_id_jwt_field: claim,
  team_ids_jwt_field: claim,
  team_alias_jwt_field: claim,
  team_id_default: claim,
  team_id_upsert: z.boolean().default(false),
  team_allowed_routes: names.default(['openai_routes', 'info_routes', 'mcp_routes']),
  team_claim_fallback: z.boolean().default(false),
  fallback_to_db_teams: z.boolean().default(false),
  org_id_jwt_field: claim,
  org_alias_jwt_field: claim,
  user_id_jwt_field: claim,
  user_email_jwt_field: claim,
  user_allowed_email_domain: claim,
  user_roles_jwt_field: claim,
  user_allowed_roles: names.optional(),
  user_id_upsert: z.boolean().default(false),
  upsert_sso_user_to_team: z.boolean().default(false),
  end_user_id_jwt_field: claim,
  agent_id_jwt_field: claim,
  roles_jwt_field: claim,
  role_mappings: z
    .array(z.strictObject({ role: name, internal_role: z.enum(['proxy_admin', 'team', 'internal_user']) }))
    .optional(),
  object_id_jwt_field: claim,
  scope_mappings: z
    .array(z.strictObject({ scope: name, models: names.optional(), routes: names.optional() }))
    .optional(),
  enforce_scope_based_access: z.boolean().default(false),
  enforce_rbac: z.boolean().default(false),
  enforce_team_based_model_access: z.boolean().default(false),
  jwt_litellm_role_map: z.array(z.strictObject({ jwt_role: name, litellm_role: role })).optional(),
  sync_user_role_and_teams: z.boolean().default(false),
  public_key_ttl: seconds.default(600),
  public_key_stale_ttl: seconds.default(3600),
  public_allowed_routes: names.default(['public_routes']),
  custom_validate: name.optional(),
  oidc_userinfo_enabled: z.boolean().default(false),
  oidc_userinfo_endpoint: name.optional(),
  oidc_userinfo_cache_ttl: seconds.default(300),
  virtual_key_claim_field: claim,
  virtual_key_mapping_cache_ttl: seconds.default(300),
  unregistered_jwt_client_behavior: z
    .enum(['fallback_team_mapping', 'reject', 'auto_register'])
    .default('fallback_team_mapping'),
  issuers: z.array(issuerSchema).max(50).default([]),
  routing_overrides: z
    .array(
      z.strictObject({
        iss: oneOrMore,
        client_id: oneOrMore.optional(),
        aud: oneOrMore.optional(),
        scope: oneOrMore.optional(),
        path: z.literal('oauth2'),
      }),
    )
    .default([]),
  /** Seconds by which clocks may differ. Not LiteLLM's: it allows none. */
  leeway: z.number().min(0).max(300).default(10),
  /** Tokens without `exp` are refused unless this is false. Not LiteLLM's: it lets them live for ever. */
  require_expiry: z.boolean().default(true),
})

const rolePermissions = z.array(
  z.looseObject({ role: z.enum(roles), models: names.optional(), routes: names.optional() }),
)

export type JwtIssuer = z.output<typeof issuerSchema>
export type JwtFields = z.output<typeof jwtAuthSchema>
export type RolePermission = z.output<typeof rolePermissions>[number]

export interface JwtSettings {
  readonly fields: JwtFields
  /** Key sets for tokens of issuers that are not listed. */
  readonly keyUrls: readonly string[]
  readonly audience: readonly string[]
  readonly issuer: readonly string[]
  readonly rolePermissions: readonly RolePermission[]
}

export interface JwtSettingsSource {
  readonly litellm_jwtauth?: unknown
  readonly enforce_rbac?: unknown
  readonly role_permissions?: unknown
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads `general_settings` and `JWT_PUBLIC_KEY_URL`, `JWT_AUDIENCE`, `JWT_ISSUER` (lists with commas).
 * @throws GatewayError `config_invalid` that names the field.
 */
export function readJwtSettings(
  general: JwtSettingsSource,
  env: Environment,
): { readonly settings: JwtSettings; readonly warnings: readonly string[] } {
  const raw = withOldNames(general.litellm_jwtauth ?? {})
  const parsed = jwtAuthSchema.safeParse(raw)
  if (!parsed.success) throw settingInvalid(`general_settings.litellm_jwtauth${problem(parsed.error)}`)
  const permissions = rolePermissions.safeParse(general.role_permissions ?? [])
  if (!permissions.success) throw settingInvalid(`general_settings.role_permissions${problem(permissions.error)}`)
  const fields = { ...parsed.data, enforce_rbac: parsed.data.enforce_rbac || general.enforce_rbac === true }
  const settings: JwtSettings = {
    fields,
    keyUrls: list(env['JWT_PUBLIC_KEY_URL']),
    audience: list(env['JWT_AUDIENCE']),
    issuer: list(env['JWT_ISSUER']),
    rolePermissions: permissions.data,
  }
  checkTogether(settings)
  return { settings, warnings: warningsOf(settings) }
}

/** `jwt_client_id_field` became `virtual_key_claim_field`. */
function withOldNames(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('jwt_client_id_field' in value)) return value
  const { jwt_client_id_field: old, ...rest } = value as Record<string, unknown>
  return { virtual_key_claim_field: old, ...rest }
}

function problem(error: z.ZodError): string {
  const [first] = error.issues
  if (first === undefined) return ' is not valid.'
  const at = first.path.length === 0 ? '' : `.${first.path.join('.')}`
  return `${at}: ${first.message}.`
}

const list = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')

function checkTogether({ fields, keyUrls }: JwtSettings): void {
  const at = 'general_settings.litellm_jwtauth'
  if ((fields.user_roles_jwt_field === undefined) !== (fields.user_allowed_roles === undefined)) {
    throw settingInvalid(`${at}: user_roles_jwt_field and user_allowed_roles go together; set both or none.`)
  }
  if (fields.object_id_jwt_field !== undefined && fields.role_mappings === undefined) {
    throw settingInvalid(
      `${at}: object_id_jwt_field needs role_mappings, which say whether the id is a user or a team.`,
    )
  }
  if (fields.scope_mappings !== undefined && !fields.enforce_scope_based_access) {
    throw settingInvalid(`${at}: scope_mappings does nothing without enforce_scope_based_access: true.`)
  }
  if (fields.oidc_userinfo_enabled && fields.oidc_userinfo_endpoint === undefined) {
    throw settingInvalid(`${at}: oidc_userinfo_enabled needs oidc_userinfo_endpoint.`)
  }
  for (const issuer of fields.issuers) {
    if (issuer.disable_audience_validation === (issuer.audience !== undefined)) {
      throw settingInvalid(
        `${at}.issuers (${issuer.issuer}): give an audience, or say disable_audience_validation: true; one of the two.`,
      )
    }
  }
  if (new Set(fields.issuers.map(issuer => issuer.issuer)).size !== fields.issuers.length) {
    throw settingInvalid(`${at}.issuers: an issuer is listed twice.`)
  }
  if (keyUrls.length === 0 && fields.issuers.length === 0 && !fields.oidc_userinfo_enabled) {
    throw settingInvalid(
      'general_settings.enable_jwt_auth needs the public keys of your identity provider: set JWT_PUBLIC_KEY_URL, or litellm_jwtauth.issuers.',
    )
  }
}

function warningsOf({ fields, keyUrls, audience, issuer }: JwtSettings): readonly string[] {
  const warnings: string[] = []
  if (keyUrls.length > 0 && audience.length === 0 && issuer.length === 0) {
    warnings.push(
      'JWT_AUDIENCE and JWT_ISSUER are not set: a token that any other application of the same identity provider got is accepted here.',
    )
  } else if (keyUrls.length > 0 && audience.length === 0) {
    warnings.push('JWT_AUDIENCE is not set: tokens that were issued for other applications are accepted here.')
  }
  if (!fields.require_expiry) warnings.push('litellm_jwtauth.require_expiry is false: tokens without exp never end.')
  return warnings
}
