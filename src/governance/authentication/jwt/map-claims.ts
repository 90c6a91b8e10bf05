import type { Role } from '../../authorization/roles.ts'
import { notAdmitted } from '../token-errors.ts'
import { type AdmissionRules, subjectOf, type TokenIdentity, tokenIdentity } from '../token-identity.ts'
import { type Claims, claimAt, idAt, idsAt, scopesOf } from './claims.ts'
import type { JwtFields, JwtSettings } from './settings.ts'
import type { VerifiedToken } from './verifier.ts'

/**
 * Verified claims → what they mean here, by `litellm_jwtauth`. Pure; nothing is looked up.
 * @throws GatewayError `permission_denied` when the claims themselves keep the bearer out.
 */
export function mapClaims(settings: JwtSettings, { claims, issuer }: VerifiedToken): TokenIdentity {
  const { fields } = settings
  const pick = (own: string | undefined, common: string | undefined): string | undefined =>
    idAt(claims, own) ?? idAt(claims, common)
  const userEmail = pick(issuer?.user_email_jwt_field, fields.user_email_jwt_field)
  const emailVerified = claims['email_verified'] !== false && claims['email_verified'] !== 'false'
  checkEmailDomain(fields, userEmail, emailVerified)

  const claimedUser = pick(issuer?.user_id_jwt_field, fields.user_id_jwt_field)
  const claimedTeam = pick(issuer?.team_id_jwt_field, fields.team_id_jwt_field)
  const listedTeams = [...idsAt(claims, issuer?.team_ids_jwt_field), ...idsAt(claims, fields.team_ids_jwt_field)]
  const teamAlias = idAt(claims, fields.team_alias_jwt_field)
  // A default would hide the team that the alias or the list names.
  const defaultTeam = teamAlias === undefined && listedTeams.length === 0 ? fields.team_id_default : undefined

  const bearer = bearerRole(fields, claims, {
    userId: claimedUser ?? userEmail,
    teamId: claimedTeam ?? defaultTeam,
  })
  const objectId = bearer?.mapped === true ? idAt(claims, fields.object_id_jwt_field) : undefined
  const userId = (bearer?.role === 'internal_user' ? objectId : undefined) ?? claimedUser ?? userEmail
  const teamId = (bearer?.role === 'team' ? objectId : undefined) ?? claimedTeam ?? defaultTeam
  const admin = bearer?.role === 'proxy_admin'

  if (fields.enforce_rbac && bearer === undefined) {
    throw notAdmitted('This token has none of the roles that may call (litellm_jwtauth.enforce_rbac).')
  }
  const teamIds = unique([...listedTeams, ...allIds(claims, issuer?.team_id_jwt_field, fields.team_id_jwt_field)])
  const named = userId !== undefined || teamId !== undefined || teamAlias !== undefined || teamIds.length > 0
  const keyClaim = keyClaimOf(fields, claims)
  if (!admin && !named && keyClaim === undefined) {
    throw notAdmitted(
      'This token names neither a user nor a team. Set user_id_jwt_field or team_id_jwt_field in litellm_jwtauth to the claim that does.',
    )
  }
  const team = userId === undefined && !admin
  return tokenIdentity({
    proof: 'jwt',
    subject: subjectOf('jwt', textOf(claims['iss']), textOf(claims['sub']) || userId || teamId || ''),
    userId,
    userEmail,
    emailVerified,
    role: admin ? 'proxy_admin' : team ? 'team' : undefined,
    teamId,
    teamAlias,
    teamIds,
    organizationId: pick(issuer?.org_id_jwt_field, fields.org_id_jwt_field),
    organizationAlias: idAt(claims, fields.org_alias_jwt_field),
    endUserId: pick(issuer?.end_user_id_jwt_field, fields.end_user_id_jwt_field),
    agentId: idAt(claims, fields.agent_id_jwt_field),
    models: admin ? undefined : modelsOf(settings, claims, bearer?.role),
    routes: routesOf(settings, claims, bearer?.role, { admin, team }),
    rules: admissionRules(fields, claims, teamIds, admin),
    keyClaim: admin ? undefined : keyClaim,
    expiresAt: typeof claims['exp'] === 'number' ? (claims['exp'] + fields.leeway) * 1000 : undefined,
  })
}

interface Bearer {
  readonly role: 'proxy_admin' | 'team' | 'internal_user'
  /** By `role_mappings`: only then `object_id_jwt_field` says who it is. */
  readonly mapped: boolean
}

/** LiteLLM's order: the admin scope, a team, a user or an allowed user role, then the role mappings. */
function bearerRole(
  fields: JwtFields,
  claims: Claims,
  { userId, teamId }: { readonly userId: string | undefined; readonly teamId: string | undefined },
): Bearer | undefined {
  if (scopesOf(claims).includes(fields.admin_jwt_scope)) return { role: 'proxy_admin', mapped: false }
  if (teamId !== undefined) return { role: 'team', mapped: false }
  const userRoles = idsAt(claims, fields.user_roles_jwt_field)
  if (userId !== undefined || userRoles.some(role => fields.user_allowed_roles?.includes(role) === true)) {
    return { role: 'internal_user', mapped: false }
  }
  const roles = idsAt(claims, fields.roles_jwt_field)
  const mapping = fields.role_mappings?.find(({ role }) => roles.includes(role))
  return mapping === undefined ? undefined : { role: mapping.internal_role, mapped: true }
}

function checkEmailDomain(fields: JwtFields, email: string | undefined, verified: boolean): void {
  const allowed = fields.user_allowed_email_domain?.toLowerCase().replace(/^@/, '')
  if (allowed === undefined) return
  const domain = email?.slice(email.lastIndexOf('@') + 1).toLowerCase()
  if (email === undefined || !email.includes('@') || domain !== allowed || !verified) {
    throw notAdmitted(
      'Only verified e-mail addresses of the domain in litellm_jwtauth.user_allowed_email_domain may call, and this token shows none.',
    )
  }
}

/** Scopes and role permissions; where both restrict, a model must be in both. */
function modelsOf(
  { fields, rolePermissions }: JwtSettings,
  claims: Claims,
  role: Role | undefined,
): readonly string[] | undefined {
  const byRole = fields.enforce_rbac ? rolePermissions.find(entry => entry.role === role)?.models : undefined
  if (!fields.enforce_scope_based_access || fields.scope_mappings === undefined) return byRole
  const scopes = scopesOf(claims)
  const byScope = unique(
    fields.scope_mappings.flatMap(({ scope, models }) => (scopes.includes(scope) ? (models ?? []) : [])),
  )
  const both = byRole === undefined ? byScope : byScope.filter(model => byRole.includes(model))
  // An empty list would mean every model.
  return both.length === 0 ? ['no-default-models'] : both
}

/** The narrowest list that is set: by role permission, by scope, by kind of bearer. */
function routesOf(
  { fields, rolePermissions }: JwtSettings,
  claims: Claims,
  role: Role | undefined,
  { admin, team }: { readonly admin: boolean; readonly team: boolean },
): readonly string[] {
  const byRole = fields.enforce_rbac ? rolePermissions.find(entry => entry.role === role)?.routes : undefined
  if (byRole !== undefined) return orNothing(byRole)
  if (admin) return fields.admin_allowed_routes
  const mappings = fields.enforce_scope_based_access ? (fields.scope_mappings ?? []) : []
  if (mappings.some(({ routes }) => routes !== undefined)) {
    const scopes = scopesOf(claims)
    return orNothing(unique(mappings.flatMap(({ scope, routes }) => (scopes.includes(scope) ? (routes ?? []) : []))))
  }
  return team ? fields.team_allowed_routes : []
}

/** An empty list would allow every route. */
const orNothing = (routes: readonly string[]): readonly string[] => (routes.length === 0 ? ['none'] : routes)

function admissionRules(fields: JwtFields, claims: Claims, teamIds: readonly string[], admin: boolean): AdmissionRules {
  return {
    upsertUser: fields.user_id_upsert && !admin,
    upsertTeam: fields.team_id_upsert && !admin,
    unknownUser: admin || fields.enforce_rbac ? 'admit' : 'refuse',
    teamRequired:
      !admin &&
      (fields.enforce_team_based_model_access ||
        ((fields.team_id_jwt_field !== undefined || fields.team_alias_jwt_field !== undefined) &&
          !fields.fallback_to_db_teams)),
    memberships: admin ? 'never' : fields.fallback_to_db_teams ? 'any' : 'single',
    membershipsForUnknownTeam: fields.team_claim_fallback,
    sync: fields.sync_user_role_and_teams && !admin ? { role: mappedRole(fields, claims), teamIds } : undefined,
  }
}

/** `jwt_litellm_role_map`: the first entry whose pattern (`*`, `?`) one of the roles matches. */
function mappedRole(fields: JwtFields, claims: Claims): Role | undefined {
  const roles = idsAt(claims, fields.roles_jwt_field)
  return fields.jwt_litellm_role_map?.find(({ jwt_role }) => roles.some(role => globMatches(jwt_role, role)))
    ?.litellm_role
}

function globMatches(pattern: string, text: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(text)
}

function keyClaimOf(fields: JwtFields, claims: Claims): TokenIdentity['keyClaim'] {
  const name = fields.virtual_key_claim_field
  if (name === undefined) return undefined
  const value = idAt(claims, name)
  const unregistered = fields.unregistered_jwt_client_behavior
  if (value !== undefined) return { name, value, unregistered }
  if (unregistered === 'fallback_team_mapping') return undefined
  throw notAdmitted(`This token has no claim '${name}' (litellm_jwtauth.virtual_key_claim_field).`)
}

/** The single team claim may hold a list; then its bearer may choose among all of it. */
const allIds = (claims: Claims, own: string | undefined, common: string | undefined): readonly string[] =>
  Array.isArray(claimAt(claims, own)) || idAt(claims, own) !== undefined ? idsAt(claims, own) : idsAt(claims, common)

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)]

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
