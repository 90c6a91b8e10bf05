import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { parseDollars } from '../../../platform/money.ts'
import type { Tables } from '../../../platform/store/tables.ts'
import { mayManage } from '../../authorization/tenancy.ts'
import { checkLimits } from '../limit-fields.ts'
import { type Caller, ManagedObjects } from '../managed-objects.ts'
import { budgetResetAt, type Management } from '../management.ts'
import { accessGroupKind, budgetKind, endUserKind, projectKind, tagKind } from './kinds.ts'

type Shown = Record<string, unknown>
type Sent = Readonly<Record<string, unknown>>

const mostListed = 1000

/** End users, as LiteLLM's customers: whoever an application names in `user`. */
export class Customers {
  readonly #objects: ManagedObjects<'end_users'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, endUserKind)
  }

  async create(caller: Caller, sent: Sent & { readonly user_id: string }): Promise<Shown> {
    checkLimits(sent)
    const row = await this.#objects.create(
      caller,
      {
        user_id: sent.user_id,
        alias: textOrNull(sent['alias']),
        budget_id: textOrNull(sent['budget_id']),
        spend: parseDollars(Number(sent['spend'] ?? 0)) ?? 0,
        budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']),
        blocked: sent['blocked'] === true ? 1 : 0,
      },
      sent,
    )
    return this.#objects.show(row)
  }

  async update(caller: Caller, id: string, sent: Sent): Promise<Shown> {
    checkLimits(sent)
    const row = await this.#objects.update(
      caller,
      await this.#objects.get(id),
      {
        ...(sent['alias'] === undefined ? {} : { alias: textOrNull(sent['alias']) }),
        ...(sent['budget_id'] === undefined ? {} : { budget_id: textOrNull(sent['budget_id']) }),
        ...(typeof sent['blocked'] === 'boolean' ? { blocked: Number(sent['blocked']) } : {}),
        ...(sent['budget_duration'] === undefined
          ? {}
          : { budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']) }),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  /** Blocks end users, also those who were never seen: an application names them, nobody makes them. */
  async setBlocked(caller: Caller, ids: readonly string[], blocked: boolean): Promise<Shown[]> {
    const shown: Shown[] = []
    for (const id of ids) {
      const row = await this.#objects.find(id)
      if (row === undefined) shown.push(await this.create(caller, { user_id: id, blocked }))
      else {
        const action = blocked ? 'blocked' : 'unblocked'
        shown.push(
          this.#objects.show(await this.#objects.update(caller, row, { blocked: Number(blocked) }, {}, { action })),
        )
      }
    }
    return shown
  }

  async delete(caller: Caller, ids: readonly string[]): Promise<number> {
    const rows = await Promise.all(ids.map(id => this.#objects.get(id)))
    await this.#objects.delete(caller, rows)
    return rows.length
  }

  async info(id: string): Promise<Shown> {
    return this.#objects.show(await this.#objects.get(id))
  }

  async list(): Promise<Shown[]> {
    const rows = await db(this.#management)
      .selectFrom('end_users')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(mostListed)
      .execute()
    return rows.map(row => this.#objects.show(row))
  }
}

/** Projects: parts of a team with budgets and models of their own. */
export class Projects {
  readonly #objects: ManagedObjects<'projects'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, projectKind)
  }

  async create(caller: Caller, sent: Sent & { readonly team_id: string }): Promise<Shown> {
    checkLimits(sent)
    await this.#requireTeam(caller, sent.team_id)
    const row = await this.#objects.create(
      caller,
      {
        project_id: textOrNull(sent['project_id']) ?? newId(),
        project_alias: textOrNull(sent['project_alias']),
        team_id: sent.team_id,
        budget_id: textOrNull(sent['budget_id']),
        spend: 0,
        budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']),
        blocked: sent['blocked'] === true ? 1 : 0,
      },
      sent,
    )
    return this.#objects.show(row)
  }

  async update(caller: Caller, id: string, sent: Sent): Promise<Shown> {
    checkLimits(sent)
    const before = await this.#managed(caller, id)
    const row = await this.#objects.update(
      caller,
      before,
      {
        ...(sent['project_alias'] === undefined ? {} : { project_alias: textOrNull(sent['project_alias']) }),
        ...(sent['budget_id'] === undefined ? {} : { budget_id: textOrNull(sent['budget_id']) }),
        ...(typeof sent['blocked'] === 'boolean' ? { blocked: Number(sent['blocked']) } : {}),
        ...(sent['budget_duration'] === undefined
          ? {}
          : { budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']) }),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  /** With its keys. */
  async delete(caller: Caller, ids: readonly string[]): Promise<Shown[]> {
    const rows: Awaited<ReturnType<ManagedObjects<'projects'>['get']>>[] = []
    for (const id of ids) rows.push(await this.#managed(caller, id))
    await this.#objects.delete(caller, rows, async (trx, projectIds) => {
      const keys = await trx
        .selectFrom('keys')
        .select('token')
        .where('project_id', 'in', [...projectIds])
        .execute()
      await trx
        .deleteFrom('keys')
        .where('project_id', 'in', [...projectIds])
        .execute()
      return keys.map(({ token }) => ({ kind: 'key', id: token }) as const)
    })
    return rows.map(row => this.#objects.show(row))
  }

  async info(caller: Caller, id: string): Promise<Shown> {
    const row = await this.#objects.get(id)
    const { principal } = caller
    const member = row.team_id !== null && principal.memberOfTeams.has(row.team_id)
    if (!member && principal.role !== 'proxy_admin_viewer' && principal.projectId !== id)
      await this.#managed(caller, id)
    return this.#objects.show(row)
  }

  async list(caller: Caller): Promise<Shown[]> {
    const { principal } = caller
    let query = db(this.#management).selectFrom('projects').selectAll()
    if (!principal.admin && principal.role !== 'proxy_admin_viewer') {
      const teams = [...principal.memberOfTeams.keys()]
      query = query.where('team_id', 'in', teams.length === 0 ? [''] : teams)
    }
    const rows = await query.orderBy('created_at', 'desc').limit(mostListed).execute()
    return rows.map(row => this.#objects.show(row))
  }

  async #managed(caller: Caller, id: string) {
    const row = await this.#objects.get(id)
    if (!caller.principal.admin && !(row.team_id !== null && (await this.#mayManageTeam(caller, row.team_id)))) {
      throw this.#objects.missing(id)
    }
    return row
  }

  async #requireTeam(caller: Caller, teamId: string): Promise<void> {
    const team = await db(this.#management)
      .selectFrom('teams')
      .select('team_id')
      .where('team_id', '=', teamId)
      .executeTakeFirst()
    if (team === undefined || !(await this.#mayManageTeam(caller, teamId))) {
      throw new GatewayError('not_found', `There is no team '${teamId.slice(0, 200)}' that you may manage.`, {
        param: 'team_id',
      })
    }
  }

  async #mayManageTeam(caller: Caller, teamId: string): Promise<boolean> {
    const team = await db(this.#management)
      .selectFrom('teams')
      .select('organization_id')
      .where('team_id', '=', teamId)
      .executeTakeFirst()
    return mayManage(caller.principal, { teamId, organizationId: team?.organization_id })
  }
}

/** Budget tiers that keys, teams, customers, tags … share by `budget_id`. */
export class Budgets {
  readonly #objects: ManagedObjects<'budgets'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, budgetKind)
  }

  async create(caller: Caller, sent: Sent): Promise<Shown> {
    checkLimits(sent)
    const row = await this.#objects.create(
      caller,
      {
        budget_id: textOrNull(sent['budget_id']) ?? newId(),
        budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  async update(caller: Caller, id: string, sent: Sent): Promise<Shown> {
    checkLimits(sent)
    const row = await this.#objects.update(
      caller,
      await this.#objects.get(id),
      sent['budget_duration'] === undefined
        ? {}
        : { budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']) },
      sent,
    )
    return this.#objects.show(row)
  }

  async delete(caller: Caller, id: string): Promise<Shown> {
    const row = await this.#objects.get(id)
    await this.#objects.delete(caller, [row])
    return this.#objects.show(row)
  }

  info(ids: readonly string[]): Promise<Shown[]> {
    return Promise.all(ids.map(async id => this.#objects.show(await this.#objects.get(id))))
  }

  async list(): Promise<Shown[]> {
    const rows = await db(this.#management)
      .selectFrom('budgets')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(mostListed)
      .execute()
    return rows.map(row => this.#objects.show(row))
  }
}

/** Tags with a description, models or a budget. Tags that are only used need no object. */
export class Tags {
  readonly #objects: ManagedObjects<'tags'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, tagKind)
  }

  async create(caller: Caller, sent: Sent & { readonly name: string }): Promise<Shown> {
    checkLimits(sent)
    const row = await this.#objects.create(
      caller,
      {
        name: sent.name,
        budget_id: textOrNull(sent['budget_id']),
        spend: 0,
        budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  async update(caller: Caller, name: string, sent: Sent): Promise<Shown> {
    checkLimits(sent)
    const row = await this.#objects.update(
      caller,
      await this.#objects.get(name),
      {
        ...(sent['budget_id'] === undefined ? {} : { budget_id: textOrNull(sent['budget_id']) }),
        ...(sent['budget_duration'] === undefined
          ? {}
          : { budget_reset_at: budgetResetAt(this.#management, sent['budget_duration']) }),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  async delete(caller: Caller, name: string): Promise<void> {
    await this.#objects.delete(caller, [await this.#objects.get(name)])
  }

  async info(names: readonly string[]): Promise<Record<string, Shown>> {
    const rows = await Promise.all(names.map(name => this.#objects.get(name)))
    return Object.fromEntries(rows.map(row => [row.name, this.#objects.show(row)]))
  }

  async list(): Promise<Shown[]> {
    const rows = await db(this.#management).selectFrom('tags').selectAll().orderBy('name').limit(mostListed).execute()
    return rows.map(row => this.#objects.show(row))
  }
}

/** Models, tools and agents that are granted together. */
export class AccessGroups {
  readonly #objects: ManagedObjects<'access_groups'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, accessGroupKind)
  }

  async create(caller: Caller, sent: Sent & { readonly access_group_name: string }): Promise<Shown> {
    await this.#refuseTaken(sent.access_group_name, undefined)
    const row = await this.#objects.create(
      caller,
      { access_group_id: newId(), access_group_name: sent.access_group_name, budget_id: null, spend: 0 },
      sent,
    )
    return this.#objects.show(row)
  }

  async update(caller: Caller, id: string, sent: Sent): Promise<Shown> {
    const before = await this.#objects.get(id)
    const name = textOrNull(sent['access_group_name'])
    if (name !== null) await this.#refuseTaken(name, id)
    const row = await this.#objects.update(caller, before, name === null ? {} : { access_group_name: name }, sent)
    return this.#objects.show(row)
  }

  async delete(caller: Caller, id: string): Promise<Shown> {
    const row = await this.#objects.get(id)
    await this.#objects.delete(caller, [row])
    return this.#objects.show(row)
  }

  async info(id: string): Promise<Shown> {
    return this.#objects.show(await this.#objects.get(id))
  }

  /** @throws GatewayError 404 */
  async idOf(name: string): Promise<string> {
    const row = await db(this.#management)
      .selectFrom('access_groups')
      .select('access_group_id')
      .where('access_group_name', '=', name)
      .executeTakeFirst()
    if (row === undefined) throw this.#objects.missing(name)
    return row.access_group_id
  }

  async list(): Promise<Shown[]> {
    const rows = await db(this.#management)
      .selectFrom('access_groups')
      .selectAll()
      .orderBy('access_group_name')
      .limit(mostListed)
      .execute()
    return rows.map(row => this.#objects.show(row))
  }

  async #refuseTaken(name: string, own: string | undefined): Promise<void> {
    const taken = await db(this.#management)
      .selectFrom('access_groups')
      .select('access_group_id')
      .where('access_group_name', '=', name)
      .executeTakeFirst()
    if (taken !== undefined && taken.access_group_id !== own) {
      throw new GatewayError('conflict', `An access group '${name}' exists already.`, {
        param: 'access_group_name',
        status: 409,
      })
    }
  }
}

const db = (management: Management): Kysely<Tables> => management.governance.store.db

const textOrNull = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)
