import type { Kysely } from 'kysely'
import type { Tables, TeamRow } from '../../platform/store/tables.ts'
import type { Actor } from '../audit/audit-log.ts'
import type { ControlPlane } from './control-plane.ts'
import { type Newcomers, Provisioning } from './people.ts'
import { notAdmitted } from './token-errors.ts'
import type { TokenIdentity } from './token-identity.ts'

export interface TeamChoice {
  readonly team: TeamRow | undefined
  /** Whether the token itself names it. */
  readonly claimed: boolean
  readonly others: readonly string[]
}

interface Services {
  readonly plane: ControlPlane
  readonly newcomers: Newcomers
  readonly now: number
}

const alone: TeamChoice = { team: undefined, claimed: false, others: [] }

/**
 * The team a bearer acts for: the one it asks for in `x-litellm-team-id`, if its token (or, where that is allowed, its
 * memberships) has it; else the token's team; else the first of the token's teams that exists here.
 * @throws GatewayError `permission_denied`. One answer for teams that do not exist and teams that are not the bearer's.
 */
export async function teamOf(
  services: Services,
  identity: TokenIdentity,
  userId: string | undefined,
  requested: string | undefined,
): Promise<TeamChoice> {
  const { db } = services.plane.store
  const { rules } = identity
  if (identity.role === 'proxy_admin' && requested === undefined) return alone
  const claims = [...new Set([...(identity.teamId === undefined ? [] : [identity.teamId]), ...identity.teamIds])]
  const known = await teamsById(db, claims)
  if (identity.teamAlias !== undefined && identity.teamId === undefined) {
    const named = await teamByAlias(db, identity.teamAlias)
    if (named !== undefined && !known.some(team => team.team_id === named.team_id)) known.unshift(named)
  }
  const claimed = claims.length > 0 || identity.teamAlias !== undefined
  if (requested !== undefined) return requestedTeam(services, identity, userId, requested, known)
  const [team, ...others] = known
  if (team !== undefined) return { team, claimed: true, others: others.map(other => other.team_id) }
  if (identity.teamId !== undefined && rules.upsertTeam) return created(services, identity, identity.teamId)
  if (claimed && !rules.membershipsForUnknownTeam) {
    // With `enforce_rbac` the token's role says enough: the team needs no row.
    if (rules.unknownUser === 'admit' && !rules.teamRequired) return alone
    throw notAdmitted(
      'None of the teams this token names exists here. Create one with that team_id, or set team_id_upsert.',
    )
  }
  if (!claimed && rules.teamRequired && rules.memberships !== 'any') {
    throw notAdmitted('This token names no team, and callers must belong to one (litellm_jwtauth).')
  }
  return ownTeam(db, identity, userId)
}

async function ownTeam(db: Kysely<Tables>, identity: TokenIdentity, userId: string | undefined): Promise<TeamChoice> {
  const { rules } = identity
  const own = rules.memberships === 'never' ? [] : await teamsOfUser(db, userId)
  const [team, ...others] = own
  if (team !== undefined && (rules.memberships === 'any' || others.length === 0)) {
    return { team, claimed: false, others: others.map(other => other.team_id) }
  }
  if (rules.teamRequired) throw notAdmitted('The user of this token belongs to no team here; add it to one.')
  return alone
}

async function requestedTeam(
  { plane }: Services,
  identity: TokenIdentity,
  userId: string | undefined,
  requested: string,
  claimed: readonly TeamRow[],
): Promise<TeamChoice> {
  const { db } = plane.store
  const admin = identity.role === 'proxy_admin'
  const ofUser = claimed.length === 0 && identity.rules.memberships === 'any' ? await teamsOfUser(db, userId) : []
  const allowed = admin ? await teamsById(db, [requested]) : [...claimed, ...ofUser]
  const byId = allowed.find(team => team.team_id === requested)
  const byAlias = allowed.filter(team => team.team_alias === requested)
  const team = byId ?? (byAlias.length === 1 ? byAlias[0] : undefined)
  if (team === undefined) {
    throw notAdmitted(`x-litellm-team-id names no team of yours: '${requested.slice(0, 100)}'.`)
  }
  return { team, claimed: !admin && claimed.includes(team), others: [] }
}

async function created(
  { plane, newcomers, now }: Services,
  identity: TokenIdentity,
  teamId: string,
): Promise<TeamChoice> {
  const actor: Actor = { name: `jwt:${identity.userId ?? teamId}`, token: identity.subject, address: undefined }
  const team = await plane.change(async trx => {
    const provisioning = new Provisioning(trx, actor, now)
    const result = await provisioning.createTeam(teamId, teamId, newcomers.teamSettings)
    return { result, audit: provisioning.audit, notices: provisioning.notices }
  })
  return { team, claimed: true, others: [] }
}

/** In the order asked for. */
async function teamsById(db: Kysely<Tables>, ids: readonly string[]): Promise<TeamRow[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('teams')
    .selectAll()
    .where('team_id', 'in', [...ids])
    .execute()
  const byId = new Map(rows.map(row => [row.team_id, row]))
  return ids.flatMap(id => byId.get(id) ?? [])
}

async function teamByAlias(db: Kysely<Tables>, alias: string): Promise<TeamRow | undefined> {
  const [only, another] = await db.selectFrom('teams').selectAll().where('team_alias', '=', alias).limit(2).execute()
  if (another !== undefined) throw notAdmitted('Several teams have the name this token gives (team_alias_jwt_field).')
  return only
}

async function teamsOfUser(db: Kysely<Tables>, userId: string | undefined): Promise<TeamRow[]> {
  if (userId === undefined) return []
  return db
    .selectFrom('teams')
    .innerJoin('team_members', 'team_members.team_id', 'teams.team_id')
    .selectAll('teams')
    .where('team_members.user_id', '=', userId)
    .orderBy('team_members.created_at')
    .orderBy('teams.team_id')
    .limit(100)
    .execute()
}
