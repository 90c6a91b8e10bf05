import type { UserRow } from '../../../platform/store/tables.ts'
import type { Actor } from '../../audit/audit-log.ts'
import type { ControlPlane } from '../control-plane.ts'
import { findPerson, type Newcomers, Provisioning } from '../people.ts'
import { notAdmitted } from '../token-errors.ts'
import type { Person } from './profile.ts'

export interface AdmitPersonOptions {
  readonly plane: ControlPlane
  readonly newcomers: Newcomers
  readonly createTeams: boolean
  /** `PROXY_ADMIN_ID`. */
  readonly adminId: string | undefined
  /** `ui_access_mode: admin_only`. */
  readonly adminsOnly: boolean
}

/**
 * The user a person is: found by the provider's id, else by a verified e-mail address; made when there is none. What the
 * provider says of roles and teams is put in force; what it does not speak of stays.
 * @throws GatewayError `permission_denied`
 */
export async function admitPerson(
  options: AdmitPersonOptions,
  person: Person,
  { now, address }: { readonly now: number; readonly address: string },
): Promise<UserRow> {
  const { plane, newcomers, adminId, adminsOnly, createTeams } = options
  const actor: Actor = { name: `sso:${person.id.slice(0, 200)}`, token: undefined, address }
  const role = adminId !== undefined && person.id === adminId ? 'proxy_admin' : person.role
  const user = await plane.change(async trx => {
    const provisioning = new Provisioning(trx, actor, now)
    const known = await findPerson(trx, { userId: person.id, email: person.email, emailVerified: person.emailVerified })
    if (known !== undefined) checkOwner(known, person)
    const row =
      known === undefined
        ? await provisioning.createUser(
            {
              userId: person.id,
              email: person.email,
              alias: person.displayName,
              ssoUserId: person.id,
              role: role ?? newcomers.userRole,
            },
            newcomers.userSettings,
          )
        : await provisioning.updateUser(known, {
            ...(known.sso_user_id === null ? { sso_user_id: person.id } : {}),
            ...(known.user_email === null && person.email !== undefined ? { user_email: person.email } : {}),
            ...(role === undefined ? {} : { user_role: role }),
          })
    if (person.teams !== undefined) {
      if (createTeams) {
        for (const team of person.teams) {
          const exists = await trx
            .selectFrom('teams')
            .select('team_id')
            .where('team_id', '=', team.id)
            .executeTakeFirst()
          if (exists === undefined) {
            await provisioning.createTeam(team.id, team.name ?? team.id, newcomers.teamSettings)
          }
        }
      }
      const ids = person.teams.map(team => team.id)
      await provisioning.setTeams(row.user_id, ids, 'sso')
    }
    return { result: row, audit: provisioning.audit, notices: provisioning.notices }
  })
  if (user.blocked === 1) throw notAdmitted('This user is blocked here.')
  if (adminsOnly && user.user_role !== 'proxy_admin' && user.user_role !== 'proxy_admin_viewer') {
    throw notAdmitted('Only administrators may log in (general_settings.ui_access_mode: admin_only).')
  }
  return user
}

/** An address that was given to somebody new at the provider does not open the account of whoever had it before. */
function checkOwner(user: UserRow, person: Person): void {
  if (user.user_id === person.id || user.sso_user_id === null || user.sso_user_id === person.id) return
  throw notAdmitted('This e-mail address belongs to a user who logs in as somebody else at the identity provider.')
}
