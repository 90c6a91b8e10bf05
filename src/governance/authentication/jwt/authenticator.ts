import type { Clock } from '../../../platform/clock.ts'
import { Recent } from '../../../platform/recent.ts'
import type { Outbound } from '../../../platform/security/outbound.ts'
import { type LoadedFunction, withinTime } from '../load-function.ts'
import { oneHeader, type PresentedRequest } from '../presented.ts'
import type { Principal } from '../principal.ts'
import type { TokenAdmission } from '../token-admission.ts'
import { identityUnavailable, tokenExpired, tokenRejected } from '../token-errors.ts'
import { tokenOf } from '../token-hash.ts'
import type { TokenIdentity } from '../token-identity.ts'
import type { Claims } from './claims.ts'
import { inspectToken, looksLikeJwt } from './inspect.ts'
import { mapClaims } from './map-claims.ts'
import { goesToIntrospection } from './routing-overrides.ts'
import type { JwtSettings } from './settings.ts'
import { UserInfo } from './user-info.ts'
import { JwtVerifier } from './verifier.ts'

export interface JwtAuthenticatorOptions {
  readonly settings: JwtSettings
  readonly outbound: Outbound
  readonly clock: Clock
  readonly admission: TokenAdmission
  /** `custom_validate`, loaded. */
  readonly validate: LoadedFunction | undefined
  /** Who decides on JWTs that `routing_overrides` takes away from here. */
  readonly introspection: { identify(token: string): Promise<TokenIdentity> } | undefined
}

/** Tokens verified and kept. A token of the largest size takes 16 KiB, its identity about one. */
const maxKept = 10_000
const validateTimeout = 5000

interface Verified {
  readonly identity: TokenIdentity
  /** Epoch ms. */
  readonly until: number
}

/** Bearer tokens that an identity provider signed, or that it knows (user info). */
export class JwtAuthenticator {
  readonly #options: JwtAuthenticatorOptions
  readonly #verifier: JwtVerifier
  readonly #userInfo: UserInfo | undefined
  readonly #verified = new Recent<Verified>(maxKept)

  constructor(options: JwtAuthenticatorOptions) {
    this.#options = options
    const { settings, outbound, clock } = options
    const { fields } = settings
    this.#verifier = new JwtVerifier(settings, { outbound, clock })
    if (fields.oidc_userinfo_enabled && fields.oidc_userinfo_endpoint !== undefined) {
      const { oidc_userinfo_endpoint: endpoint, oidc_userinfo_cache_ttl: ttl } = fields
      this.#userInfo = new UserInfo({ endpoint, ttl: ttl * 1000, outbound, clock })
    }
  }

  accepts(credential: string | undefined): boolean {
    if (credential === undefined) return false
    return looksLikeJwt(credential) || (this.#userInfo !== undefined && !credential.startsWith('sk-'))
  }

  async authenticate(credential: string | undefined, { headers }: PresentedRequest): Promise<Principal | undefined> {
    if (credential === undefined) return undefined
    const token = tokenOf(credential)
    const identity = await this.#identify(credential, token)
    return this.#options.admission.admit({ token, identity, team: oneHeader(headers, 'x-litellm-team-id') })
  }

  async #identify(credential: string, hash: string): Promise<TokenIdentity> {
    const { clock, settings, introspection } = this.#options
    const known = this.#verified.get(hash)
    const now = clock.epoch()
    if (known !== undefined) {
      if (known.identity.expiresAt !== undefined && known.identity.expiresAt <= now) throw tokenExpired()
      if (now < known.until) return known.identity
      this.#verified.delete(hash)
    }
    if (!looksLikeJwt(credential)) return this.#byUserInfo(credential, hash)
    const { routing_overrides: overrides } = settings.fields
    if (overrides.length > 0 && goesToIntrospection(overrides, inspectToken(credential).claims)) {
      if (introspection === undefined) {
        throw tokenRejected('it is to be introspected (routing_overrides), and OAUTH_TOKEN_INFO_ENDPOINT is not set')
      }
      return introspection.identify(credential)
    }
    const verified = await this.#verifier.verify(credential)
    await this.#validate(verified.claims)
    const identity = mapClaims(settings, verified)
    // Trusted as long as the keys that verified it would be, so that a withdrawn key stops working.
    const until = now + settings.fields.public_key_ttl * 1000
    this.#verified.set(hash, { identity, until: Math.min(until, identity.expiresAt ?? until) })
    return identity
  }

  async #byUserInfo(credential: string, hash: string): Promise<TokenIdentity> {
    if (this.#userInfo === undefined) throw tokenRejected('it is not a JWT')
    const claims = await this.#userInfo.of(credential, hash)
    await this.#validate(claims)
    return mapClaims(this.#options.settings, { claims, issuer: undefined })
  }

  async #validate(claims: Claims): Promise<void> {
    const { validate } = this.#options
    if (validate === undefined) return
    const late = (): Error => identityUnavailable('litellm_jwtauth.custom_validate')
    const verdict = Promise.resolve()
      .then(() => validate(structuredClone(claims)))
      .catch((error: unknown) => {
        throw tokenRejected('litellm_jwtauth.custom_validate refuses it', error)
      })
    if ((await withinTime(verdict, validateTimeout, late)) !== true) {
      throw tokenRejected('litellm_jwtauth.custom_validate refuses it')
    }
  }
}
