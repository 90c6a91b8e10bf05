import type { Kysely } from 'kysely'
import type { BudgetRow, Tables } from '../../platform/store/tables.ts'
import { parseSettings, textsOf } from '../objects/settings.ts'
import type { Subject } from './compile-principal.ts'
import type { Proof } from './principal.ts'

/** Ids to join a caller from: those of a key's row, or of a token's claims. */
export interface SubjectIds {
  readonly proof: Proof
  readonly token: string
  readonly userId: string | undefined
  readonly teamId: string | undefined
  readonly organizationId: string | undefined
  readonly claims?: Subject['claims']
}

/**
 * Everything about the holder of a virtual key, or undefined when there is no such key. A replaced key answers as its
 * successor while its grace period lasts. At most three rounds to the store.
 */
export async function lookUpKey(db: Kysely<Tables>, token: string, now: number): Promise<Subject | undefined> {
  let key = await db.selectFrom('keys').selectAll().where('token', '=', token).executeTakeFirst()
  if (key === undefined) {
    const replaced = await db
      .selectFrom('deprecated_keys')
      .select('successor')
      .where('token', '=', token)
      .where('valid_until', '>', now)
      .executeTakeFirst()
    if (replaced === undefined) return undefined
    key = await db.selectFrom('keys').selectAll().where('token', '=', replaced.successor).executeTakeFirst()
    if (key === undefined) return undefined
  }
  const subject = await joinSubject(
    db,
    {
      proof: 'virtual_key',
      token: key.token,
      userId: key.user_id ?? undefined,
      teamId: key.team_id ?? undefined,
      organizationId: key.organization_id ?? undefined,
    },
    key,
  )
  return subject
}

/** Joins user, team, memberships, organization, project, budgets and access groups. */
export async function joinSubject(db: Kysely<Tables>, ids: SubjectIds, key: Subject['key']): Promise<Subject> {
  const [user, team, memberships, organizationMemberships, project] = await Promise.all([
    ids.userId === undefined
      ? undefined
      : db.selectFrom('users').selectAll().where('user_id', '=', ids.userId).executeTakeFirst(),
    ids.teamId === undefined
      ? undefined
      : db.selectFrom('teams').selectAll().where('team_id', '=', ids.teamId).executeTakeFirst(),
    ids.userId === undefined
      ? []
      : db.selectFrom('team_members').selectAll().where('user_id', '=', ids.userId).limit(1000).execute(),
    ids.userId === undefined
      ? []
      : db.selectFrom('organization_members').selectAll().where('user_id', '=', ids.userId).limit(1000).execute(),
    key?.project_id == null
      ? undefined
      : db.selectFrom('projects').selectAll().where('project_id', '=', key.project_id).executeTakeFirst(),
  ])
  const organizationId = ids.organizationId ?? team?.organization_id ?? undefined
  const teamIds = memberships.map(member => member.team_id)
  const [organization, accessGroups, teams] = await Promise.all([
    organizationId === undefined
      ? undefined
      : db.selectFrom('organizations').selectAll().where('organization_id', '=', organizationId).executeTakeFirst(),
    db.selectFrom('access_groups').selectAll().limit(1000).execute(),
    teamIds.length === 0
      ? []
      : db.selectFrom('teams').select(['team_id', 'settings']).where('team_id', 'in', teamIds).execute(),
  ])
  const rows = [key, user, team, organization, project, ...memberships, ...organizationMemberships]
  const budgetIds = new Set(rows.flatMap(row => (row?.budget_id == null ? [] : [row.budget_id])))
  const budgets = new Map<string, BudgetRow>()
  if (budgetIds.size > 0) {
    for (const row of await db
      .selectFrom('budgets')
      .selectAll()
      .where('budget_id', 'in', [...budgetIds])
      .execute()) {
      budgets.set(row.budget_id, row)
    }
  }
  const allowed = new Map(
    teams.map(row => [row.team_id, textsOf(parseSettings(row.settings), 'team_member_permissions')] as const),
  )
  return {
    proof: ids.proof,
    token: ids.token,
    key,
    user,
    team,
    // What a team lets its members do, unless the membership says otherwise.
    memberships: memberships.map(member => {
      const permissions = allowed.get(member.team_id) ?? []
      if (permissions.length === 0) return member
      return { ...member, settings: JSON.stringify({ permissions, ...parseSettings(member.settings) }) }
    }),
    organization,
    organizationMemberships,
    project,
    budgets,
    accessGroups,
    ...(ids.claims === undefined ? {} : { claims: ids.claims }),
  }
}

/** Why a caller that was found may not come in. */
export type Denial = 'expired' | 'key_blocked' | 'team_blocked' | 'user_blocked' | 'project_blocked'

export function denialOf({ key, user, team, project }: Subject, now: number): Denial | undefined {
  if (key?.blocked === 1) return 'key_blocked'
  if (key?.expires_at != null && key.expires_at <= now) return 'expired'
  if (team?.blocked === 1) return 'team_blocked'
  if (user?.blocked === 1) return 'user_blocked'
  if (project?.blocked === 1) return 'project_blocked'
  return undefined
}
