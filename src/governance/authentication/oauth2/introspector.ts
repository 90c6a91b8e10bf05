import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { Recent } from '../../../platform/recent.ts'
import type { Outbound, OutboundResponse } from '../../../platform/security/outbound.ts'
import { isRole, type Role } from '../../authorization/roles.ts'
import { type Claims, idAt } from '../jwt/claims.ts'
import { identityUnavailable, tokenExpired, tokenRejected } from '../token-errors.ts'
import { tokenOf } from '../token-hash.ts'
import { noRules, subjectOf, type TokenIdentity, tokenIdentity } from '../token-identity.ts'
import type { IntrospectionSettings } from './settings.ts'

export interface IntrospectorOptions {
  readonly settings: IntrospectionSettings
  readonly outbound: Outbound
  readonly clock: Clock
  /** Milliseconds an answer is believed at most: how long a withdrawn token may still work. */
  readonly ttl: number
}

/** Milliseconds a refusal is repeated without asking. */
const refusalTtl = 10_000
const maxEntries = 10_000

interface Entry {
  readonly outcome: TokenIdentity | GatewayError
  /** Epoch ms. */
  readonly until: number
}

/** Asks the authorization server about access tokens (RFC 7662, or a token-info endpoint). */
export class Introspector {
  readonly #options: IntrospectorOptions
  readonly #valid = new Recent<Entry>(maxEntries)
  /** Apart, so that a flood of wrong tokens cannot push out good ones. */
  readonly #refused = new Recent<Entry>(maxEntries)
  readonly #asking = new Map<string, Promise<Entry>>()

  constructor(options: IntrospectorOptions) {
    this.#options = options
  }

  /** @throws GatewayError `invalid_api_key`, `expired_key`, `identity_unavailable` */
  async identify(token: string): Promise<TokenIdentity> {
    const hash = tokenOf(token)
    const now = this.#options.clock.epoch()
    let entry = this.#valid.get(hash) ?? this.#refused.get(hash)
    if (entry === undefined || entry.until <= now) {
      let asking = this.#asking.get(hash)
      if (asking === undefined) {
        asking = this.#ask(token, hash).finally(() => this.#asking.delete(hash))
        this.#asking.set(hash, asking)
      }
      entry = await asking
    }
    if (entry.outcome instanceof GatewayError) throw entry.outcome
    return entry.outcome
  }

  async #ask(token: string, hash: string): Promise<Entry> {
    const { clock, ttl } = this.#options
    try {
      const identity = this.#identity(await this.#fetch(token))
      const until = Math.min(clock.epoch() + ttl, identity.expiresAt ?? Number.POSITIVE_INFINITY)
      const entry = { outcome: identity, until }
      this.#refused.delete(hash)
      this.#valid.set(hash, entry)
      return entry
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status >= 500) throw error
      const entry = { outcome: error, until: clock.epoch() + refusalTtl }
      this.#valid.delete(hash)
      this.#refused.set(hash, entry)
      return entry
    }
  }

  async #fetch(token: string): Promise<Claims> {
    let answer: OutboundResponse
    try {
      answer = await this.#request(token)
    } catch (error) {
      throw identityUnavailable('The token endpoint of the identity provider', error)
    }
    const { status } = answer
    // 401 of an introspection endpoint is about our own credentials (RFC 7662 §2.3), not about the token.
    const ours = this.#options.settings.kind === 'introspection' && (status === 401 || status === 403)
    if (ours || status >= 500 || status === 429 || (status >= 300 && status < 400)) {
      throw identityUnavailable('The token endpoint of the identity provider')
    }
    if (status !== 200) throw tokenRejected('the identity provider does not know it')
    const body: unknown = readJson(answer)
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw identityUnavailable('The token endpoint of the identity provider')
    }
    return body as Claims
  }

  #request(token: string): Promise<OutboundResponse> {
    const { outbound, settings } = this.#options
    const { endpoint, kind, clientId, clientSecret } = settings
    if (kind === 'token_info') {
      return outbound.request('identity', endpoint, {
        headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
        maxBytes: 65_536,
      })
    }
    // RFC 6749 §2.3.1: both are form-encoded before they are joined.
    const credentials = `${formEncoded(clientId ?? '')}:${formEncoded(clientSecret?.reveal() ?? '')}`
    return outbound.request('identity', endpoint, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
      maxBytes: 65_536,
    })
  }

  #identity(info: Claims): TokenIdentity {
    const { settings, clock } = this.#options
    const { active, exp, nbf, aud } = info
    if (settings.kind === 'introspection' ? active !== true : active === false || 'error' in info) {
      throw tokenRejected('the identity provider says that it is not active')
    }
    const now = clock.epoch()
    const expiresAt = typeof exp === 'number' ? exp * 1000 : typeof exp === 'string' ? Number(exp) * 1000 : undefined
    if (expiresAt !== undefined && !(expiresAt > now)) throw tokenExpired()
    if (typeof nbf === 'number' && nbf * 1000 > now + 10_000) throw tokenRejected('it is not valid yet (nbf)')
    if (settings.audience.length > 0 && !settings.audience.some(one => audiences(aud).includes(one))) {
      throw tokenRejected('it is meant for another audience (OAUTH_AUDIENCE)')
    }
    const userId = idAt(info, settings.userIdField)
    const teamId = idAt(info, settings.teamIdField)
    if (userId === undefined && teamId === undefined) {
      throw tokenRejected(
        `the identity provider names neither a user ('${settings.userIdField}') nor a team ('${settings.teamIdField}') for it`,
      )
    }
    return tokenIdentity({
      proof: 'oauth2',
      subject: subjectOf('oauth2', settings.endpoint, userId ?? '', userId === undefined ? (teamId ?? '') : ''),
      userId,
      userEmail: idAt(info, 'email'),
      emailVerified: info['email_verified'] === true,
      role: roleIn(idAt(info, settings.roleField)) ?? (userId === undefined ? 'team' : undefined),
      teamId,
      rules: { ...noRules, unknownUser: 'admit' },
      expiresAt,
    })
  }
}

function readJson(answer: OutboundResponse): unknown {
  try {
    return answer.json()
  } catch (error) {
    throw identityUnavailable('The token endpoint of the identity provider', error)
  }
}

const roleIn = (text: string | undefined): Role | undefined => (isRole(text) ? text : undefined)

const audiences = (aud: unknown): readonly unknown[] => (Array.isArray(aud) ? aud : [aud])

const formEncoded = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2)
