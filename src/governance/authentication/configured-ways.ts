import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { AuthenticationConfig, AuthenticationServices } from './authentication-config.ts'
import type { CallerPlane } from './control-plane.ts'
import { CustomAuthenticator } from './custom/authenticator.ts'
import { readJwtSettings } from './jwt/settings.ts'
import { type LoadedFunction, loadFunction } from './load-function.ts'
import { type LoginParts, loginParts } from './login-parts.ts'
import { OAuth2Authenticator } from './oauth2/authenticator.ts'
import { Introspector } from './oauth2/introspector.ts'
import { ProxyHeaderAuthenticator, readHeaderMappings } from './oauth2/proxy-headers.ts'
import { readIntrospectionSettings } from './oauth2/settings.ts'
import type { PresentedRequest } from './presented.ts'
import type { Principal } from './principal.ts'
import { TokenAdmission } from './token-admission.ts'
import { settingInvalid } from './token-errors.ts'
import { tokenOf } from './token-hash.ts'

/** A way to prove who one is, other than a key. */
export interface Way {
  /** Cheap, synchronous: whether this way applies to the credential at all. */
  accepts(credential: string | undefined, request: PresentedRequest): boolean
  /** Undefined: the credential is nobody's. */
  authenticate(credential: string | undefined, request: PresentedRequest): Promise<Principal | undefined>
}

export interface ConfiguredWays {
  /** In the order in which they are asked. */
  readonly ways: readonly Way[]
  /** Whether what no way knows may still be a virtual key. */
  readonly elseKeys: boolean
  readonly admission: TokenAdmission
  readonly login: LoginParts
  readonly warnings: readonly string[]
}

/** Compiles a configuration; changes nothing. @throws GatewayError `config_invalid` */
export async function configureWays(
  config: AuthenticationConfig,
  services: AuthenticationServices,
): Promise<ConfiguredWays> {
  const { general } = config
  const login = await loginParts(config, services)
  const cacheSeconds = typeof general['user_api_key_cache_ttl'] === 'number' ? general['user_api_key_cache_ttl'] : 60
  const admission = new TokenAdmission({
    plane: services.plane,
    clock: services.clock,
    newcomers: login.newcomers,
    ttl: cacheSeconds * 1000,
    staleFor: 3_600_000,
    maxEntries: 10_000,
  })
  const introspector = introspectorOf(config, services, cacheSeconds * 1000)
  const custom = await customWay(config, services, admission)
  const proxied = general['enable_oauth2_proxy_auth'] === true
  const jwt = await jwtWay(config, services, admission, introspector)
  const ways: (Way | undefined)[] = [
    login.authenticator,
    custom?.way,
    proxied
      ? new ProxyHeaderAuthenticator(
          readHeaderMappings(general['oauth2_config_mappings']),
          services.trustedProxies,
          admission,
        )
      : undefined,
    jwt?.way,
    general['enable_oauth2_auth'] === true && introspector !== undefined
      ? new OAuth2Authenticator(introspector, admission)
      : undefined,
  ]
  return {
    ways: ways.filter(way => way !== undefined),
    elseKeys: custom?.elseKeys === true,
    admission,
    login,
    warnings: jwt?.warnings ?? [],
  }
}

function introspectorOf(
  { general, env }: AuthenticationConfig,
  { outbound, clock }: AuthenticationServices,
  ttl: number,
): Introspector | undefined {
  const wanted = general['enable_oauth2_auth'] === true
  if (!wanted && (env['OAUTH_TOKEN_INFO_ENDPOINT'] ?? '') === '') return undefined
  return new Introspector({ settings: readIntrospectionSettings(env), outbound, clock, ttl })
}

async function jwtWay(
  { general, env, directory }: AuthenticationConfig,
  { outbound, clock }: AuthenticationServices,
  admission: TokenAdmission,
  introspection: Introspector | undefined,
): Promise<{ readonly way: Way; readonly warnings: readonly string[] } | undefined> {
  if (general['enable_jwt_auth'] !== true) return undefined
  const { settings, warnings } = readJwtSettings(general, env)
  const { JwtAuthenticator } = await import('./jwt/authenticator.ts')
  const reference = settings.fields.custom_validate
  const validate: LoadedFunction | undefined =
    reference === undefined
      ? undefined
      : await loadFunction('general_settings.litellm_jwtauth.custom_validate', reference, directory)
  return { way: new JwtAuthenticator({ settings, outbound, clock, admission, validate, introspection }), warnings }
}

async function customWay(
  { general, directory }: AuthenticationConfig,
  { plane, clock }: AuthenticationServices,
  admission: TokenAdmission,
): Promise<{ readonly way: Way; readonly elseKeys: boolean } | undefined> {
  const reference = general['custom_auth']
  const settings = general['custom_auth_settings']
  const mode = typeof settings === 'object' && settings !== null && 'mode' in settings ? settings.mode : 'on'
  if (reference === undefined || reference === null || mode === 'off') return undefined
  if (typeof reference !== 'string') throw settingInvalid('general_settings.custom_auth must name a module.')
  if (mode !== 'on' && mode !== 'auto') throw settingInvalid("custom_auth_settings.mode must be 'on', 'off' or 'auto'.")
  const authenticate = await loadFunction('general_settings.custom_auth', reference, directory)
  const elseKeys = mode === 'auto'
  const commonChecks = general['custom_auth_run_common_checks'] === true
  const byKey = (key: string): Promise<Principal> => principalOfKey(plane, clock, key)
  return { way: new CustomAuthenticator({ authenticate, elseKeys, commonChecks, admission, byKey }), elseKeys }
}

/** The holder of a virtual key. @throws GatewayError `invalid_api_key`, `expired_key`, `key_blocked` */
export async function principalOfKey(plane: CallerPlane, clock: Clock, key: string): Promise<Principal> {
  const { principal, denial } = await plane.principals.find(tokenOf(key))
  if (principal === undefined) throw new GatewayError('invalid_api_key', 'This API key is not valid here.')
  const over = principal.expiresAt !== undefined && principal.expiresAt <= clock.epoch()
  if (denial === 'expired' || over)
    throw new GatewayError('expired_key', 'This API key has expired; ask for a new one.')
  if (denial !== undefined)
    throw new GatewayError('key_blocked', 'This API key, or its user, team or project, is blocked.')
  return principal
}
