import { randomBytes } from 'node:crypto'
import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { SharedState } from '../../../platform/shared-state/shared-state.ts'
import type { UserRow } from '../../../platform/store/tables.ts'
import type { Claims } from '../jwt/claims.ts'
import { sameText } from '../login/session.ts'
import { tokenRejected } from '../token-errors.ts'
import { tokenOf } from '../token-hash.ts'
import { type AdmitPersonOptions, admitPerson } from './admit-person.ts'
import type { LoginSecrets, OidcClient } from './client.ts'
import { microsoftGroups } from './microsoft-groups.ts'
import { type Person, personOf } from './profile.ts'
import { safeReturnTo } from './return-to.ts'
import type { SsoSettings } from './settings.ts'

/** Seconds in which somebody must come back from the identity provider. */
export const loginLifetime = 600
/** Logins one address may begin in a minute. */
const maxBegun = 60

export interface LoginFlowOptions {
  readonly settings: SsoSettings
  readonly client: OidcClient
  readonly state: SharedState
  readonly clock: Clock
  readonly admission: AdmitPersonOptions
}

/** What is kept, in shared state, of a login that is under way; whichever replica the browser comes back to finds it. */
interface Pending {
  readonly secrets: LoginSecrets
  /** Hash of the cookie of the browser that began it. */
  readonly browser: string
  readonly redirectUri: string
  readonly returnTo: string
}

export interface FinishedLogin {
  readonly returnTo: string
  readonly claims: Claims
  readonly person: Person
}

/** Login through the identity provider: begin, come back, find out who it is. */
export class LoginFlow {
  readonly #options: LoginFlowOptions

  constructor(options: LoginFlowOptions) {
    this.#options = options
  }

  /** @throws GatewayError `identity_unavailable`, `rate_limit_exceeded` */
  async begin(given: {
    /** Where the provider sends the browser back to. */
    readonly redirectUri: string
    readonly returnTo: unknown
    readonly address: string
  }): Promise<{ readonly url: string /** For the browser's login cookie. */; readonly cookie: string }> {
    const { state, client } = this.#options
    await limitBegun(state, 'sso', given.address)
    const secrets: LoginSecrets = { state: random(), nonce: random(), verifier: random() }
    const cookie = random()
    const url = await client.authorizationUrl(secrets, given.redirectUri)
    const pending: Pending = {
      secrets,
      browser: tokenOf(cookie),
      redirectUri: given.redirectUri,
      returnTo: safeReturnTo(given.returnTo),
    }
    await state.set(pendingKey(secrets.state), JSON.stringify(pending), loginLifetime * 1000)
    return { url, cookie }
  }

  /**
   * @param query of the callback
   * @param cookie the browser's login cookie: without it somebody else's login could be put into this browser
   * @throws GatewayError `invalid_api_key`, `permission_denied`, `identity_unavailable`
   */
  async finish(
    query: Readonly<Record<string, unknown>>,
    cookie: string | undefined,
    redirectUri: string,
  ): Promise<FinishedLogin> {
    const { settings, client, state } = this.#options
    const given = query['state']
    if (typeof given !== 'string' || given.length > 200) throw notBegun()
    const pending = await this.#take(given)
    if (pending === undefined || cookie === undefined || !sameText(tokenOf(cookie), pending.browser)) throw notBegun()
    if (pending.redirectUri !== redirectUri) throw notBegun()
    const answer = new URL(pending.redirectUri)
    for (const [name, value] of Object.entries(query)) {
      if (typeof value !== 'string') throw tokenRejected('the answer of the identity provider has a field twice')
      answer.searchParams.set(name, value)
    }
    const { claims, accessToken } = await client.exchange(pending.secrets, answer)
    await state.delete([pendingKey(given)]).catch(() => undefined)
    const person = personOf(settings, claims)
    const groups =
      settings.microsoft === undefined ? undefined : await microsoftGroups(client, settings.microsoft, accessToken)
    return { returnTo: pending.returnTo, claims, person: groups === undefined ? person : { ...person, teams: groups } }
  }

  /** @throws GatewayError `permission_denied` */
  admit(person: Person, address: string): Promise<UserRow> {
    const { admission, clock } = this.#options
    return admitPerson(admission, person, { now: clock.epoch(), address })
  }

  /** Once: a callback that is sent again finds nothing. */
  async #take(loginState: string): Promise<Pending | undefined> {
    const { state } = this.#options
    const key = pendingKey(loginState)
    const text = await state.get(key)
    if (text === undefined) return undefined
    if ((await state.increment(`${key}:used`, loginLifetime * 1000)) > 1) return undefined
    return JSON.parse(text) as Pending
  }
}

/** 256 bits; as a verifier it has the 43 characters RFC 7636 asks for. */
const random = (): string => randomBytes(32).toString('base64url')

const pendingKey = (state: string): string => `sso:${tokenOf(state)}`

const notBegun = (): GatewayError =>
  new GatewayError('invalid_api_key', 'This login was not begun in this browser, or too long ago. Begin again.')

/** @throws GatewayError `rate_limit_exceeded` */
export async function limitBegun(state: SharedState, kind: string, address: string): Promise<void> {
  const begun = await state.increment(`login:${kind}:begun:${tokenOf(address)}`, 60_000)
  if (begun > maxBegun) {
    throw new GatewayError(
      'rate_limit_exceeded',
      'Too many logins were begun from this address. Try again in a minute.',
      {
        retryAfter: 60,
      },
    )
  }
}
