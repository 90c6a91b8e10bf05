import { z } from 'zod'
import { defaulted, key } from './section.ts'
import { anyMap, flag, name, positiveCount } from './values.ts'

/**
 * `general_settings` about who may come in. What `litellm_jwtauth`, the mappings and the environment say together is
 * judged by `governance/authentication` when the configuration is compiled.
 */
export const generalAuthentication = {
  enable_jwt_auth: defaulted(flag, false, 'Accept JWTs of an identity provider; see docs/authentication.md.'),
  litellm_jwtauth: key(anyMap, 'How JWTs are read: claims, roles, teams, scopes; see docs/authentication.md.'),
  enforce_rbac: key(flag, 'Refuse JWTs that give no role.', { control: true }),
  role_permissions: key(z.array(anyMap), 'Models and routes per role of a JWT: `[{role, models, routes}]`.', {
    control: true,
  }),
  enable_oauth2_auth: defaulted(flag, false, 'Introspect bearer tokens that are no keys (OAUTH_TOKEN_INFO_ENDPOINT).'),
  enable_oauth2_proxy_auth: defaulted(
    flag,
    false,
    'Take the caller from headers of an authenticating proxy; only from routeiq.trusted_proxies.',
  ),
  oauth2_config_mappings: key(anyMap, 'Field to header of that proxy: `{user_id: x-forwarded-user}`.'),
  custom_auth: key(name, 'ES module that decides who may call: `./auth.js` or `./auth.js:functionName`.'),
  custom_auth_settings: key(
    z.strictObject({ mode: z.enum(['on', 'off', 'auto']) }),
    '`{mode: auto}`: what the module refuses may still be a virtual key.',
  ),
  custom_auth_run_common_checks: defaulted(
    flag,
    false,
    'Limits of the user and team that custom_auth names apply as well as its own.',
  ),
  ui_access_mode: defaulted(z.enum(['all', 'admin_only']), 'all', 'Who may log in to the dashboard.'),
  disable_env_credential_login: defaulted(flag, false, 'No login with UI_USERNAME and UI_PASSWORD or the master key.'),
  max_failed_login_attempts: defaulted(positiveCount, 50, 'Failed logins per user name in a window.'),
  max_failed_login_attempts_per_source: defaulted(positiveCount, 250, 'Failed logins per address in a window.'),
  failed_login_window_seconds: defaulted(positiveCount, 900, 'Length of that window.', { unit: 's' }),
} as const

/** `litellm_settings` of the SCIM endpoints. */
export const litellmScim = {
  scim_upsert_user: defaulted(flag, true, 'SCIM groups may name members who do not exist yet; they are created.'),
  scim_admin_group: key(name, 'SCIM group whose members administer the gateway.'),
} as const
