import type { Denial } from '../../governance/authentication/lookup.ts'
import type { PresentedRequest } from '../../governance/authentication/presented.ts'
import type { Principal } from '../../governance/authentication/principal.ts'
import type { Known, PrincipalCache } from '../../governance/authentication/principal-cache.ts'
import { tokenOf } from '../../governance/authentication/token-hash.ts'
import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import { maxCredentialLength, presentedCredential } from './credentials.ts'
import type { MasterKey } from './master-key.ts'

/** What a request shows of its sender. */
export type Presented = PresentedRequest

/** A further way to prove who one is: JWT, OAuth2 introspection, login session, custom module. */
export interface TokenAuthenticator {
  /** Cheap, synchronous: whether this way applies to the credential at all. */
  accepts(credential: string | undefined, presented: Presented): boolean
  /** Undefined: the credential is nobody's. @throws GatewayError with the reason, or when it cannot be decided (503). */
  authenticate(credential: string | undefined, presented: Presented): Promise<Principal | undefined>
  /** The same bearer in the first of its teams for which `suits` holds; itself when none does. */
  choose?(principal: Principal, suits: (candidate: Principal) => boolean): Promise<Principal>
}

/** Keys of a snapshot. */
export interface StaticKeys {
  readonly master: MasterKey
  /** `ADMIN_API_KEYS`. */
  readonly admins: readonly MasterKey[]
  /** `general_settings.litellm_key_header_name`, lower case. */
  readonly extraHeader: string | undefined
}

/**
 * Who is calling: the master key, an admin key, a virtual key, or whoever a token stands for. Virtual keys seen lately
 * are answered without a promise; that is the hot path.
 */
export class Authenticator {
  readonly #cache: PrincipalCache
  readonly #clock: Clock
  readonly #further: readonly TokenAuthenticator[]

  constructor(cache: PrincipalCache, clock: Clock, further: readonly TokenAuthenticator[]) {
    this.#cache = cache
    this.#clock = clock
    this.#further = further
  }

  /** @throws GatewayError 401 with the reason; 503 when it cannot be decided now. */
  authenticate(keys: StaticKeys, presented: Presented): Principal | Promise<Principal> {
    const credential = presentedCredential(presented.headers, keys.extraHeader)
    if (credential !== undefined && credential.length > maxCredentialLength) throw invalidKey()
    if (credential !== undefined) {
      if (keys.master.matches(credential)) return keys.master.principal
      for (const admin of keys.admins) if (admin.matches(credential)) return admin.principal
    }
    for (const way of this.#further) {
      if (way.accepts(credential, presented)) return this.#other(way, credential, presented)
    }
    if (credential === undefined) throw missingKey()
    const known = this.#cache.find(tokenOf(credential))
    return known instanceof Promise ? this.#later(known) : this.#admit(known)
  }

  /**
   * A JWT may name several teams; the one that may use a model is found when the model is known. Only for callers with
   * `proof: jwt`: others are who they are.
   */
  async choose(principal: Principal, suits: (candidate: Principal) => boolean): Promise<Principal> {
    for (const way of this.#further) {
      const chosen = (await way.choose?.(principal, suits)) ?? principal
      if (chosen !== principal) return chosen
    }
    return principal
  }

  async #later(known: Promise<Known>): Promise<Principal> {
    try {
      return this.#admit(await known)
    } catch (error) {
      throw error instanceof StoreUnavailable ? undecided(error) : error
    }
  }

  async #other(way: TokenAuthenticator, credential: string | undefined, presented: Presented): Promise<Principal> {
    try {
      const principal = await way.authenticate(credential, presented)
      if (principal === undefined) throw credential === undefined ? missingKey() : invalidKey()
      return this.#admit({ principal, denial: undefined })
    } catch (error) {
      throw error instanceof StoreUnavailable ? undecided(error) : error
    }
  }

  #admit({ principal, denial }: Known): Principal {
    if (principal === undefined) throw invalidKey()
    if (denial !== undefined) throw denied(denial)
    if (principal.expiresAt !== undefined && principal.expiresAt <= this.#clock.epoch()) throw denied('expired')
    return principal
  }
}

const missingKey = (): GatewayError =>
  new GatewayError('invalid_api_key', 'No API key given. Send the gateway key as `Authorization: Bearer sk-…`.')

const invalidKey = (): GatewayError => new GatewayError('invalid_api_key', 'This API key is not valid here.')

/** An outage is not a wrong key: clients must not be told to throw theirs away. */
const undecided = (cause: Error): GatewayError =>
  new GatewayError('identity_unavailable', 'The key cannot be checked at the moment; try again shortly.', {
    retryAfter: 1,
    cause,
  })

function denied(denial: Denial): GatewayError {
  switch (denial) {
    case 'expired':
      return new GatewayError('expired_key', 'This API key has expired; ask for a new one.')
    case 'key_blocked':
      return new GatewayError('key_blocked', 'This API key is blocked.')
    case 'team_blocked':
      return new GatewayError('key_blocked', 'The team of this API key is blocked.')
    case 'user_blocked':
      return new GatewayError('key_blocked', 'The user of this API key is blocked.')
    case 'project_blocked':
      return new GatewayError('key_blocked', 'The project of this API key is blocked.')
  }
}
