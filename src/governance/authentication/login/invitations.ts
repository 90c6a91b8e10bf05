import { randomBytes } from 'node:crypto'
import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { InvitationRow, UserRow } from '../../../platform/store/tables.ts'
import type { Actor } from '../../audit/audit-log.ts'
import type { ControlPlane } from '../control-plane.ts'
import { tokenOf } from '../token-hash.ts'
import { hashPassword, passwordProblem } from './password.ts'

/** LiteLLM's answer to every invitation call. */
export interface Invitation {
  readonly id: string
  readonly user_id: string
  readonly is_accepted: boolean
  readonly accepted_at: string | null
  readonly expires_at: string
  readonly created_at: string
  readonly created_by: string | null
  readonly updated_at: string
  readonly updated_by: string | null
}

const lifetime = 7 * 86_400_000
/** Milliseconds in which a link that was opened must be used. */
const onboardingTtl = 15 * 60_000

/**
 * Links by which a user sets its first password. The id in the link is the proof, so the store keeps only its hash: it is
 * seen once, by whoever makes the invitation.
 */
export class Invitations {
  readonly #plane: ControlPlane
  readonly #clock: Clock

  constructor(plane: ControlPlane, clock: Clock) {
    this.#plane = plane
    this.#clock = clock
  }

  /** @throws GatewayError `not_found` */
  async create(userId: string, actor: Actor): Promise<Invitation> {
    const id = randomBytes(24).toString('base64url')
    const now = this.#clock.epoch()
    const row: InvitationRow = {
      id: tokenOf(id),
      user_id: userId,
      created_at: now,
      created_by: actor.name,
      expires_at: now + lifetime,
      accepted_at: null,
    }
    await this.#plane.change(async trx => {
      const user = await trx.selectFrom('users').select('user_id').where('user_id', '=', userId).executeTakeFirst()
      if (user === undefined) throw new GatewayError('not_found', `There is no user '${userId.slice(0, 200)}'.`)
      await trx.insertInto('invitations').values(row).execute()
      return {
        result: undefined,
        audit: [
          {
            actor,
            action: 'created',
            objectKind: 'invitation',
            objectId: row.id.slice(0, 16),
            after: { user_id: userId },
          },
        ],
        notices: [],
      }
    })
    return shown(row, id)
  }

  /** @throws GatewayError `not_found` */
  async find(id: string): Promise<Invitation> {
    return shown(await this.#row(id), id)
  }

  /** Marks a link as used, or as open again. */
  async update(id: string, accepted: boolean, actor: Actor): Promise<Invitation> {
    const row = await this.#row(id)
    const after = { ...row, accepted_at: accepted ? this.#clock.epoch() : null }
    await this.#plane.change(async trx => {
      await trx.updateTable('invitations').set({ accepted_at: after.accepted_at }).where('id', '=', row.id).execute()
      return { result: undefined, audit: [auditOf('updated', after, actor)], notices: [] }
    })
    return shown(after, id)
  }

  async delete(id: string, actor: Actor): Promise<Invitation> {
    const row = await this.#row(id)
    await this.#plane.change(async trx => {
      await trx.deleteFrom('invitations').where('id', '=', row.id).execute()
      return { result: undefined, audit: [auditOf('deleted', row, actor)], notices: [] }
    })
    return shown(row, id)
  }

  /**
   * Opens a link: a short-lived token with which the password can be set once.
   * @throws GatewayError `invalid_api_key` for links that are unknown, used or expired
   */
  async open(id: string): Promise<{ readonly token: string; readonly user: UserRow }> {
    const row = await this.#usable(id)
    const user = await this.#user(row.user_id)
    const token = randomBytes(32).toString('base64url')
    await this.#plane.state.set(onboardingKey(token), row.id, onboardingTtl)
    return { token, user }
  }

  /**
   * Sets the password of the user a link was made for. The link and the token work once.
   * @throws GatewayError `invalid_api_key`, `invalid_request` for a password that cannot be taken
   */
  async claim(given: {
    readonly id: string
    readonly userId: string
    readonly password: string
    /** From `open`. */
    readonly token: string | undefined
    readonly address: string
  }): Promise<UserRow> {
    const row = await this.#usable(given.id)
    const opened = given.token === undefined ? undefined : await this.#plane.state.get(onboardingKey(given.token))
    if (row.user_id !== given.userId || opened !== row.id) throw invalidLink()
    const user = await this.#user(row.user_id)
    const problem = passwordProblem(given.password, user.user_email)
    if (problem !== undefined) throw new GatewayError('invalid_request', problem, { param: 'password' })
    const hashed = await hashPassword(given.password)
    const now = this.#clock.epoch()
    const actor: Actor = { name: user.user_id, token: undefined, address: given.address }
    await this.#plane.change(async trx => {
      const used = await trx
        .updateTable('invitations')
        .set({ accepted_at: now })
        .where('id', '=', row.id)
        .where('accepted_at', 'is', null)
        .executeTakeFirst()
      // Two claims at once: the second finds the link used.
      if (used.numUpdatedRows !== 1n) throw invalidLink()
      await trx
        .updateTable('users')
        .set({ password_hash: hashed, updated_at: now, updated_by: user.user_id })
        .where('user_id', '=', user.user_id)
        .execute()
      return {
        result: undefined,
        audit: [
          {
            actor,
            action: 'updated',
            objectKind: 'user',
            objectId: user.user_id,
            details: { password: 'set by invitation' },
          },
        ],
        notices: [{ kind: 'user', id: user.user_id }],
      }
    })
    if (given.token !== undefined) await this.#plane.state.delete([onboardingKey(given.token)]).catch(() => undefined)
    return user
  }

  async #usable(id: string): Promise<InvitationRow> {
    const row = await this.#find(id)
    if (row === undefined || row.accepted_at !== null || row.expires_at <= this.#clock.epoch()) throw invalidLink()
    return row
  }

  async #row(id: string): Promise<InvitationRow> {
    const row = await this.#find(id)
    if (row === undefined) throw new GatewayError('not_found', 'There is no such invitation.')
    return row
  }

  #find(id: string): Promise<InvitationRow | undefined> {
    const { db } = this.#plane.store
    return db.selectFrom('invitations').selectAll().where('id', '=', tokenOf(id)).executeTakeFirst()
  }

  async #user(userId: string): Promise<UserRow> {
    const { db } = this.#plane.store
    const user = await db.selectFrom('users').selectAll().where('user_id', '=', userId).executeTakeFirst()
    if (user === undefined || user.blocked === 1) throw invalidLink()
    return user
  }
}

const onboardingKey = (token: string): string => `onboarding:${tokenOf(token)}`

const invalidLink = (): GatewayError =>
  new GatewayError(
    'invalid_api_key',
    'This invitation link does not exist, was used already, or has expired. Ask for a new one.',
  )

const auditOf = (action: 'updated' | 'deleted', row: InvitationRow, actor: Actor) => ({
  actor,
  action,
  objectKind: 'invitation',
  objectId: row.id.slice(0, 16),
  after: { user_id: row.user_id, is_accepted: row.accepted_at !== null },
})

const time = (ms: number): string => new Date(ms).toISOString()

const shown = (row: InvitationRow, id: string): Invitation => ({
  id,
  user_id: row.user_id,
  is_accepted: row.accepted_at !== null,
  accepted_at: row.accepted_at === null ? null : time(row.accepted_at),
  expires_at: time(row.expires_at),
  created_at: time(row.created_at),
  created_by: row.created_by,
  updated_at: time(row.accepted_at ?? row.created_at),
  updated_by: row.created_by,
})
