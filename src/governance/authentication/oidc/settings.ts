import { Secret } from '../../../platform/security/secret.ts'
import type { Role } from '../../authorization/roles.ts'
import { readRole } from '../login/settings.ts'
import { settingInvalid } from '../token-errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** How people log in through an identity provider, from LiteLLM's environment variables. */
export interface SsoSettings {
  readonly provider: 'google' | 'microsoft' | 'generic'
  readonly clientId: string
  /** Undefined: a public client, which PKCE alone protects. */
  readonly clientSecret: Secret | undefined
  readonly scope: string
  /** Whose discovery document and ID tokens are used. Undefined: OAuth with the endpoints below, without ID tokens. */
  readonly issuer: string | undefined
  readonly endpoints: {
    readonly authorization: string | undefined
    readonly token: string | undefined
    readonly userInfo: string | undefined
  }
  /** Claims (dot notation) that say who somebody is; the first that is there counts. */
  readonly attributes: {
    readonly id: readonly string[]
    readonly email: readonly string[]
    readonly displayName: readonly string[]
    readonly role: string | undefined
    readonly teams: string | undefined
  }
  /** Roles by group, strongest first. */
  readonly roleGroups:
    | { readonly claim: string; readonly roles: readonly RoleGroups[]; readonly otherwise: Role | undefined }
    | undefined
  /** Lower case; empty: any. */
  readonly allowedDomains: readonly string[]
  readonly microsoft: { readonly graph: string; readonly servicePrincipalId: string | undefined } | undefined
  /** Groups that are no team yet become one. */
  readonly createTeams: boolean
}

export interface RoleGroups {
  readonly role: Role
  readonly groups: readonly string[]
}

export interface SsoSource {
  /** `litellm_jwtauth.team_ids_jwt_field`: the claim with a person's teams. */
  readonly teamsClaim: string | undefined
  /** `litellm_jwtauth.team_id_upsert`. */
  readonly createTeams: boolean
}

/** Undefined: no identity provider is configured. @throws GatewayError `config_invalid` */
export function readSsoSettings(env: Environment, source: SsoSource): SsoSettings | undefined {
  const value = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const secret = (name: string): Secret | undefined => {
    const text = value(name)
    return text === undefined ? undefined : new Secret(text)
  }
  const common = {
    allowedDomains: list(env['ALLOWED_EMAIL_DOMAINS']).map(domain => domain.toLowerCase().replace(/^@/, '')),
    createTeams: source.createTeams,
  }
  const google = value('GOOGLE_CLIENT_ID')
  if (google !== undefined) {
    return {
      ...common,
      provider: 'google',
      clientId: google,
      clientSecret: secret('GOOGLE_CLIENT_SECRET'),
      scope: 'openid email profile',
      issuer: 'https://accounts.google.com',
      endpoints: { authorization: undefined, token: undefined, userInfo: undefined },
      attributes: { id: ['sub'], email: ['email'], displayName: ['name'], role: undefined, teams: source.teamsClaim },
      roleGroups: undefined,
      microsoft: undefined,
    }
  }
  const microsoft = value('MICROSOFT_CLIENT_ID')
  if (microsoft !== undefined) return { ...common, ...microsoftSettings(microsoft, value, secret, source) }
  const generic = value('GENERIC_CLIENT_ID')
  return generic === undefined ? undefined : { ...common, ...genericSettings(generic, value, secret, source) }
}

type Read<T> = (name: string) => T | undefined
type Own = Omit<SsoSettings, 'allowedDomains' | 'createTeams'> & { readonly createTeams?: boolean }

function microsoftSettings(clientId: string, value: Read<string>, secret: Read<Secret>, source: SsoSource): Own {
  const tenant = value('MICROSOFT_TENANT')
  if (tenant === undefined || /^(common|organizations|consumers)$/i.test(tenant)) {
    throw settingInvalid(
      'MICROSOFT_TENANT must be the id of your tenant: with any other value every Microsoft account could log in.',
    )
  }
  const graph = (value('MICROSOFT_GRAPH_ENDPOINT') ?? 'https://graph.microsoft.com/v1.0').replace(/\/+$/, '')
  const servicePrincipalId = value('MICROSOFT_SERVICE_PRINCIPAL_ID')
  return {
    provider: 'microsoft',
    clientId,
    clientSecret: secret('MICROSOFT_CLIENT_SECRET'),
    scope: 'openid email profile User.Read',
    issuer: value('MICROSOFT_ISSUER') ?? `https://login.microsoftonline.com/${encodeURIComponent(tenant)}/v2.0`,
    endpoints: {
      authorization: value('MICROSOFT_AUTHORIZATION_ENDPOINT'),
      token: value('MICROSOFT_TOKEN_ENDPOINT'),
      userInfo: value('MICROSOFT_USERINFO_ENDPOINT') ?? `${graph}/me`,
    },
    attributes: {
      id: [value('MICROSOFT_USER_ID_ATTRIBUTE') ?? 'id', 'oid'],
      // Not the claim `email`: its owner may have set it to anybody's address.
      email: [value('MICROSOFT_USER_EMAIL_ATTRIBUTE') ?? 'userPrincipalName', 'preferred_username'],
      displayName: [value('MICROSOFT_USER_DISPLAY_NAME_ATTRIBUTE') ?? 'displayName', 'name'],
      role: 'roles',
      teams: source.teamsClaim ?? 'groups',
    },
    roleGroups: undefined,
    microsoft: { graph, servicePrincipalId },
    ...(servicePrincipalId === undefined ? {} : { createTeams: true }),
  }
}

function genericSettings(clientId: string, value: Read<string>, secret: Read<Secret>, source: SsoSource): Own {
  const issuer = value('GENERIC_ISSUER')
  const endpoints = {
    authorization: value('GENERIC_AUTHORIZATION_ENDPOINT'),
    token: value('GENERIC_TOKEN_ENDPOINT'),
    userInfo: value('GENERIC_USERINFO_ENDPOINT'),
  }
  if (issuer === undefined) {
    const missing = [
      ['GENERIC_AUTHORIZATION_ENDPOINT', endpoints.authorization],
      ['GENERIC_TOKEN_ENDPOINT', endpoints.token],
      ['GENERIC_USERINFO_ENDPOINT', endpoints.userInfo],
    ].filter(([, address]) => address === undefined)
    if (missing.length > 0) {
      throw settingInvalid(
        `GENERIC_CLIENT_ID needs GENERIC_ISSUER (its discovery document says the rest), or else ${missing.map(([name]) => name).join(', ')}.`,
      )
    }
  }
  const extra = value('GENERIC_USER_ID_ATTRIBUTE')
  return {
    provider: 'generic',
    clientId,
    clientSecret: secret('GENERIC_CLIENT_SECRET'),
    scope: value('GENERIC_SCOPE') ?? 'openid email profile',
    issuer,
    endpoints,
    attributes: {
      id: extra === undefined ? ['preferred_username', 'sub'] : [extra],
      email: [value('GENERIC_USER_EMAIL_ATTRIBUTE') ?? 'email'],
      displayName: [value('GENERIC_USER_DISPLAY_NAME_ATTRIBUTE') ?? 'name', 'sub'],
      role: value('GENERIC_USER_ROLE_ATTRIBUTE') ?? 'role',
      teams: source.teamsClaim,
    },
    roleGroups: readRoleGroups(value),
    microsoft: undefined,
  }
}

/** `{"proxy_admin": ["admins"], "internal_user": ["staff"]}`; LiteLLM's examples have Python quotes. */
function readRoleGroups(value: Read<string>): SsoSettings['roleGroups'] {
  const text = value('GENERIC_ROLE_MAPPINGS_ROLES') ?? value('GENERIC_USER_ROLE_MAPPINGS')
  if (text === undefined) return undefined
  const claim = value('GENERIC_ROLE_MAPPINGS_GROUP_CLAIM') ?? 'groups'
  let mapping: unknown
  try {
    mapping = JSON.parse(text.includes('"') ? text : text.replaceAll("'", '"'))
  } catch {
    mapping = undefined
  }
  if (typeof mapping !== 'object' || mapping === null || Array.isArray(mapping)) {
    throw settingInvalid('GENERIC_ROLE_MAPPINGS_ROLES must be an object of lists: {"proxy_admin": ["admin-group"]}')
  }
  const roles = Object.entries(mapping).map(([name, groups]): RoleGroups => {
    const role = readRole(name)
    if (role === undefined) throw settingInvalid(`GENERIC_ROLE_MAPPINGS_ROLES: there is no role '${name}'.`)
    const listed: unknown[] = Array.isArray(groups) ? groups : [groups]
    return { role, groups: listed.filter(group => typeof group === 'string') }
  })
  roles.sort((a, b) => strength.indexOf(a.role) - strength.indexOf(b.role))
  const byDefault = value('GENERIC_ROLE_MAPPINGS_DEFAULT_ROLE')
  const otherwise = readRole(byDefault)
  if (byDefault !== undefined && otherwise === undefined) {
    throw settingInvalid(`GENERIC_ROLE_MAPPINGS_DEFAULT_ROLE: there is no role '${byDefault}'.`)
  }
  return { claim, roles, otherwise }
}

const strength: readonly Role[] = [
  'proxy_admin',
  'proxy_admin_viewer',
  'org_admin',
  'internal_user',
  'internal_user_viewer',
  'team',
  'customer',
]

const list = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
