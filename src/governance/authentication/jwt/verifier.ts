import { errors, type JWTVerifyOptions } from 'jose'
import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Outbound } from '../../../platform/security/outbound.ts'
import { tokenExpired, tokenRejected } from '../token-errors.ts'
import type { Claims } from './claims.ts'
import { algorithms, inspectToken } from './inspect.ts'
import { KeySet } from './key-set.ts'
import type { JwtIssuer, JwtSettings } from './settings.ts'

export interface VerifiedToken {
  readonly claims: Claims
  /** The entry of `issuers` that vouches for it; undefined: one of `JWT_PUBLIC_KEY_URL`. */
  readonly issuer: JwtIssuer | undefined
}

export interface VerifierServices {
  readonly outbound: Outbound
  readonly clock: Clock
}

/** Whose keys may have signed a token, and what its claims must say then. */
interface Trust {
  readonly issuer: JwtIssuer | undefined
  readonly keySets: readonly KeySet[]
  readonly checks: JWTVerifyOptions
}

/** Signature, issuer, audience and time of JWTs (RFC 7519 §7.2, RFC 8725). */
export class JwtVerifier {
  readonly #clock: Clock
  readonly #leeway: number
  readonly #requireExpiry: boolean
  readonly #listed = new Map<string, Trust>()
  readonly #others: Trust | undefined

  constructor({ fields, keyUrls, audience, issuer }: JwtSettings, { outbound, clock }: VerifierServices) {
    this.#clock = clock
    this.#leeway = fields.leeway
    this.#requireExpiry = fields.require_expiry
    const keySet = (url: string): KeySet =>
      new KeySet({
        url,
        outbound,
        clock,
        ttl: fields.public_key_ttl * 1000,
        staleTtl: fields.public_key_stale_ttl * 1000,
      })
    for (const entry of fields.issuers) {
      const url = entry.jwks_url ?? `${entry.issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`
      this.#listed.set(entry.issuer, {
        issuer: entry,
        keySets: [keySet(url)],
        checks: { issuer: entry.issuer, ...(entry.audience === undefined ? {} : { audience: entry.audience }) },
      })
    }
    if (keyUrls.length > 0) {
      this.#others = {
        issuer: undefined,
        keySets: keyUrls.map(keySet),
        checks: {
          ...(issuer.length === 0 ? {} : { issuer: [...issuer] }),
          ...(audience.length === 0 ? {} : { audience: [...audience] }),
        },
      }
    }
  }

  /** @throws GatewayError `invalid_api_key`, `expired_key`, or `identity_unavailable` when keys cannot be had. */
  async verify(token: string): Promise<VerifiedToken> {
    const { claims: unverified } = inspectToken(token)
    const { iss } = unverified
    const trust = (typeof iss === 'string' ? this.#listed.get(iss) : undefined) ?? this.#others
    if (trust === undefined) throw tokenRejected('its issuer is not one of litellm_jwtauth.issuers')
    const options: JWTVerifyOptions = {
      ...trust.checks,
      algorithms: [...algorithms],
      clockTolerance: this.#leeway,
      currentDate: new Date(this.#clock.epoch()),
      requiredClaims: this.#requireExpiry ? ['exp'] : [],
    }
    const claims = await this.#verifiedClaims(trust, token, options)
    const { iat } = claims
    if (typeof iat === 'number' && iat * 1000 > this.#clock.epoch() + this.#leeway * 1000) {
      throw tokenRejected('it was issued in the future (iat); compare the clocks')
    }
    return { claims, issuer: trust.issuer }
  }

  /** Several providers may name their keys alike, so a signature that one key refuses is shown to the next. */
  async #verifiedClaims(trust: Trust, token: string, options: JWTVerifyOptions): Promise<Claims> {
    let failure: unknown
    for (const keySet of trust.keySets) {
      try {
        const payload = await keySet.verify(token, options)
        if (payload !== undefined) return payload
      } catch (error) {
        // A provider that is away must not hide a verdict that another one gives.
        if (failure === undefined || !isOutage(error)) failure = error
        if (!isOutage(error) && !(error instanceof errors.JWSSignatureVerificationFailed)) break
      }
    }
    throw failure === undefined ? tokenRejected('no key of its issuer is known by its key id (kid)') : verdict(failure)
  }
}

const isOutage = (error: unknown): boolean => error instanceof GatewayError && error.code === 'identity_unavailable'

function verdict(error: unknown): Error {
  if (error instanceof GatewayError) return error
  if (error instanceof errors.JWTExpired) return tokenExpired()
  if (error instanceof errors.JWTClaimValidationFailed)
    return tokenRejected(claimReason(error.claim, error.reason), error)
  if (error instanceof errors.JWSSignatureVerificationFailed) return tokenRejected('its signature is wrong', error)
  if (error instanceof errors.JOSEError) return tokenRejected('it cannot be verified', error)
  return tokenRejected(
    'its signature cannot be checked with the issuer’s key',
    error instanceof Error ? error : undefined,
  )
}

function claimReason(claim: string, reason: string): string {
  if (reason === 'missing') return `it has no '${claim}'`
  switch (claim) {
    case 'iss':
      return 'its issuer (iss) is another than expected'
    case 'aud':
      return 'it is meant for another audience (aud)'
    case 'nbf':
      return 'it is not valid yet (nbf)'
    default:
      return `its claim '${claim}' is not valid`
  }
}
