import type { Clock } from '../../platform/clock.ts'
import type { Role } from '../authorization/roles.ts'
import type { AuthenticationConfig, AuthenticationServices } from './authentication-config.ts'
import type { CallerPlane } from './control-plane.ts'
import { KeyMappings } from './jwt/key-mappings.ts'
import { FirstRun } from './login/first-run.ts'
import { Invitations } from './login/invitations.ts'
import { ownOrigins } from './login/own-origins.ts'
import type { PasswordLoginServices } from './login/password-login.ts'
import { SessionAuthenticator } from './login/session-authenticator.ts'
import { SessionStore } from './login/session-store.ts'
import { type LoginSettings, readLoginSettings, readRole } from './login/settings.ts'
import { LoginThrottle } from './login/throttle.ts'
import { CliLogin } from './oidc/cli-login.ts'
import { LoginFlow } from './oidc/login-flow.ts'
import { readSsoSettings, type SsoSettings } from './oidc/settings.ts'
import type { Newcomers } from './people.ts'
import type { ScimServices } from './scim/scim-services.ts'
import { settingInvalid } from './token-errors.ts'

/** Everything about people who log in, as one configuration has it. */
export interface LoginParts {
  readonly plane: CallerPlane
  readonly clock: Clock
  readonly settings: LoginSettings
  readonly newcomers: Newcomers
  readonly sessions: SessionStore
  readonly authenticator: SessionAuthenticator
  readonly password: PasswordLoginServices
  readonly invitations: Invitations
  readonly firstRun: FirstRun
  readonly cli: CliLogin
  readonly keyMappings: KeyMappings
  readonly sso: { readonly settings: SsoSettings; readonly flow: LoginFlow } | undefined
  readonly scim: Pick<ScimServices, 'upsertUsers' | 'adminGroup'>
}

/** @throws GatewayError `config_invalid` */
export async function loginParts(
  { general, litellm, env }: AuthenticationConfig,
  { plane, outbound, clock, isMasterKey, onDenied }: AuthenticationServices,
): Promise<LoginParts> {
  const settings = readLoginSettings(general, env)
  const newcomers = readNewcomers(litellm)
  const jwt = recordOf(general['litellm_jwtauth'])
  const teamsClaim = typeof jwt['team_ids_jwt_field'] === 'string' ? jwt['team_ids_jwt_field'] : undefined
  const ssoSettings = readSsoSettings(env, { teamsClaim, createTeams: jwt['team_id_upsert'] === true })
  const sessions = new SessionStore(plane, clock, settings.lifetimes)
  const origins = (request: { readonly headers: Parameters<typeof ownOrigins>[1] }): readonly string[] =>
    ownOrigins(settings.baseUrl, request.headers)
  const { adminId, adminsOnly } = settings
  const flowOf = async (sso: SsoSettings): Promise<LoginFlow> => {
    // Only who has an identity provider pays for loading its client.
    const { OidcClient } = await import('./oidc/client.ts')
    return new LoginFlow({
      settings: sso,
      client: new OidcClient(sso, outbound, clock),
      state: plane.state,
      clock,
      admission: { plane, newcomers, createTeams: sso.createTeams, adminId, adminsOnly },
    })
  }
  return {
    plane,
    clock,
    settings,
    newcomers,
    sessions,
    authenticator: new SessionAuthenticator({ plane, sessions, clock, origins }),
    password: {
      plane,
      clock,
      throttle: new LoginThrottle(plane.state, clock, settings.attempts),
      isMasterKey,
      onDenied,
    },
    invitations: new Invitations(plane, clock),
    firstRun: new FirstRun(plane, clock, isMasterKey),
    cli: new CliLogin(plane, sessions),
    keyMappings: new KeyMappings(plane, clock),
    sso: ssoSettings === undefined ? undefined : { settings: ssoSettings, flow: await flowOf(ssoSettings) },
    scim: {
      upsertUsers: () => litellm['scim_upsert_user'] !== false,
      adminGroup: () => (typeof litellm['scim_admin_group'] === 'string' ? litellm['scim_admin_group'] : undefined),
    },
  }
}

/** @throws GatewayError `config_invalid` for a role that does not exist */
function readNewcomers(litellm: Readonly<Record<string, unknown>>): Newcomers {
  const { user_role: named, teams: _, ...userSettings } = recordOf(litellm['default_internal_user_params'])
  const role: Role | undefined = named === undefined ? 'internal_user_viewer' : readRole(named)
  if (role === undefined) {
    throw settingInvalid('litellm_settings.default_internal_user_params.user_role is not the name of a role.')
  }
  return { userRole: role, userSettings, teamSettings: recordOf(litellm['default_team_params']) }
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
