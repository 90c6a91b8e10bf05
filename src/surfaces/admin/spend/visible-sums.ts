import type { Kysely } from 'kysely'
import type { Principal } from '../../../governance/authentication/principal.ts'
import type { Selection } from '../../../governance/ledger/reports/sums-query.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Tables } from '../../../platform/store/tables.ts'

/**
 * Which sums a caller may see: administrators and their viewers all of them, organization and team admins those of their
 * organizations and teams, others what they spent themselves.
 */

export const seesEverything = ({ admin, role }: Principal): boolean => admin || role === 'proxy_admin_viewer'

/** Everything, or the caller's own calls. */
export function ownSums(principal: Principal): Selection[] {
  if (seesEverything(principal)) return [{ entity: 'all' }]
  return [ownCalls(principal)]
}

/** A key without a user has its own calls only. */
const ownCalls = ({ userId, token }: Principal): Selection =>
  userId === undefined ? { entity: 'all', tokens: [token] } : { entity: 'user', ids: [userId] }

/** @throws GatewayError 403 for another user's */
export function userSums(principal: Principal, userId: string | undefined): Selection[] {
  if (userId === undefined) return ownSums(principal)
  if (seesEverything(principal)) return [{ entity: 'user', ids: [userId] }]
  if (userId !== principal.userId) throw forbidden('user', userId)
  return [ownCalls(principal)]
}

/** @throws GatewayError 403 for a key of others */
export async function keySums(
  db: Kysely<Tables>,
  principal: Principal,
  token: string | undefined,
): Promise<Selection[]> {
  if (token === undefined) return [{ entity: 'all', tokens: [principal.token] }]
  const own = seesEverything(principal) || token === principal.token || (await mayReadKey(db, principal, token))
  if (!own) throw new GatewayError('permission_denied', 'This key is not yours.', { param: 'api_key' })
  return [{ entity: 'all', tokens: [token] }]
}

async function mayReadKey(db: Kysely<Tables>, principal: Principal, token: string): Promise<boolean> {
  const key = await db
    .selectFrom('keys')
    .select(['user_id', 'team_id', 'organization_id'])
    .where('token', '=', token)
    .executeTakeFirst()
  if (key === undefined) return false
  const { userId, adminOfTeams, adminOfOrganizations } = principal
  return (
    (userId !== undefined && key.user_id === userId) ||
    (key.team_id !== null && adminOfTeams.includes(key.team_id)) ||
    (key.organization_id !== null && adminOfOrganizations.includes(key.organization_id))
  )
}

/** Members see a whole team where it lists this route among its members' permissions. */
const teamPermission = '/team/daily/activity'

/**
 * @param wanted ids asked for; undefined: every team the caller belongs to, for administrators every team
 * @throws GatewayError 404 for a team that is not the caller's: to it, there is none
 */
export async function teamSums(
  db: Kysely<Tables>,
  principal: Principal,
  wanted: readonly string[] | undefined,
  excluded: readonly string[] = [],
): Promise<Selection[]> {
  if (seesEverything(principal)) return [{ entity: 'team', ids: wanted, excludeIds: excluded }]
  const { adminOfTeams, adminOfOrganizations, memberOfTeams, teamId } = principal
  const administered = new Set(adminOfTeams)
  if (adminOfOrganizations.length > 0) {
    const teams = await db
      .selectFrom('teams')
      .select('team_id')
      .where('organization_id', 'in', [...adminOfOrganizations])
      .execute()
    for (const team of teams) administered.add(team.team_id)
  }
  const belongs = new Set([...administered, ...memberOfTeams.keys(), ...(teamId === undefined ? [] : [teamId])])
  for (const id of wanted ?? []) {
    if (!belongs.has(id)) {
      throw new GatewayError('not_found', `There is no team '${id.slice(0, 200)}' that you may see.`, {
        param: 'team_ids',
      })
    }
  }
  const ids = (wanted ?? [...belongs]).filter(id => !excluded.includes(id))
  const whole = ids.filter(id => administered.has(id) || memberOfTeams.get(id)?.includes(teamPermission) === true)
  const partly = ids.filter(id => !whole.includes(id))
  const selections: Selection[] = whole.length === 0 ? [] : [{ entity: 'team', ids: whole }]
  if (partly.length > 0) selections.push(ownPart(principal, partly))
  return selections
}

/** A member's own calls in teams. */
const ownPart = ({ userId, token }: Principal, teams: readonly string[]): Selection =>
  userId === undefined
    ? { entity: 'team', ids: teams, tokens: [token] }
    : { entity: 'team_member', ids: teams.map(team => `${team}/${userId}`) }

/** @throws GatewayError 403 for an organization the caller is not admin of */
export function organizationSums(principal: Principal, wanted: readonly string[] | undefined): Selection[] {
  if (seesEverything(principal)) return [{ entity: 'organization', ids: wanted }]
  const { adminOfOrganizations } = principal
  const foreign = wanted?.find(id => !adminOfOrganizations.includes(id))
  if (foreign !== undefined || adminOfOrganizations.length === 0) throw forbidden('organization', foreign)
  return [{ entity: 'organization', ids: wanted ?? adminOfOrganizations }]
}

/** Sums by tag, agent or customer hold many callers' calls: others than administrators see those of their own keys. */
export async function entitySums(
  db: Kysely<Tables>,
  principal: Principal,
  entity: 'tag' | 'agent' | 'end_user' | 'project',
  ids: readonly string[] | undefined,
): Promise<Selection[]> {
  if (seesEverything(principal)) return [{ entity, ids }]
  return [{ entity, ids, tokens: await ownTokens(db, principal) }]
}

const maxTokens = 1000

async function ownTokens(db: Kysely<Tables>, { userId, token }: Principal): Promise<string[]> {
  if (userId === undefined) return [token]
  const rows = await db.selectFrom('keys').select('token').where('user_id', '=', userId).limit(maxTokens).execute()
  return [...new Set([token, ...rows.map(row => row.token)])]
}

function forbidden(kind: string, id: string | undefined): GatewayError {
  const which =
    id === undefined ? `Your role has no access to spend by ${kind}.` : `You do not have access to this ${kind}.`
  return new GatewayError('permission_denied', which, { param: `${kind}_id` })
}
