import { randomBytes, randomInt } from 'node:crypto'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { ControlPlane } from '../control-plane.ts'
import { type Session, sameText } from '../login/session.ts'
import type { SessionStore } from '../login/session-store.ts'
import { tokenOf } from '../token-hash.ts'
import { limitBegun } from './login-flow.ts'

/** Seconds. */
const lifetime = 600
const maxWrongCodes = 5
/** Letters and digits that nobody mistakes for one another. */
const codeLetters = 'BCDFGHJKLMNPQRSTVWXZ23456789'

interface PendingCli {
  /** Hash of the poll secret. */
  readonly secret: string
  readonly userCode: string
  /** Who confirmed it in the browser. */
  readonly userId: string | undefined
}

export interface CliStart {
  readonly login_id: string
  readonly poll_secret: string
  readonly user_code: string
  readonly expires_in: number
  readonly interval: number
}

export type CliPoll =
  | { readonly status: 'pending' }
  | {
      readonly status: 'ready'
      readonly user_id: string
      readonly teams: readonly string[]
      readonly team_details: readonly { readonly team_id: string; readonly team_alias: string | null }[]
      readonly requires_team_selection?: true
      /** Bearer token. */
      readonly key?: string
      readonly team_id?: string | null
      readonly expires_in?: number
    }

/**
 * Login for command line tools. The tool gets a secret to poll with and a code to show; somebody who is logged in in a
 * browser types the code there. So a link alone, sent to somebody else, gives its sender nothing.
 */
export class CliLogin {
  readonly #plane: ControlPlane
  readonly #sessions: SessionStore

  constructor(plane: ControlPlane, sessions: SessionStore) {
    this.#plane = plane
    this.#sessions = sessions
  }

  /** @throws GatewayError `rate_limit_exceeded` */
  async start(address: string): Promise<CliStart> {
    await limitBegun(this.#plane.state, 'cli', address)
    const id = randomBytes(18).toString('base64url')
    const secret = randomBytes(32).toString('base64url')
    const letters = Array.from({ length: 8 }, () => codeLetters.charAt(randomInt(codeLetters.length))).join('')
    const userCode = `${letters.slice(0, 4)}-${letters.slice(4)}`
    await this.#save(id, { secret: tokenOf(secret), userCode, userId: undefined })
    return { login_id: id, poll_secret: secret, user_code: userCode, expires_in: lifetime, interval: 2 }
  }

  /** Whether there is something to confirm. */
  async waits(id: string): Promise<boolean> {
    const pending = await this.#find(id)
    return pending !== undefined && pending.userId === undefined
  }

  /** @throws GatewayError `not_found`, `permission_denied` for a wrong code */
  async complete(id: string, userCode: string, session: Session): Promise<void> {
    const pending = await this.#find(id)
    if (pending === undefined || pending.userId !== undefined) throw unknownLogin()
    const tries = await this.#plane.state.increment(`${keyOf(id)}:tries`, lifetime * 1000)
    if (tries > maxWrongCodes) throw unknownLogin()
    const typed = userCode.toUpperCase().replaceAll(/[^A-Z0-9]/g, '')
    if (!sameText(typed, pending.userCode.replace('-', ''))) {
      throw new GatewayError('permission_denied', 'This is not the code that the command line tool shows.')
    }
    await this.#save(id, { ...pending, userId: session.userId })
  }

  /** @throws GatewayError `not_found`, `permission_denied` for a team that is not the user's */
  async poll(id: string, secret: string | undefined, teamId: string | undefined, address: string): Promise<CliPoll> {
    const pending = await this.#find(id)
    if (pending === undefined || secret === undefined || !sameText(tokenOf(secret), pending.secret))
      throw unknownLogin()
    const { userId } = pending
    if (userId === undefined) return { status: 'pending' }
    const teams = await this.#teams(userId)
    const shown = {
      status: 'ready',
      user_id: userId,
      teams: teams.map(team => team.team_id),
      team_details: teams,
    } as const
    if (teamId === undefined && teams.length > 1) return { ...shown, requires_team_selection: true }
    const team = teamId ?? teams[0]?.team_id
    if (team !== undefined && !teams.some(own => own.team_id === team)) {
      throw new GatewayError('permission_denied', 'You are not a member of this team.')
    }
    // Once: two polls at the same moment make one session.
    const taken = await this.#plane.state.increment(`${keyOf(id)}:taken`, lifetime * 1000)
    if (taken > 1) throw unknownLogin()
    const { token, session } = await this.#sessions.begin({ userId, kind: 'cli', method: 'sso', teamId: team, address })
    await this.#plane.state.delete([keyOf(id)]).catch(() => undefined)
    const expiresIn = Math.floor((session.expiresAt - session.createdAt) / 1000)
    return { ...shown, key: token, team_id: team ?? null, expires_in: expiresIn }
  }

  #teams(userId: string): Promise<{ team_id: string; team_alias: string | null }[]> {
    return this.#plane.store.db
      .selectFrom('team_members')
      .innerJoin('teams', 'teams.team_id', 'team_members.team_id')
      .select(['teams.team_id', 'teams.team_alias'])
      .where('team_members.user_id', '=', userId)
      .where('teams.blocked', '=', 0)
      .orderBy('teams.team_id')
      .limit(200)
      .execute()
  }

  #save(id: string, pending: PendingCli): Promise<void> {
    return this.#plane.state.set(keyOf(id), JSON.stringify(pending), lifetime * 1000)
  }

  async #find(id: string): Promise<PendingCli | undefined> {
    if (!/^[\w-]{24}$/.test(id)) return undefined
    const text = await this.#plane.state.get(keyOf(id))
    return text === undefined ? undefined : (JSON.parse(text) as PendingCli)
  }
}

const keyOf = (id: string): string => `cli-login:${tokenOf(id)}`

const unknownLogin = (): GatewayError =>
  new GatewayError('not_found', 'There is no such login, or it has expired. Begin again in the command line tool.')
