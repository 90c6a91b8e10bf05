import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { parseDollars } from '../../../platform/money.ts'
import type { KeyRow, Tables, UserRow } from '../../../platform/store/tables.ts'
import type { AuditEvent } from '../../audit/audit-log.ts'
import type { Principal } from '../../authentication/principal.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import { keyObject } from '../keys/key-object.ts'
import { Keys } from '../keys/keys.ts'
import { checkLimits, given } from '../limit-fields.ts'
import { type Caller, ManagedObjects } from '../managed-objects.ts'
import { budgetResetAt, type Management } from '../management.ts'
import { Teams } from '../teams/teams.ts'
import { type NewUserRequest, type Place, placeOf, type UpdateUserRequest, userKind } from './user-fields.ts'

type Shown = Record<string, unknown>

/** Roles only an administrator may give. */
const powerful: readonly string[] = ['proxy_admin', 'proxy_admin_viewer']

/** People. Administrators manage them; organization admins those of their organizations; everybody sees itself. */
export class Users {
  readonly #objects: ManagedObjects<'users'>
  readonly #management: Management
  readonly #keys: Keys
  readonly #teams: Teams

  constructor(management: Management) {
    this.#management = management
    this.#teams = new Teams(management)
    this.#objects = new ManagedObjects(management, userKind)
    this.#keys = new Keys(management)
  }

  /** @throws GatewayError */
  async create(caller: Caller, sent: NewUserRequest): Promise<Shown> {
    const request = { ...this.#management.settings().defaultUserParams, ...given(sent) } as NewUserRequest
    checkLimits(request)
    const organizations = request.organizations ?? []
    requireManager(caller.principal, organizations)
    requireRole(caller.principal, request.user_role)
    if (request.user_email != null) await this.#refuseTakenEmail(request.user_email)
    const places = await this.#places(caller, sent, request)
    const userId = request.user_id ?? newId()
    const now = this.#management.clock.epoch()
    const row = await this.#objects.create(
      caller,
      {
        user_id: userId,
        user_email: request.user_email ?? null,
        user_alias: request.user_alias ?? null,
        sso_user_id: request.sso_user_id ?? null,
        user_role: request.user_role ?? 'internal_user',
        password_hash: null,
        budget_id: null,
        spend: 0,
        budget_reset_at: budgetResetAt(this.#management, request.budget_duration),
        blocked: request.blocked === true ? 1 : 0,
      },
      request,
      async trx => {
        for (const organization of organizations) {
          await trx
            .insertInto('organization_members')
            .values({
              organization_id: organization,
              user_id: userId,
              user_role: 'internal_user',
              budget_id: null,
              ...startingSpend(0, now),
              budget_reset_at: null,
              created_at: now,
            })
            .execute()
        }
        const audit: AuditEvent[] = []
        for (const { team, role, limits } of places) {
          const added = await this.#teams.members.add(trx, caller, team, [{ user_id: userId, role }], limits)
          audit.push(...added.audit)
        }
        const teams = places.map(({ team }) => ({ kind: 'team', id: team.team_id }) as const)
        return { audit, notices: [{ kind: 'user', id: userId }, ...teams] }
      },
    )
    const shown = { ...this.#objects.show(row), teams: places.map(({ team }) => team.team_id) }
    if (request.auto_create_key === false || this.#management.settings().keysNeedTeam) return shown
    const key = await this.#keys.generate(caller, {
      user_id: userId,
      ...(request.team_id == null ? {} : { team_id: request.team_id }),
      ...(organizations[0] === undefined ? {} : { organization_id: organizations[0] }),
      ...(request.key_alias == null ? {} : { key_alias: request.key_alias }),
      ...(request.duration == null ? {} : { duration: request.duration }),
    })
    return { ...shown, key: key['key'], token: key['token'], key_name: key['key_name'], expires: key['expires'] }
  }

  /** The teams a new user becomes a member of. Those of the defaults are the operator's; others the caller must manage. */
  async #places(caller: Caller, sent: NewUserRequest, request: NewUserRequest): Promise<readonly Place[]> {
    const wanted = [...(request.teams ?? []), ...(request.team_id == null ? [] : [request.team_id])].map(placeOf)
    const places = new Map<string, Place>()
    for (const { id, ...place } of wanted) {
      const byDefault = sent.teams == null && id !== sent.team_id
      const team = byDefault ? await this.#teams.find(id) : await this.#teams.managed(caller, id)
      if (team !== undefined && !places.has(id)) places.set(id, { team, ...place })
    }
    return [...places.values()]
  }

  async update(caller: Caller, sent: UpdateUserRequest): Promise<Shown> {
    checkLimits(sent)
    const before = await this.#managed(caller, sent)
    requireRole(caller.principal, sent.user_role)
    // Nobody lifts its own limits or role.
    if (!caller.principal.admin && before.user_id === caller.principal.userId) {
      throw new GatewayError('permission_denied', 'Your own limits and role are set by an administrator.')
    }
    if (sent.user_email != null && sent.user_id != null && sent.user_email !== before.user_email) {
      await this.#refuseTakenEmail(sent.user_email)
    }
    const row = await this.#objects.update(
      caller,
      before,
      {
        ...(sent.user_email === undefined ? {} : { user_email: sent.user_email }),
        ...(sent.user_alias === undefined ? {} : { user_alias: sent.user_alias }),
        ...(sent.sso_user_id === undefined ? {} : { sso_user_id: sent.sso_user_id }),
        ...(sent.user_role == null ? {} : { user_role: sent.user_role }),
        ...(sent.blocked == null ? {} : { blocked: Number(sent.blocked) }),
        ...(sent.spend == null ? {} : { spend: parseDollars(sent.spend) ?? 0 }),
        ...(sent.budget_duration === undefined
          ? {}
          : { budget_reset_at: budgetResetAt(this.#management, sent.budget_duration) }),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  /** With their keys, memberships and sessions. */
  async delete(caller: Caller, ids: readonly string[]): Promise<number> {
    const rows: Awaited<ReturnType<ManagedObjects<'users'>['get']>>[] = []
    for (const id of ids) rows.push(await this.#managed(caller, { user_id: id }))
    await this.#objects.delete(caller, rows, async (trx, userIds) => {
      const keys = await trx
        .selectFrom('keys')
        .select('token')
        .where('user_id', 'in', [...userIds])
        .execute()
      for (const table of ['keys', 'team_members', 'organization_members', 'sessions', 'invitations'] as const) {
        await trx
          .deleteFrom(table)
          .where('user_id', 'in', [...userIds])
          .execute()
      }
      return keys.map(({ token }) => ({ kind: 'key', id: token }) as const)
    })
    return rows.length
  }

  /** The user with its keys and teams; without an id the caller's own. */
  async info(caller: Caller, id: string | undefined): Promise<Shown> {
    const userId = id ?? caller.principal.userId
    if (userId === undefined) {
      if (caller.principal.admin) return { user_id: null, user_info: null, keys: [], teams: [] }
      throw new GatewayError('invalid_request', "'user_id' is required: this key belongs to no user.", {
        param: 'user_id',
      })
    }
    const row = await this.#seen(caller, userId)
    const [keys, teams] = await Promise.all([
      this.#db.selectFrom('keys').selectAll().where('user_id', '=', userId).orderBy('created_at').limit(1000).execute(),
      this.#db
        .selectFrom('teams')
        .selectAll('teams')
        .innerJoin('team_members', 'team_members.team_id', 'teams.team_id')
        .where('team_members.user_id', '=', userId)
        .limit(1000)
        .execute(),
    ])
    return {
      user_id: userId,
      user_info: { ...this.#objects.show(row), teams: teams.map(team => team.team_id) },
      keys: keys.map((key: KeyRow) => keyObject(key)),
      teams: teams.map(team => ({ team_id: team.team_id, team_alias: team.team_alias })),
    }
  }

  /** The user alone. */
  async show(caller: Caller, id: string): Promise<Shown> {
    return this.#objects.show(await this.#seen(caller, id))
  }

  async list(
    caller: Caller,
    filter: {
      role?: string | undefined
      ids?: readonly string[] | undefined
      ssoIds?: readonly string[] | undefined
      email?: string | undefined
      team?: string | undefined
      sortBy: 'created_at' | 'user_email' | 'spend' | 'user_alias' | 'user_id' | 'user_role'
      order: 'asc' | 'desc'
      page: number
      size: number
    },
  ): Promise<{ users: Shown[]; total: number }> {
    const { principal } = caller
    let query = this.#db.selectFrom('users')
    if (filter.role !== undefined) query = query.where('user_role', '=', filter.role)
    if (filter.ids !== undefined) query = query.where('user_id', 'in', [...filter.ids])
    if (filter.ssoIds !== undefined) query = query.where('sso_user_id', 'in', [...filter.ssoIds])
    if (filter.email !== undefined)
      query = query.where('user_email', 'like', `%${filter.email.replaceAll(/[%_]/g, '')}%`)
    const { team } = filter
    if (team !== undefined) {
      query = query.where('user_id', 'in', eb =>
        eb.selectFrom('team_members').select('user_id').where('team_id', '=', team),
      )
    }
    if (!principal.admin && principal.role !== 'proxy_admin_viewer') {
      const organizations = principal.adminOfOrganizations
      query = query.where(eb =>
        eb.or([
          eb('user_id', '=', principal.userId ?? ''),
          ...(organizations.length === 0
            ? []
            : [
                eb('user_id', 'in', inner =>
                  inner
                    .selectFrom('organization_members')
                    .select('user_id')
                    .where('organization_id', 'in', [...organizations]),
                ),
              ]),
        ]),
      )
    }
    const [rows, total] = await Promise.all([
      query
        .selectAll()
        .orderBy(filter.sortBy, filter.order)
        .orderBy('user_id')
        .limit(filter.size)
        .offset((filter.page - 1) * filter.size)
        .execute(),
      query.select(eb => eb.fn.countAll<number | string>().as('total')).executeTakeFirst(),
    ])
    const counts = await keyCounts(this.#db, rows)
    return {
      users: rows.map(row => ({ ...this.#objects.show(row), key_count: counts.get(row.user_id) ?? 0 })),
      total: Number(total?.total ?? 0),
    }
  }

  async #seen(caller: Caller, id: string) {
    const row = await this.#objects.get(id)
    const { principal } = caller
    if (principal.admin || principal.role === 'proxy_admin_viewer' || principal.userId === id) return row
    if (await this.#inOrganizations(id, principal.adminOfOrganizations)) return row
    throw this.#objects.missing(id)
  }

  async #managed(
    caller: Caller,
    { user_id: id, user_email: email }: { user_id?: string | null | undefined; user_email?: string | null | undefined },
  ) {
    const { principal } = caller
    const found =
      id != null
        ? await this.#objects.find(id)
        : await this.#db
            .selectFrom('users')
            .selectAll()
            .where('user_email', '=', email ?? '')
            .executeTakeFirst()
    const row = found as Awaited<ReturnType<ManagedObjects<'users'>['find']>>
    const name = id ?? email ?? ''
    if (row === undefined) throw this.#objects.missing(name)
    if (principal.admin) return row
    const mine = await this.#inOrganizations(row.user_id, principal.adminOfOrganizations)
    // An administrator stays out of reach, also as a member of one's organization.
    if (mine && !powerful.includes(row.user_role)) return row
    throw this.#objects.missing(name)
  }

  async #inOrganizations(userId: string, organizations: readonly string[]): Promise<boolean> {
    if (organizations.length === 0) return false
    const member = await this.#db
      .selectFrom('organization_members')
      .select('user_id')
      .where('user_id', '=', userId)
      .where('organization_id', 'in', [...organizations])
      .executeTakeFirst()
    return member !== undefined
  }

  async #refuseTakenEmail(email: string): Promise<void> {
    const taken = await this.#db
      .selectFrom('users')
      .select('user_id')
      .where('user_email', '=', email)
      .executeTakeFirst()
    if (taken !== undefined) {
      throw new GatewayError('conflict', 'A user with this e-mail exists already.', {
        param: 'user_email',
        status: 400,
      })
    }
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}

function requireManager(principal: Principal, organizations: readonly string[]): void {
  if (principal.admin) return
  if (organizations.length > 0 && organizations.every(id => principal.adminOfOrganizations.includes(id))) return
  throw new GatewayError(
    'permission_denied',
    'Only administrators make users, and organization admins in their organizations (organizations: [...]).',
  )
}

function requireRole(principal: Principal, role: string | null | undefined): void {
  if (role != null && powerful.includes(role) && !principal.admin) {
    throw new GatewayError('permission_denied', `Only administrators may give the role ${role}.`, {
      param: 'user_role',
    })
  }
}

async function keyCounts(
  db: Kysely<Tables>,
  users: readonly Pick<UserRow, 'user_id'>[],
): Promise<ReadonlyMap<string, number>> {
  if (users.length === 0) return new Map()
  const rows = await db
    .selectFrom('keys')
    .select(['user_id', eb => eb.fn.countAll<number | string>().as('n')])
    .where(
      'user_id',
      'in',
      users.map(user => user.user_id),
    )
    .groupBy('user_id')
    .execute()
  return new Map(rows.map(row => [row.user_id ?? '', Number(row.n)]))
}
