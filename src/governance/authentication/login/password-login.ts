import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { UserRow } from '../../../platform/store/tables.ts'
import type { Actor, AuditEvent } from '../../audit/audit-log.ts'
import type { ControlPlane } from '../control-plane.ts'
import { findByEmail, Provisioning } from '../people.ts'
import { checkPassword, hashPassword } from './password.ts'
import { sameText } from './session.ts'
import type { LoginSettings } from './settings.ts'
import type { LoginThrottle } from './throttle.ts'

export interface PasswordLoginServices {
  readonly plane: ControlPlane
  readonly clock: Clock
  readonly throttle: LoginThrottle
  /** Compares with the master key, in constant time. */
  readonly isMasterKey: (text: string) => boolean
  /** A failed login, for the audit log, which bounds how many it takes. */
  readonly onDenied: (event: AuditEvent) => void
}

/** LiteLLM's id for whoever logs in with the credentials of the environment. */
export const environmentAdminId = 'default_user_id'

const longestName = 320

/**
 * A user by name and password: `UI_USERNAME` with `UI_PASSWORD` (or the master key), or a user's e-mail address or id with
 * its own password. Whoever is wrong, in whatever way, gets one answer, after the same work.
 * @throws GatewayError `invalid_api_key`, `rate_limit_exceeded`
 */
export async function passwordLogin(
  services: PasswordLoginServices,
  settings: LoginSettings,
  given: { readonly username: string; readonly password: string },
  address: string,
): Promise<UserRow> {
  const { plane, throttle } = services
  const username = given.username.trim().slice(0, longestName)
  const attempt = await throttle.begin(username, address)
  let user: UserRow | undefined
  try {
    user = await userByName(services, username)
    const verdict = await checkPassword(given.password, user?.password_hash)
    // Both are always worked out: the time tells neither which name exists nor which of them failed.
    const administrator = isEnvironmentAdmin(services, settings, username, given.password)
    if (administrator) {
      const admin = await environmentAdmin(services, settings, address)
      await attempt.succeeded()
      return admin
    }
    if (user === undefined || !verdict.right || user.blocked === 1) throw wrongCredentials()
    if (verdict.outdated) {
      const renewed = await hashPassword(given.password)
      await plane.store.db
        .updateTable('users')
        .set({ password_hash: renewed })
        .where('user_id', '=', user.user_id)
        .execute()
    }
  } catch (error) {
    attempt.failed()
    if (error instanceof GatewayError && error.code === 'invalid_api_key') {
      // Not what was typed: people type their password into the field above.
      const actor: Actor = { name: user?.user_id ?? 'unknown', token: undefined, address }
      const details = { reason: 'wrong credentials' }
      services.onDenied({ actor, action: 'denied', objectKind: 'session', objectId: '', details })
    }
    throw error
  }
  await attempt.succeeded()
  return user
}

export const wrongCredentials = (): GatewayError =>
  new GatewayError('invalid_api_key', 'The user name or the password is wrong, or the user is blocked.')

async function userByName({ plane }: PasswordLoginServices, username: string): Promise<UserRow | undefined> {
  const { db } = plane.store
  const byEmail = await findByEmail(db, username)
  return byEmail ?? db.selectFrom('users').selectAll().where('user_id', '=', username).executeTakeFirst()
}

function isEnvironmentAdmin(
  { isMasterKey }: PasswordLoginServices,
  { environmentLogin }: LoginSettings,
  username: string,
  password: string,
): boolean {
  if (environmentLogin === undefined) return false
  const rightName = sameText(username, environmentLogin.username)
  const rightPassword =
    environmentLogin.password === undefined ? isMasterKey(password) : sameText(password, environmentLogin.password)
  return rightName && rightPassword
}

/** The administrator of the environment has a row like everybody, so that keys and audit records have an owner. */
async function environmentAdmin(
  { plane, clock }: PasswordLoginServices,
  settings: LoginSettings,
  address: string,
): Promise<UserRow> {
  const userId = settings.adminId ?? environmentAdminId
  const known = await plane.store.db.selectFrom('users').selectAll().where('user_id', '=', userId).executeTakeFirst()
  if (known?.user_role === 'proxy_admin' && known.blocked === 0) return known
  const actor: Actor = { name: userId, token: undefined, address }
  return plane.change(async trx => {
    const provisioning = new Provisioning(trx, actor, clock.epoch())
    const row = await provisioning.createUser({ userId, role: 'proxy_admin' })
    const result = await provisioning.updateUser(row, { user_role: 'proxy_admin', blocked: 0 })
    return { result, audit: provisioning.audit, notices: provisioning.notices }
  })
}
