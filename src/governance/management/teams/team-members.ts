import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Tables, TeamMemberRow, TeamRow } from '../../../platform/store/tables.ts'
import type { AuditEvent } from '../../audit/audit-log.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import { parseSettings } from '../../objects/settings.ts'
import type { ChangeNotice } from '../change.ts'
import type { Caller } from '../managed-objects.ts'
import { budgetResetAt, type Management } from '../management.ts'
import { memberUser } from '../users/member-user.ts'
import type { MemberLimits, MemberRequest } from './team-fields.ts'
import { memberOf } from './team-object.ts'

export interface MemberChange {
  readonly members: readonly TeamMemberRow[]
  readonly audit: readonly AuditEvent[]
  readonly notices: readonly ChangeNotice[]
}

/** Members of teams. Every function runs inside the transaction of the change it belongs to. */
export class TeamMembers {
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
  }

  list(db: Kysely<Tables>, teamIds: readonly string[]): Promise<TeamMemberRow[]> {
    if (teamIds.length === 0) return Promise.resolve([])
    return db
      .selectFrom('team_members')
      .selectAll()
      .where('team_id', 'in', [...teamIds])
      .orderBy('created_at')
      .limit(10_000)
      .execute()
  }

  /** Adds members; a user who does not exist yet is made. @throws GatewayError `conflict` for one who is a member */
  async add(
    trx: Kysely<Tables>,
    caller: Caller,
    team: Pick<TeamRow, 'team_id' | 'settings'>,
    requested: readonly MemberRequest[],
    limits: MemberLimits = {},
  ): Promise<MemberChange> {
    const now = this.#management.clock.epoch()
    const members: TeamMemberRow[] = []
    const made: AuditEvent[] = []
    for (const request of requested) {
      const user = await memberUser(trx, caller, request, now)
      made.push(...user.audit)
      const taken = await find(trx, team.team_id, user.user_id)
      if (taken !== undefined || members.some(member => member.user_id === user.user_id)) {
        throw new GatewayError('conflict', `The user '${user.user_id}' is a member of this team already.`, {
          param: 'member',
          status: 400,
          details: { error_code: 'team_member_already_in_team' },
        })
      }
      const settings = limitSettings(parseSettings(team.settings), limits, user.user_email)
      const row: TeamMemberRow = {
        team_id: team.team_id,
        user_id: user.user_id,
        role: request.role,
        budget_id: null,
        spend: 0,
        budget_reset_at: budgetResetAt(this.#management, settings['budget_duration']),
        settings: JSON.stringify(settings),
        created_at: now,
      }
      await trx
        .insertInto('team_members')
        .values({ ...row, ...startingSpend(0, now) })
        .execute()
      members.push(row)
    }
    return {
      members,
      audit: [...made, ...members.map(row => event(caller, 'created', row))],
      notices: members.flatMap(noticesOf),
    }
  }

  async update(
    trx: Kysely<Tables>,
    row: TeamMemberRow,
    role: string | undefined,
    limits: MemberLimits,
  ): Promise<TeamMemberRow> {
    const settings: Record<string, unknown> = { ...parseSettings(row.settings) }
    for (const [name, value] of Object.entries(renamed(limits))) {
      if (value === undefined) continue
      if (value === null) delete settings[name]
      else settings[name] = value
    }
    const after: TeamMemberRow = {
      ...row,
      role: role ?? row.role,
      settings: JSON.stringify(settings),
      budget_reset_at:
        limits.budget_duration === undefined
          ? row.budget_reset_at
          : budgetResetAt(this.#management, limits.budget_duration),
    }
    const { team_id, user_id, spend: _spend, ...columns } = after
    await trx
      .updateTable('team_members')
      .set(columns)
      .where('team_id', '=', team_id)
      .where('user_id', '=', user_id)
      .execute()
    return after
  }

  async remove(trx: Kysely<Tables>, row: TeamMemberRow): Promise<void> {
    await trx.deleteFrom('team_members').where('team_id', '=', row.team_id).where('user_id', '=', row.user_id).execute()
    // Keys the member had in the team go with the membership: they would outlive the right to have them.
    await trx.deleteFrom('keys').where('team_id', '=', row.team_id).where('user_id', '=', row.user_id).execute()
  }

  /** @throws GatewayError 404 */
  async get(
    db: Kysely<Tables>,
    teamId: string,
    who: { readonly user_id?: string | null | undefined; readonly user_email?: string | null | undefined },
  ): Promise<TeamMemberRow> {
    let userId = who.user_id ?? undefined
    if (userId === undefined && who.user_email != null) {
      const user = await db
        .selectFrom('users')
        .select('user_id')
        .where('user_email', '=', who.user_email)
        .executeTakeFirst()
      userId = user?.user_id
    }
    const row = userId === undefined ? undefined : await find(db, teamId, userId)
    if (row === undefined)
      throw new GatewayError('not_found', 'There is no such member in this team.', { param: 'user_id' })
    return row
  }
}

const find = (db: Kysely<Tables>, teamId: string, userId: string): Promise<TeamMemberRow | undefined> =>
  db
    .selectFrom('team_members')
    .selectAll()
    .where('team_id', '=', teamId)
    .where('user_id', '=', userId)
    .executeTakeFirst()

/** What the team gives every member, under what this one is given. */
function limitSettings(
  team: Readonly<Record<string, unknown>>,
  limits: MemberLimits,
  email: string | null,
): Record<string, unknown> {
  const given: Record<string, unknown> = {
    max_budget_in_team: team['team_member_budget'],
    budget_duration: team['team_member_budget_duration'],
    rpm_limit: team['team_member_rpm_limit'],
    tpm_limit: team['team_member_tpm_limit'],
    ...defined(renamed(limits)),
    user_email: email ?? undefined,
  }
  return defined(given)
}

/** LiteLLM calls a member's models `allowed_models`; a level of access calls them `models`. */
const renamed = ({ allowed_models: models, ...limits }: MemberLimits): Record<string, unknown> => ({
  ...limits,
  models,
})

const defined = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== null))

export const noticesOf = (row: TeamMemberRow): readonly ChangeNotice[] => [
  { kind: 'user', id: row.user_id },
  { kind: 'team', id: row.team_id },
]

export const event = (
  caller: Caller,
  action: 'created' | 'updated' | 'deleted',
  row: TeamMemberRow,
  before?: TeamMemberRow,
): AuditEvent => ({
  actor: caller.actor,
  action,
  objectKind: 'team_member',
  objectId: `${row.team_id}/${row.user_id}`,
  before: before === undefined ? (action === 'deleted' ? { ...memberOf(row) } : undefined) : { ...memberOf(before) },
  after: action === 'deleted' ? undefined : { ...memberOf(row) },
})
