import type { Clock } from '../../../platform/clock.ts'
import type { SessionRow } from '../../../platform/store/tables.ts'
import type { Actor } from '../../audit/audit-log.ts'
import { numberOf, parseSettings, textOf } from '../../objects/settings.ts'
import type { ControlPlane } from '../control-plane.ts'
import { tokenOf } from '../token-hash.ts'
import { type LoginMethod, newSessionToken, type Session, type SessionKind } from './session.ts'

export interface SessionLifetimes {
  /** Milliseconds from login to the end of a browser session (`LITELLM_UI_SESSION_DURATION`). */
  readonly absolute: number
  /** Milliseconds without a request after which a browser session ends. */
  readonly idle: number
  /** Milliseconds a CLI session lives (`LITELLM_CLI_JWT_EXPIRATION_HOURS`). */
  readonly cli: number
}

export interface NewSession {
  readonly userId: string
  readonly kind: SessionKind
  readonly method: LoginMethod
  readonly teamId?: string | undefined
  readonly address: string | undefined
}

/** Use of a session is written down at most this often. */
const touchEvery = 60_000
/** Sessions of one user at a time; the oldest ends when another begins. */
const maxPerUser = 50

/** Sessions in the store: opaque tokens kept as hashes, with an absolute end and an idle one. */
export class SessionStore {
  readonly #plane: ControlPlane
  readonly #clock: Clock
  readonly #lifetimes: SessionLifetimes

  constructor(plane: ControlPlane, clock: Clock, lifetimes: SessionLifetimes) {
    this.#plane = plane
    this.#clock = clock
    this.#lifetimes = lifetimes
  }

  /** Always a new token: one that the browser already had is never raised to a session (fixation). */
  async begin(login: NewSession): Promise<{ readonly token: string; readonly session: Session }> {
    const token = newSessionToken()
    const now = this.#clock.epoch()
    const { userId, kind, method, teamId, address } = login
    const expiresAt = now + (kind === 'cli' ? this.#lifetimes.cli : this.#lifetimes.absolute)
    const row: SessionRow = {
      token: tokenOf(token),
      user_id: userId,
      created_at: now,
      expires_at: expiresAt,
      settings: JSON.stringify({ kind, method, team_id: teamId, address, seen_at: now }),
    }
    const actor: Actor = { name: userId, token: undefined, address }
    await this.#plane.change(async trx => {
      await trx.deleteFrom('sessions').where('expires_at', '<=', now).execute()
      const others = await trx
        .selectFrom('sessions')
        .select('token')
        .where('user_id', '=', userId)
        .orderBy('created_at', 'desc')
        .limit(1000)
        .execute()
      const surplus = others.slice(maxPerUser - 1).map(other => other.token)
      if (surplus.length > 0) await trx.deleteFrom('sessions').where('token', 'in', surplus).execute()
      await trx.insertInto('sessions').values(row).execute()
      return {
        result: undefined,
        audit: [
          {
            actor,
            action: 'login',
            objectKind: 'session',
            objectId: row.token.slice(0, 16),
            after: { kind, method, user_id: userId },
          },
        ],
        notices: surplus.map(id => ({ kind: 'key', id })),
      }
    })
    return { token, session: sessionOf(row) }
  }

  /** Undefined: there is no such session, or it has ended. @param hash SHA-256 of the token */
  async find(hash: string): Promise<Session | undefined> {
    const { db } = this.#plane.store
    const row = await db.selectFrom('sessions').selectAll().where('token', '=', hash).executeTakeFirst()
    if (row === undefined) return undefined
    const now = this.#clock.epoch()
    const settings = parseSettings(row.settings)
    const seenAt = numberOf(settings, 'seen_at') ?? row.created_at
    const session = sessionOf(row)
    const idle = session.kind === 'browser' && now - seenAt >= this.#lifetimes.idle
    if (row.expires_at <= now || idle) {
      await db.deleteFrom('sessions').where('token', '=', hash).execute()
      return undefined
    }
    if (now - seenAt >= touchEvery) {
      await db
        .updateTable('sessions')
        .set({ settings: JSON.stringify({ ...settings, seen_at: now }) })
        .where('token', '=', hash)
        .execute()
    }
    return session
  }

  /** Logout: the session is gone everywhere. */
  async end(session: Session, address: string | undefined): Promise<void> {
    const actor: Actor = { name: session.userId, token: session.token, address }
    await this.#plane.change(async trx => {
      await trx.deleteFrom('sessions').where('token', '=', session.token).execute()
      return {
        result: undefined,
        audit: [{ actor, action: 'logout', objectKind: 'session', objectId: session.token.slice(0, 16) }],
        notices: [{ kind: 'key', id: session.token }],
      }
    })
  }
}

const methods: ReadonlySet<string> = new Set<LoginMethod>(['password', 'sso', 'invitation', 'setup'])

function sessionOf(row: SessionRow): Session {
  const settings = parseSettings(row.settings)
  const method = textOf(settings, 'method')
  return {
    token: row.token,
    userId: row.user_id,
    kind: settings['kind'] === 'cli' ? 'cli' : 'browser',
    method: method !== undefined && methods.has(method) ? (method as LoginMethod) : 'password',
    teamId: textOf(settings, 'team_id'),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}
