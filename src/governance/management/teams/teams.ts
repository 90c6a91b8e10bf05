import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { parseDollars } from '../../../platform/money.ts'
import type { KeyRow, Tables, TeamMemberRow, TeamRow } from '../../../platform/store/tables.ts'
import { mayManage, maySee, visibilityOf } from '../../authorization/tenancy.ts'
import { limitProblems } from '../../limits/rules.ts'
import { parseSettings, textsOf } from '../../objects/settings.ts'
import { keyObject } from '../keys/key-object.ts'
import { type Caller, ManagedObjects } from '../managed-objects.ts'
import { budgetResetAt, type Management } from '../management.ts'
import { refuseOperatorMetadata } from '../operator-metadata.ts'
import { assignSpend, type Spender, setSpend } from '../set-spend.ts'
import type { MemberLimits, MemberRequest, NewTeamRequest, UpdateTeamRequest } from './team-fields.ts'
import { event, noticesOf, TeamMembers } from './team-members.ts'
import { memberOf, membershipOf, teamKind, teamOwnership } from './team-object.ts'

type Shown = Record<string, unknown>

/** Teams and their members. Administrators make them; organization admins theirs; team admins run them. */
export class Teams {
  readonly members: TeamMembers
  readonly #objects: ManagedObjects<'teams'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, teamKind)
    this.members = new TeamMembers(management)
  }

  find(id: string): Promise<TeamRow | undefined> {
    return this.#objects.find(id)
  }

  /** @throws GatewayError */
  async create(caller: Caller, sent: NewTeamRequest): Promise<Shown> {
    const request = { ...this.#management.settings().defaultTeamParams, ...given(sent) } as NewTeamRequest
    const { principal } = caller
    const mayCreate =
      principal.admin ||
      (request.organization_id != null && principal.adminOfOrganizations.includes(request.organization_id))
    if (!mayCreate) {
      throw new GatewayError(
        'permission_denied',
        'Only administrators make teams, and organization admins in their organization.',
      )
    }
    check(request)
    if (!principal.admin) refuseOperatorMetadata(request.metadata, undefined)
    const requested: MemberRequest[] = [
      ...(request.members_with_roles ?? []),
      ...(request.admins ?? []).map(id => ({ user_id: id, role: 'admin' as const })),
      ...(request.members ?? []).map(id => ({ user_id: id, role: 'user' as const })),
    ]
    // Whoever makes a team is its first admin, as in LiteLLM.
    if (principal.userId !== undefined && !requested.some(member => member.user_id === principal.userId)) {
      requested.unshift({ user_id: principal.userId, role: 'admin' })
    }
    const teamId = request.team_id ?? newId()
    let members: readonly TeamMemberRow[] = []
    const row = await this.#objects.create(
      caller,
      {
        team_id: teamId,
        team_alias: request.team_alias ?? null,
        organization_id: request.organization_id ?? null,
        budget_id: null,
        spend: 0,
        budget_reset_at: budgetResetAt(this.#management, request.budget_duration),
        blocked: request.blocked === true ? 1 : 0,
      },
      request,
      async trx => {
        const added = await this.members.add(
          trx,
          caller,
          { team_id: teamId, settings: JSON.stringify(request) },
          requested,
        )
        members = added.members
        return added
      },
    )
    return this.#shown(row, members)
  }

  /** A team may only be moved into an organization that is its mover's. */
  #refuseForeignHome(principal: Caller['principal'], organizationId: string | null | undefined): void {
    if (organizationId === undefined) return
    if (organizationId !== null && principal.adminOfOrganizations.includes(organizationId)) return
    throw new GatewayError('permission_denied', 'Only administrators may move a team there.', {
      param: 'organization_id',
    })
  }

  async update(caller: Caller, sent: UpdateTeamRequest): Promise<Shown> {
    check(sent)
    const before = await this.managed(caller, sent.team_id)
    const { principal } = caller
    if (!principal.admin) {
      this.#refuseForeignHome(principal, sent.organization_id)
      refuseOperatorMetadata(sent.metadata, parseSettings(before.settings)['metadata'])
      for (const field of ['max_budget', 'organization_id', 'spend', 'budget_limits', 'limits'] as const) {
        const orgAdmin =
          before.organization_id !== null && principal.adminOfOrganizations.includes(before.organization_id)
        if (sent[field] !== undefined && !orgAdmin) {
          throw new GatewayError('permission_denied', `Only administrators may change '${field}' of a team.`, {
            param: field,
          })
        }
      }
    }
    const row = await this.#objects.update(
      caller,
      before,
      {
        ...(sent.team_alias === undefined ? {} : { team_alias: sent.team_alias }),
        ...(sent.organization_id === undefined ? {} : { organization_id: sent.organization_id }),
        ...(sent.budget_duration === undefined
          ? {}
          : { budget_reset_at: budgetResetAt(this.#management, sent.budget_duration) }),
        ...(sent.blocked == null ? {} : { blocked: Number(sent.blocked) }),
        ...(sent.spend == null ? {} : { spend: parseDollars(sent.spend) ?? 0 }),
      },
      sent,
    )
    return this.#shown(row, await this.members.list(this.#db, [row.team_id]))
  }

  /** With their memberships and keys. */
  async delete(caller: Caller, ids: readonly string[]): Promise<readonly Shown[]> {
    const rows: Awaited<ReturnType<Teams['managed']>>[] = []
    for (const id of ids) {
      const row = await this.managed(caller, id)
      if (
        !caller.principal.admin &&
        !(row.organization_id !== null && caller.principal.adminOfOrganizations.includes(row.organization_id))
      ) {
        throw new GatewayError('permission_denied', 'Only administrators and admins of its organization delete a team.')
      }
      rows.push(row)
    }
    await this.#objects.delete(caller, rows, async (trx, teamIds) => {
      const keys = await trx
        .selectFrom('keys')
        .select('token')
        .where('team_id', 'in', [...teamIds])
        .execute()
      await trx
        .deleteFrom('keys')
        .where('team_id', 'in', [...teamIds])
        .execute()
      await trx
        .deleteFrom('team_members')
        .where('team_id', 'in', [...teamIds])
        .execute()
      return keys.map(({ token }) => ({ kind: 'key', id: token }) as const)
    })
    return rows.map(row => this.#shown(row, []))
  }

  async setBlocked(caller: Caller, id: string, blocked: boolean): Promise<Shown> {
    const before = await this.managed(caller, id)
    if (!caller.principal.admin) throw new GatewayError('permission_denied', 'Only administrators block teams.')
    const row = await this.#objects.update(
      caller,
      before,
      { blocked: blocked ? 1 : 0 },
      {},
      { action: blocked ? 'blocked' : 'unblocked' },
    )
    return this.#shown(row, await this.members.list(this.#db, [id]))
  }

  /** Models of a team, or its settings in general, changed by a function of what they are. */
  async changeSettings(caller: Caller, id: string, change: (settings: Shown) => Shown): Promise<Shown> {
    const before = await this.managed(caller, id)
    const row = await this.#objects.update(caller, before, {}, change({ ...parseSettings(before.settings) }))
    return this.#shown(row, await this.members.list(this.#db, [id]))
  }

  async addMembers(
    caller: Caller,
    id: string,
    requested: readonly MemberRequest[],
    limits: MemberLimits,
  ): Promise<Shown> {
    const team = await this.managed(caller, id)
    const added = await this.#management.governance.change(async trx => {
      const change = await this.members.add(trx, caller, team, requested, limits)
      return { result: change.members, audit: change.audit, notices: change.notices }
    })
    const all = await this.members.list(this.#db, [id])
    return {
      ...this.#shown(team, all),
      updated_users: added.map(({ user_id }) => ({ user_id })),
      updated_team_memberships: added.map(membershipOf),
    }
  }

  async updateMember(
    caller: Caller,
    id: string,
    who: { user_id?: string | null | undefined; user_email?: string | null | undefined },
    role: string | undefined,
    limits: MemberLimits,
  ): Promise<TeamMemberRow> {
    await this.managed(caller, id)
    const before = await this.members.get(this.#db, id, who)
    return this.#management.governance.change(async trx => {
      const after = await this.members.update(trx, before, role, limits)
      return { result: after, audit: [event(caller, 'updated', after, before)], notices: noticesOf(after) }
    })
  }

  async removeMember(
    caller: Caller,
    id: string,
    who: { user_id?: string | null | undefined; user_email?: string | null | undefined },
  ): Promise<Shown> {
    const team = await this.managed(caller, id)
    const row = await this.members.get(this.#db, id, who)
    await this.#management.governance.change(async trx => {
      await this.members.remove(trx, row)
      return { result: undefined, audit: [event(caller, 'deleted', row)], notices: noticesOf(row) }
    })
    return this.#shown(team, await this.members.list(this.#db, [id]))
  }

  /** @param ids undefined: every team @returns teams whose members may do more now @throws GatewayError 404 */
  async appendPermissions(caller: Caller, permissions: readonly string[], ids?: readonly string[]): Promise<number> {
    const all = ids ?? (await this.#db.selectFrom('teams').select('team_id').execute()).map(row => row.team_id)
    const lacking: string[] = []
    for (const id of new Set(all)) {
      const own = permissionsOf(await this.managed(caller, id))
      if (permissions.some(permission => !own.includes(permission))) lacking.push(id)
    }
    for (const id of lacking) {
      await this.changeSettings(caller, id, settings => ({
        team_member_permissions: [...new Set([...textsOf(settings, 'team_member_permissions'), ...permissions])],
      }))
    }
    return lacking.length
  }

  /** Sets what a member has spent inside the team. */
  async resetMemberSpend(caller: Caller, id: string, userId: string, dollars: number): Promise<Shown> {
    await this.managed(caller, id)
    const row = await this.members.get(this.#db, id, { user_id: userId })
    const spend = parseDollars(dollars) ?? 0
    const spender: Spender = {
      table: 'team_members',
      key: [id, userId],
      scope: 'team_member',
      scopeId: `${id}/${userId}`,
      settings: row.settings,
      budgetId: row.budget_id,
      resetAt: row.budget_reset_at,
    }
    await this.#management.governance.change(async trx => {
      await setSpend(this.#management, trx, spender, spend)
      return { result: undefined, audit: [event(caller, 'updated', { ...row, spend }, row)], notices: noticesOf(row) }
    })
    await assignSpend(this.#management, spender, spend)
    return membershipOf({ ...row, spend })
  }

  /** `/team/info`: the team, its memberships, and those of its keys that the caller may see. */
  async info(
    caller: Caller,
    id: string,
  ): Promise<{ team_id: string; team_info: Shown; keys: Shown[]; team_memberships: Shown[] }> {
    const row = await this.#seen(caller, id)
    const members = await this.members.list(this.#db, [id])
    const keys: KeyRow[] = await this.#db
      .selectFrom('keys')
      .selectAll()
      .where('team_id', '=', id)
      .orderBy('created_at')
      .limit(1000)
      .execute()
    const visible = maySee(caller.principal, teamOwnership(row), '/key/list')
    return {
      team_id: id,
      team_info: this.#shown(row, members),
      keys: keys
        .filter(key => visible || key.user_id === caller.principal.userId || key.token === caller.principal.token)
        .map(keyObject),
      team_memberships: members.map(membershipOf),
    }
  }

  async list(
    caller: Caller,
    filter: {
      userId?: string | undefined
      organizationId?: string | undefined
      teamId?: string | undefined
      alias?: string | undefined
      offset: number
      limit: number
    },
  ): Promise<{ teams: Shown[]; total: number }> {
    const visible = visibilityOf(caller.principal)
    let query = this.#db.selectFrom('teams')
    if (filter.organizationId !== undefined) query = query.where('organization_id', '=', filter.organizationId)
    if (filter.teamId !== undefined) query = query.where('team_id', '=', filter.teamId)
    if (filter.alias !== undefined)
      query = query.where('team_alias', 'like', `%${filter.alias.replaceAll(/[%_]/g, '')}%`)
    const memberOf = filter.userId
    if (memberOf !== undefined) {
      query = query.where('team_id', 'in', eb =>
        eb.selectFrom('team_members').select('team_id').where('user_id', '=', memberOf),
      )
    }
    if (visible !== undefined) {
      const own = [
        ...caller.principal.memberOfTeams.keys(),
        ...(caller.principal.teamId === undefined ? [] : [caller.principal.teamId]),
      ]
      query = query.where(eb =>
        eb.or([
          eb('team_id', 'in', own.length === 0 ? [''] : own),
          ...(visible.organizationIds.length === 0 ? [] : [eb('organization_id', 'in', [...visible.organizationIds])]),
        ]),
      )
    }
    const [rows, count] = await Promise.all([
      query
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('team_id')
        .limit(filter.limit)
        .offset(filter.offset)
        .execute(),
      query.select(eb => eb.fn.countAll<number | string>().as('total')).executeTakeFirst(),
    ])
    const members = await this.members.list(
      this.#db,
      rows.map(row => row.team_id),
    )
    return {
      teams: rows.map(row =>
        this.#shown(
          row,
          members.filter(member => member.team_id === row.team_id),
        ),
      ),
      total: Number(count?.total ?? 0),
    }
  }

  /** @throws GatewayError 404 also for teams of others */
  async managed(caller: Caller, id: string) {
    const row = await this.#objects.get(id)
    if (!mayManage(caller.principal, teamOwnership(row))) throw this.#objects.missing(id)
    return row
  }

  /** Members see their team. */
  async #seen(caller: Caller, id: string): Promise<TeamRow> {
    const row = await this.#objects.get(id)
    const { principal } = caller
    const member = principal.teamId === id || principal.memberOfTeams.has(id)
    if (!member && !maySee(principal, teamOwnership(row))) throw this.#objects.missing(id)
    return row
  }

  #shown(row: TeamRow, members: readonly TeamMemberRow[]): Shown {
    const roles = members.map(memberOf)
    return {
      ...this.#objects.show(row),
      members_with_roles: roles,
      members: roles.map(member => member.user_id),
      admins: roles.filter(member => member.role === 'admin').map(member => member.user_id),
    }
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}

/** @throws GatewayError for limits that are none */
function check(request: object): void {
  const problems = limitProblems(request as Readonly<Record<string, unknown>>)
  const [problem] = problems
  if (problem !== undefined) {
    throw new GatewayError('invalid_request', problems.join(' '), { param: /^'?([\w.]+)/.exec(problem)?.[1] })
  }
}

const given = (request: object): object =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined && value !== null))

/** Team permissions, for `/team/permissions_*`. */
export const permissionsOf = (row: Pick<TeamRow, 'settings'>): readonly string[] =>
  textsOf(parseSettings(row.settings), 'team_member_permissions')
