import { randomUUID } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Tables, TeamRow, UserRow } from '../../platform/store/tables.ts'
import type { Actor, AuditEvent } from '../audit/audit-log.ts'
import type { Role } from '../authorization/roles.ts'
import type { ChangeNotice } from '../management/change.ts'
import { parseSettings } from '../objects/settings.ts'

/** `litellm_settings.default_internal_user_params` and `default_team_params`: what users and teams that create themselves start with. */
export interface Newcomers {
  readonly userRole: Role
  readonly userSettings: Readonly<Record<string, unknown>>
  readonly teamSettings: Readonly<Record<string, unknown>>
}

/** How an identity provider knows a person. */
export interface PersonKeys {
  readonly userId: string | undefined
  readonly email: string | undefined
  /** Finding somebody by an address nobody has checked would let anyone become that person. */
  readonly emailVerified: boolean
}

/**
 * The user with this id, else the one an identity provider knows by it, else the only one with this e-mail address.
 * Two users with one address are nobody: a guess would be a stranger's account.
 */
export async function findPerson(db: Kysely<Tables>, keys: PersonKeys): Promise<UserRow | undefined> {
  const { userId, email } = keys
  if (userId !== undefined) {
    const rows = await db
      .selectFrom('users')
      .selectAll()
      .where(where => where.or([where('user_id', '=', userId), where('sso_user_id', '=', userId)]))
      .limit(2)
      .execute()
    const found = rows.find(row => row.user_id === userId) ?? rows[0]
    if (found !== undefined) return found
  }
  return email !== undefined && keys.emailVerified ? findByEmail(db, email) : undefined
}

export async function findByEmail(db: Kysely<Tables>, email: string): Promise<UserRow | undefined> {
  const [only, another] = await db
    .selectFrom('users')
    .selectAll()
    .where(sql`lower(user_email)`, '=', email.toLowerCase())
    .limit(2)
    .execute()
  return another === undefined ? only : undefined
}

/** Gathers what a transaction did, for its audit records and for the caches. */
export class Provisioning {
  readonly audit: AuditEvent[] = []
  readonly notices: ChangeNotice[] = []
  readonly #db: Kysely<Tables>
  readonly #actor: Actor
  readonly #now: number

  constructor(db: Kysely<Tables>, actor: Actor, now: number) {
    this.#db = db
    this.#actor = actor
    this.#now = now
  }

  async createUser(
    user: {
      readonly userId?: string | undefined
      readonly email?: string | undefined
      readonly alias?: string | undefined
      readonly ssoUserId?: string | undefined
      readonly role: Role
      readonly blocked?: boolean
    },
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<UserRow> {
    const row: UserRow = {
      user_id: user.userId ?? randomUUID(),
      user_email: user.email ?? null,
      user_alias: user.alias ?? null,
      sso_user_id: user.ssoUserId ?? null,
      user_role: user.role,
      password_hash: null,
      budget_id: null,
      spend: 0,
      budget_reset_at: null,
      blocked: user.blocked === true ? 1 : 0,
      settings: JSON.stringify(settings),
      ...this.#stamps(),
    }
    // Two first requests of one person may race; the second finds what the first made.
    const made = await this.#db
      .insertInto('users')
      .values(row)
      .onConflict(on => on.doNothing())
      .returningAll()
      .executeTakeFirst()
    if (made === undefined) {
      return this.#db
        .selectFrom('users')
        .selectAll()
        .where(where => where.or([where('user_id', '=', row.user_id), where('sso_user_id', '=', row.sso_user_id)]))
        .executeTakeFirstOrThrow()
    }
    this.#note('created', 'user', made.user_id, undefined, shownUser(made))
    return made
  }

  async updateUser(user: UserRow, changes: Partial<Omit<UserRow, 'user_id'>>): Promise<UserRow> {
    const changed = Object.entries(changes).some(([name, value]) => user[name as keyof UserRow] !== value)
    if (!changed) return user
    const after: UserRow = { ...user, ...changes, updated_at: this.#now, updated_by: this.#actor.name }
    await this.#db
      .updateTable('users')
      .set({ ...changes, updated_at: after.updated_at, updated_by: after.updated_by })
      .where('user_id', '=', user.user_id)
      .execute()
    const action = user.blocked === after.blocked ? 'updated' : after.blocked === 1 ? 'blocked' : 'unblocked'
    this.#note(action, 'user', user.user_id, shownUser(user), shownUser(after))
    return after
  }

  async createTeam(teamId: string, alias: string, settings: Readonly<Record<string, unknown>> = {}): Promise<TeamRow> {
    const row: TeamRow = {
      team_id: teamId,
      team_alias: alias,
      organization_id: null,
      budget_id: null,
      spend: 0,
      budget_reset_at: null,
      blocked: 0,
      settings: JSON.stringify(settings),
      ...this.#stamps(),
    }
    const made = await this.#db
      .insertInto('teams')
      .values(row)
      .onConflict(on => on.column('team_id').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (made === undefined) {
      return this.#db.selectFrom('teams').selectAll().where('team_id', '=', teamId).executeTakeFirstOrThrow()
    }
    this.#note('created', 'team', teamId, undefined, { team_id: teamId, team_alias: alias })
    return made
  }

  /** @param source who keeps the membership up to date: what an identity provider added, it may take away */
  async addToTeam(userId: string, teamId: string, source: string): Promise<void> {
    const added = await this.#db
      .insertInto('team_members')
      .values({
        team_id: teamId,
        user_id: userId,
        role: 'user',
        budget_id: null,
        spend: 0,
        budget_reset_at: null,
        settings: JSON.stringify({ source }),
        created_at: this.#now,
      })
      .onConflict(on => on.columns(['team_id', 'user_id']).doNothing())
      .executeTakeFirst()
    if ((added.numInsertedOrUpdatedRows ?? 0n) > 0n) {
      this.#note('updated', 'team', teamId, undefined, { member_added: userId })
      this.notices.push({ kind: 'user', id: userId })
    }
  }

  async removeFromTeam(userId: string, teamId: string): Promise<void> {
    const removed = await this.#db
      .deleteFrom('team_members')
      .where('team_id', '=', teamId)
      .where('user_id', '=', userId)
      .executeTakeFirst()
    if (removed.numDeletedRows > 0n) {
      this.#note('updated', 'team', teamId, { member_removed: userId }, undefined)
      this.notices.push({ kind: 'user', id: userId })
    }
  }

  /**
   * Makes the memberships of a source equal to `teamIds`, as far as those teams exist; memberships that somebody gave by
   * hand stay.
   * @param all also those stay only if listed
   */
  async setTeams(userId: string, teamIds: readonly string[], source: string, all = false): Promise<void> {
    const has = await this.#db
      .selectFrom('team_members')
      .select(['team_id', 'settings'])
      .where('user_id', '=', userId)
      .limit(2000)
      .execute()
    for (const { team_id: teamId, settings } of has) {
      const kept = teamIds.includes(teamId) || (!all && parseSettings(settings)['source'] !== source)
      if (!kept) await this.removeFromTeam(userId, teamId)
    }
    const missing = teamIds.filter(id => !has.some(({ team_id: teamId }) => teamId === id))
    if (missing.length === 0) return
    const known = await this.#db.selectFrom('teams').select('team_id').where('team_id', 'in', missing).execute()
    for (const { team_id: teamId } of known) await this.addToTeam(userId, teamId, source)
  }

  note(event: Omit<AuditEvent, 'actor'>): void {
    this.audit.push({ actor: this.#actor, ...event })
  }

  #note(
    action: AuditEvent['action'],
    objectKind: 'user' | 'team',
    objectId: string,
    before: AuditEvent['before'],
    after: AuditEvent['after'],
  ): void {
    this.note({ action, objectKind, objectId, before, after })
    this.notices.push({ kind: objectKind, id: objectId })
  }

  #stamps() {
    return {
      created_at: this.#now,
      created_by: this.#actor.name,
      updated_at: this.#now,
      updated_by: this.#actor.name,
    }
  }
}

const shownUser = ({ user_id, user_email, user_role, sso_user_id, blocked }: UserRow): Record<string, unknown> => ({
  user_id,
  user_email,
  user_role,
  sso_user_id,
  blocked: blocked === 1,
})
