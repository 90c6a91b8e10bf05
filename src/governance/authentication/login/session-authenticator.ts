import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { Recent } from '../../../platform/recent.ts'
import type { ChangeNotice } from '../../management/change.ts'
import { compilePrincipal } from '../compile-principal.ts'
import type { ControlPlane } from '../control-plane.ts'
import { denialOf, joinSubject } from '../lookup.ts'
import type { PresentedRequest } from '../presented.ts'
import type { Principal } from '../principal.ts'
import { tokenOf } from '../token-hash.ts'
import { mayHoldSession, sessionCookie } from './cookies.ts'
import { checkCookieRequest } from './cross-site.ts'
import { isSessionToken, type Session, sessionPrefix } from './session.ts'
import type { SessionStore } from './session-store.ts'

export interface SessionAuthenticatorOptions {
  readonly plane: ControlPlane
  readonly sessions: SessionStore
  readonly clock: Clock
  /** Origins of the gateway's own pages, lower case. */
  readonly origins: (request: PresentedRequest) => readonly string[]
}

/** Milliseconds a session is believed without asking the store: less than it takes to notice a logout elsewhere. */
const ttl = 5000
const maxEntries = 2000

interface Entry {
  readonly session: Session
  readonly principal: Principal
  /** Monotonic ms. */
  readonly at: number
}

/**
 * People who logged in: by the session cookie of a browser, or by the session token as a bearer. A session speaks with the
 * role its user has now, and so lets people make keys for themselves.
 */
export class SessionAuthenticator {
  readonly #options: SessionAuthenticatorOptions
  readonly #entries = new Recent<Entry>(maxEntries)
  #generation = 0

  constructor(options: SessionAuthenticatorOptions) {
    this.#options = options
  }

  /** A key in a header wins over a cookie: it was put there on purpose. */
  accepts(credential: string | undefined, { headers }: PresentedRequest): boolean {
    return credential === undefined ? mayHoldSession(headers) : credential.startsWith(sessionPrefix)
  }

  /** Undefined: there is no such session, or it has ended. */
  async authenticate(credential: string | undefined, request: PresentedRequest): Promise<Principal | undefined> {
    return (await this.#entry(credential, request))?.principal
  }

  /** The session behind a request, for logout and for pages that go on where a login left off. */
  async session(credential: string | undefined, request: PresentedRequest): Promise<Session | undefined> {
    return (await this.#entry(credential, request))?.session
  }

  /** To be called for every change of the control plane. */
  invalidate(notice: ChangeNotice): void {
    if (notice.kind === 'models' || notice.kind === 'policies') return
    this.#generation++
    for (const [token, { principal }] of this.#entries.entries()) {
      const ofUser = notice.kind === 'user' && principal.userId === notice.id
      const ofTeam = notice.kind === 'team' && principal.memberOfTeams.has(notice.id)
      const other = notice.kind !== 'user' && notice.kind !== 'team' && notice.kind !== 'key'
      if (ofUser || ofTeam || other || (notice.kind === 'key' && token === notice.id)) this.#entries.delete(token)
    }
  }

  async #entry(credential: string | undefined, request: PresentedRequest): Promise<Entry | undefined> {
    const cookie = credential === undefined ? sessionCookie(request.headers) : undefined
    const token = credential ?? cookie
    if (token === undefined || !isSessionToken(token)) return undefined
    // Before anything is looked up: what another site made a browser send is not worth a query.
    if (cookie !== undefined) checkCookieRequest(request, cookie, this.#options.origins(request))
    return this.#find(tokenOf(token))
  }

  async #find(hash: string): Promise<Entry | undefined> {
    const { clock, sessions } = this.#options
    const known = this.#entries.get(hash)
    if (known !== undefined && clock.now() - known.at < ttl && known.session.expiresAt > clock.epoch()) return known
    const generation = this.#generation
    const session = await sessions.find(hash)
    if (session === undefined) {
      this.#entries.delete(hash)
      return undefined
    }
    const entry = { session, principal: await this.#principal(session), at: clock.now() }
    if (generation === this.#generation) this.#entries.set(hash, entry)
    return entry
  }

  async #principal(session: Session): Promise<Principal> {
    const { plane, clock } = this.#options
    const subject = await joinSubject(
      plane.store.db,
      {
        proof: 'session',
        token: session.token,
        userId: session.userId,
        teamId: session.teamId,
        organizationId: undefined,
        claims: { expiresAt: session.expiresAt },
      },
      undefined,
    )
    if (subject.user === undefined)
      throw new GatewayError('invalid_api_key', 'The user of this session no longer exists.')
    if (denialOf(subject, clock.epoch()) !== undefined) {
      throw new GatewayError('key_blocked', 'The user of this session, or its team, is blocked.')
    }
    const principal = compilePrincipal(subject)
    const left = session.teamId !== undefined && !principal.memberOfTeams.has(session.teamId) && !principal.admin
    if (left) throw new GatewayError('invalid_api_key', 'The user of this session has left its team. Log in again.')
    return principal
  }
}
