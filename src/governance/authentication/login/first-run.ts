import { randomBytes } from 'node:crypto'
import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { UserRow } from '../../../platform/store/tables.ts'
import type { Actor } from '../../audit/audit-log.ts'
import type { ControlPlane } from '../control-plane.ts'
import { Provisioning } from '../people.ts'
import { tokenOf } from '../token-hash.ts'
import { hashPassword, passwordProblem } from './password.ts'
import { sameText } from './session.ts'

const settingName = 'first_admin'
/** The one-time token is of no use later: it stands in a log. */
const tokenLifetime = 24 * 3_600_000

type State = { readonly kind: 'open'; readonly token: string; readonly expiresAt: number } | { readonly kind: 'done' }

/**
 * The first administrator. There is no default password: whoever has the master key, or the one-time token that is
 * printed at the first start, makes the first account; then this door is shut for ever.
 */
export class FirstRun {
  readonly #plane: ControlPlane
  readonly #clock: Clock
  readonly #isMasterKey: (text: string) => boolean

  constructor(plane: ControlPlane, clock: Clock, isMasterKey: (text: string) => boolean) {
    this.#plane = plane
    this.#clock = clock
    this.#isMasterKey = isMasterKey
  }

  /** Whether nobody who can log in administers this gateway yet. */
  async needed(): Promise<boolean> {
    const { db } = this.#plane.store
    if ((await this.#state())?.kind === 'done') return false
    const admin = await db
      .selectFrom('users')
      .select('user_id')
      .where('user_role', '=', 'proxy_admin')
      .where(where => where.or([where('password_hash', 'is not', null), where('sso_user_id', 'is not', null)]))
      .limit(1)
      .executeTakeFirst()
    return admin === undefined
  }

  /**
   * At start: a new one-time token to print; undefined when there is an administrator, or when a token that was printed
   * is still good. Of several processes that start together one gets it.
   */
  async issueToken(): Promise<string | undefined> {
    if (!(await this.needed())) return undefined
    const now = this.#clock.epoch()
    const state = await this.#state()
    if (state?.kind === 'open' && state.expiresAt > now) return undefined
    const token = randomBytes(24).toString('base64url')
    const value = JSON.stringify({
      kind: 'open',
      token: tokenOf(token),
      expiresAt: now + tokenLifetime,
    } satisfies State)
    const before = state === undefined ? '' : JSON.stringify(state)
    const issued = await this.#plane.store.db
      .insertInto('settings')
      .values({ name: settingName, value, revision: 1, updated_at: now, updated_by: 'system' })
      .onConflict(on => on.column('name').doUpdateSet({ value, updated_at: now }).where('settings.value', '=', before))
      .executeTakeFirst()
    return (issued.numInsertedOrUpdatedRows ?? 0n) > 0n ? token : undefined
  }

  /** @throws GatewayError `invalid_api_key`, `conflict` when there is an administrator, `invalid_request` */
  async createAdmin(
    given: { readonly token: string; readonly email: string; readonly password: string },
    address: string,
  ): Promise<UserRow> {
    if (!(await this.needed())) {
      throw new GatewayError('conflict', 'This gateway has its first administrator; ask them for an invitation.')
    }
    const state = await this.#state()
    const byToken =
      state?.kind === 'open' && state.expiresAt > this.#clock.epoch() && sameText(tokenOf(given.token), state.token)
    if (!this.#isMasterKey(given.token) && !byToken) {
      throw new GatewayError(
        'invalid_api_key',
        'Send the master key, or the one-time token from the log of the first start.',
      )
    }
    const email = given.email.trim()
    if (!/^[^\s@]{1,64}@[^\s@]{1,250}$/.test(email)) {
      throw new GatewayError('invalid_request', 'email must be an e-mail address.', { param: 'email' })
    }
    const problem = passwordProblem(given.password, email)
    if (problem !== undefined) throw new GatewayError('invalid_request', problem, { param: 'password' })
    return this.#create(email, await hashPassword(given.password), address)
  }

  #create(email: string, passwordHash: string, address: string): Promise<UserRow> {
    const now = this.#clock.epoch()
    const actor: Actor = { name: 'first_run', token: undefined, address }
    const value = JSON.stringify({ kind: 'done' } satisfies State)
    return this.#plane.change(async trx => {
      const closed = await trx
        .insertInto('settings')
        .values({ name: settingName, value, revision: 1, updated_at: now, updated_by: actor.name })
        .onConflict(on =>
          on.column('name').doUpdateSet({ value, updated_at: now }).where('settings.value', '!=', value),
        )
        .executeTakeFirst()
      // Two at once: the second finds the door shut.
      if ((closed.numInsertedOrUpdatedRows ?? 0n) === 0n) {
        throw new GatewayError('conflict', 'This gateway has its first administrator; ask them for an invitation.')
      }
      const provisioning = new Provisioning(trx, actor, now)
      const user = await provisioning.createUser({ email, role: 'proxy_admin' })
      await trx.updateTable('users').set({ password_hash: passwordHash }).where('user_id', '=', user.user_id).execute()
      return { result: user, audit: provisioning.audit, notices: provisioning.notices }
    })
  }

  async #state(): Promise<State | undefined> {
    const { db } = this.#plane.store
    const row = await db.selectFrom('settings').select('value').where('name', '=', settingName).executeTakeFirst()
    return row === undefined ? undefined : (JSON.parse(row.value) as State)
  }
}
