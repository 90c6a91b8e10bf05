import { Secret } from '../../../platform/security/secret.ts'
import { settingInvalid } from '../token-errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** How opaque access tokens are checked (`enable_oauth2_auth`), from LiteLLM's environment variables. */
export interface IntrospectionSettings {
  readonly endpoint: string
  /**
   * `introspection`: POST of RFC 7662, which says `active`. `token_info`: GET with the token itself; any 200 means it is
   * valid. The first when the endpoint is named like it and client credentials are set, LiteLLM's rule.
   */
  readonly kind: 'introspection' | 'token_info'
  readonly clientId: string | undefined
  readonly clientSecret: Secret | undefined
  readonly userIdField: string
  readonly roleField: string
  readonly teamIdField: string
  /** Accepted `aud`; empty: any. */
  readonly audience: readonly string[]
}

/** @throws GatewayError `config_invalid` */
export function readIntrospectionSettings(env: Environment): IntrospectionSettings {
  const endpoint = env['OAUTH_TOKEN_INFO_ENDPOINT']
  if (endpoint === undefined || endpoint === '') {
    throw settingInvalid('general_settings.enable_oauth2_auth needs OAUTH_TOKEN_INFO_ENDPOINT.')
  }
  const clientId = given(env['OAUTH_CLIENT_ID'])
  const secret = given(env['OAUTH_CLIENT_SECRET'])
  const introspects = endpoint.toLowerCase().includes('introspect')
  if (introspects && (clientId === undefined || secret === undefined)) {
    throw settingInvalid(
      'OAUTH_TOKEN_INFO_ENDPOINT is an introspection endpoint; it answers only to a client: set OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET.',
    )
  }
  return {
    endpoint,
    kind: introspects ? 'introspection' : 'token_info',
    clientId,
    clientSecret: secret === undefined ? undefined : new Secret(secret),
    userIdField: given(env['OAUTH_USER_ID_FIELD_NAME']) ?? 'sub',
    roleField: given(env['OAUTH_USER_ROLE_FIELD_NAME']) ?? 'role',
    teamIdField: given(env['OAUTH_USER_TEAM_ID_FIELD_NAME']) ?? 'team_id',
    audience: (env['OAUTH_AUDIENCE'] ?? '')
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== ''),
  }
}

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text)
