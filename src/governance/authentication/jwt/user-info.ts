import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { Recent } from '../../../platform/recent.ts'
import type { Outbound } from '../../../platform/security/outbound.ts'
import { identityUnavailable, tokenRejected } from '../token-errors.ts'
import type { Claims } from './claims.ts'

export interface UserInfoOptions {
  readonly endpoint: string
  /** Milliseconds. */
  readonly ttl: number
  readonly outbound: Outbound
  readonly clock: Clock
}

interface Entry {
  readonly claims: Claims
  readonly at: number
}

/** Asks the provider who an opaque access token belongs to (OpenID Connect Core §5.3). */
export class UserInfo {
  readonly #options: UserInfoOptions
  readonly #entries = new Recent<Entry>(5000)
  readonly #asking = new Map<string, Promise<Claims>>()

  constructor(options: UserInfoOptions) {
    this.#options = options
  }

  /** @param hash SHA-256 of the whole token: two tokens that begin alike are two tokens (CVE-2026-35030). */
  async of(token: string, hash: string): Promise<Claims> {
    const known = this.#entries.get(hash)
    if (known !== undefined && this.#options.clock.now() - known.at < this.#options.ttl) return known.claims
    let asking = this.#asking.get(hash)
    if (asking === undefined) {
      asking = this.#ask(token)
        .then(claims => {
          this.#entries.set(hash, { claims, at: this.#options.clock.now() })
          return claims
        })
        .finally(() => this.#asking.delete(hash))
      this.#asking.set(hash, asking)
    }
    return asking
  }

  async #ask(token: string): Promise<Claims> {
    const { outbound, endpoint } = this.#options
    try {
      const answer = await outbound.request('identity', endpoint, {
        headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
        maxBytes: 262_144,
      })
      if (answer.status >= 500 || answer.status === 429) throw identityUnavailable('The user-info endpoint')
      if (answer.status !== 200) throw tokenRejected('the identity provider does not know it')
      const claims = answer.json()
      if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
        throw identityUnavailable('The user-info endpoint')
      }
      return claims as Claims
    } catch (error) {
      if (
        error instanceof GatewayError &&
        (error.code === 'invalid_api_key' || error.code === 'identity_unavailable')
      ) {
        throw error
      }
      throw identityUnavailable('The user-info endpoint', error)
    }
  }
}
