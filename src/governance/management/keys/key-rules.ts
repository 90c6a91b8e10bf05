import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Tables, TeamRow } from '../../../platform/store/tables.ts'
import type { Principal } from '../../authentication/principal.ts'
import { mayManage } from '../../authorization/tenancy.ts'
import { parseDuration } from '../../limits/durations.ts'
import { limitProblems } from '../../limits/rules.ts'
import { isRecord, recordOf, type Settings, textsOf } from '../../objects/settings.ts'
import { refuseOperatorMetadata } from '../operator-metadata.ts'
import type { KeyRequest } from './key-fields.ts'

/**
 * The request with `default_key_generate_params` filled in, checked against `upperbound_key_generate_params`: a field
 * that is absent takes the bound, one above it is refused.
 */
export function withBounds<T extends Readonly<Record<string, unknown>>>(
  request: T,
  defaults: Settings,
  upper: Settings,
): T {
  const filled: Record<string, unknown> = { ...request }
  for (const [name, value] of Object.entries(defaults)) filled[name] ??= value
  for (const [name, bound] of Object.entries(upper)) {
    const value = filled[name]
    if (value === undefined || value === null) filled[name] = bound
    else if (exceeds(value, bound)) {
      throw new GatewayError(
        'invalid_request',
        `'${name}' is above the most that is allowed here (${JSON.stringify(bound)}; upperbound_key_generate_params).`,
        { param: name },
      )
    }
  }
  return filled as T
}

function exceeds(value: unknown, bound: unknown): boolean {
  if (typeof value === 'number' && typeof bound === 'number') return value > bound
  const [a, b] = [parseDuration(value), parseDuration(bound)]
  return a !== undefined && b !== undefined && milliseconds(a) > milliseconds(b)
}

const day = 86_400_000
const milliseconds = (duration: NonNullable<ReturnType<typeof parseDuration>>): number =>
  duration.length * (duration.unit === 'ms' ? 1 : duration.unit === 'days' ? day : 31 * day)

/** Fields that only administrators set: they lift limits or open routes. */
const adminFields = [
  'spend',
  'allowed_routes',
  'allowed_passthrough_routes',
  'permissions',
  'temp_budget_increase',
  'throttle_on_budget_exceeded',
] as const

/**
 * Whether the caller may make or change a key with these fields: for whom, and how far. A key never grants more than
 * its maker has.
 * @throws GatewayError 403
 */
export async function authorizeKey(
  db: Kysely<Tables>,
  principal: Principal,
  route: string,
  request: KeyRequest,
  keyGeneration: Settings,
  before?: Settings,
): Promise<TeamRow | undefined> {
  const problems = limitProblems(request)
  const [problem] = problems
  if (problem !== undefined) {
    throw new GatewayError('invalid_request', problems.join(' '), { param: /^'?([\w.]+)/.exec(problem)?.[1] })
  }
  const team =
    request.team_id == null
      ? undefined
      : await db.selectFrom('teams').selectAll().where('team_id', '=', request.team_id).executeTakeFirst()
  if (request.team_id != null && team === undefined && !principal.admin) throw notYours('team', request.team_id)
  if (principal.admin) return team
  const owner = {
    userId: request.user_id,
    teamId: request.team_id,
    organizationId: team?.organization_id ?? request.organization_id,
  }
  if (!mayManage(principal, owner, route)) {
    throw new GatewayError(
      'permission_denied',
      request.team_id == null
        ? 'You may only make keys for yourself; leave out user_id, or ask an administrator.'
        : `You may not manage keys of this team: its admins may, and members whom the team allows ${route}.`,
    )
  }
  requireRole(principal, request, keyGeneration)
  for (const field of adminFields) {
    if (isSet(request[field])) {
      throw new GatewayError('permission_denied', `Only administrators may set '${field}'.`, { param: field })
    }
  }
  refuseOperatorMetadata(request.metadata, before === undefined ? undefined : recordOf(before, 'metadata'))
  const foreign = await foreignParent(db, principal, request, team)
  if (foreign !== undefined) throw foreign
  return team
}

const isSet = (value: unknown): boolean =>
  value !== undefined &&
  value !== null &&
  value !== false &&
  !(Array.isArray(value) && value.length === 0) &&
  !(isRecord(value) && Object.keys(value).length === 0)

const notYours = (kind: string, id: string): GatewayError =>
  new GatewayError('not_found', `There is no ${kind} '${id.slice(0, 200)}' that you may use.`)

/** `key_generation_settings`: which roles may make personal keys, and keys of teams. */
function requireRole(principal: Principal, request: KeyRequest, keyGeneration: Settings): void {
  if (request.team_id == null) {
    const allowed = textsOf(recordOf(keyGeneration, 'personal_key_generation'), 'allowed_user_roles')
    if (allowed.length > 0 && !allowed.includes(principal.role)) {
      throw new GatewayError('permission_denied', `Your role (${principal.role}) may not make personal keys here.`)
    }
    return
  }
  const team = recordOf(keyGeneration, 'team_key_generation')
  const allowed = textsOf(team, 'allowed_team_member_roles')
  const role = principal.adminOfTeams.includes(request.team_id) ? 'admin' : 'user'
  if (allowed.length > 0 && !allowed.includes(role)) {
    throw new GatewayError('permission_denied', `Team members with your role (${role}) may not make keys here.`)
  }
  for (const param of textsOf(team, 'required_params')) {
    if (!isSet((request as Readonly<Record<string, unknown>>)[param])) {
      throw new GatewayError('missing_field', `'${param}' is required for keys of a team.`, { param })
    }
  }
}

/** `default_team_disabled`. @throws GatewayError 400 */
export function requireTeam(needed: boolean, teamId: string | null | undefined): void {
  if (!needed || (teamId !== null && teamId !== undefined)) return
  throw new GatewayError(
    'missing_field',
    "'team_id' is required: keys belong to a team here (default_team_disabled).",
    {
      param: 'team_id',
    },
  )
}

/** A key may only hang under a project, organization or budget that is its maker's. */
async function foreignParent(
  db: Kysely<Tables>,
  principal: Principal,
  request: KeyRequest,
  team: TeamRow | undefined,
): Promise<GatewayError | undefined> {
  if (request.organization_id != null && request.organization_id !== team?.organization_id) {
    if (
      !principal.adminOfOrganizations.includes(request.organization_id) &&
      principal.organizationId !== request.organization_id
    ) {
      return notYours('organization', request.organization_id)
    }
  }
  if (request.project_id != null) {
    const project = await db
      .selectFrom('projects')
      .select('team_id')
      .where('project_id', '=', request.project_id)
      .executeTakeFirst()
    if (project === undefined || project.team_id !== (request.team_id ?? null))
      return notYours('project', request.project_id)
  }
  return undefined
}
