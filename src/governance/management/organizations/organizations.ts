import type { Kysely } from 'kysely'
import { z } from 'zod'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import type { OrganizationMemberRow, Tables } from '../../../platform/store/tables.ts'
import type { AuditEvent } from '../../audit/audit-log.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import { checkLimits, idText, limitFields, record, texts } from '../limit-fields.ts'
import { type Caller, ManagedObjects, type ObjectKind } from '../managed-objects.ts'
import { budgetResetAt, type Management } from '../management.ts'
import { dollarsFromNano } from '../present.ts'
import { memberUser } from '../users/member-user.ts'

type Shown = Record<string, unknown>

const organizationKind: ObjectKind<'organizations'> = {
  table: 'organizations',
  id: 'organization_id',
  name: 'organization',
  columns: new Set([
    'organization_id',
    'organization_alias',
    'budget_id',
    'spend',
    'budget_reset_at',
    'created_at',
    'updated_at',
  ]),
  presentation: {
    money: ['spend'],
    times: ['created_at', 'updated_at', 'budget_reset_at'],
    flags: [],
    hidden: ['spend_since', 'spend_base'],
    defaults: { models: [], metadata: {}, max_budget: null, tpm_limit: null, rpm_limit: null },
  },
  notices: row => [{ kind: 'organization', id: row.organization_id }],
}

export const organizationRoles = ['org_admin', 'internal_user', 'internal_user_viewer'] as const

const fields = {
  ...limitFields,
  organization_alias: z.string().min(1).max(255).nullish(),
  budget_id: idText.nullish(),
  models: texts.nullish(),
  metadata: record.nullish(),
  object_permission: record.nullish(),
} as const

export const newOrganizationRequest = z.object({
  ...fields,
  organization_id: idText.nullish(),
  organization_alias: z.string().min(1).max(255),
})
export const updateOrganizationRequest = z.object({ ...fields, organization_id: idText })
export const organizationMember = z
  .object({
    user_id: idText.nullish(),
    user_email: z.string().max(320).nullish(),
    role: z.enum(organizationRoles).default('internal_user'),
  })
  .refine(member => member.user_id != null || member.user_email != null, 'give user_id or user_email')

/** Organizations: made by administrators, run by their `org_admin`s. */
export class Organizations {
  readonly #objects: ManagedObjects<'organizations'>
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
    this.#objects = new ManagedObjects(management, organizationKind)
  }

  async create(caller: Caller, sent: z.output<typeof newOrganizationRequest>): Promise<Shown> {
    if (!caller.principal.admin) throw new GatewayError('permission_denied', 'Only administrators make organizations.')
    checkLimits(sent)
    const row = await this.#objects.create(
      caller,
      {
        organization_id: sent.organization_id ?? newId(),
        organization_alias: sent.organization_alias,
        budget_id: sent.budget_id ?? null,
        spend: 0,
        budget_reset_at: budgetResetAt(this.#management, sent.budget_duration),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  async update(caller: Caller, sent: z.output<typeof updateOrganizationRequest>): Promise<Shown> {
    checkLimits(sent)
    const before = await this.#managed(caller, sent.organization_id)
    if (!caller.principal.admin) {
      throw new GatewayError('permission_denied', 'Limits and names of an organization are set by administrators.')
    }
    const row = await this.#objects.update(
      caller,
      before,
      {
        ...(sent.organization_alias === undefined ? {} : { organization_alias: sent.organization_alias }),
        ...(sent.budget_id === undefined ? {} : { budget_id: sent.budget_id }),
        ...(sent.budget_duration === undefined
          ? {}
          : { budget_reset_at: budgetResetAt(this.#management, sent.budget_duration) }),
      },
      sent,
    )
    return this.#objects.show(row)
  }

  /** Refused while teams belong to it. */
  async delete(caller: Caller, ids: readonly string[]): Promise<Shown[]> {
    if (!caller.principal.admin)
      throw new GatewayError('permission_denied', 'Only administrators delete organizations.')
    const rows = await Promise.all(ids.map(id => this.#objects.get(id)))
    const team = await this.#db
      .selectFrom('teams')
      .select('team_id')
      .where('organization_id', 'in', [...ids])
      .executeTakeFirst()
    if (team !== undefined) {
      throw new GatewayError('conflict', 'Teams belong to this organization; delete or move them first.', {
        param: 'organization_ids',
      })
    }
    await this.#objects.delete(caller, rows, async (trx, organizationIds) => {
      await trx
        .deleteFrom('organization_members')
        .where('organization_id', 'in', [...organizationIds])
        .execute()
      return []
    })
    return rows.map(row => this.#objects.show(row))
  }

  async info(caller: Caller, id: string): Promise<Shown> {
    const row = await this.#objects.get(id)
    const { principal } = caller
    const member = principal.organizationId === id || principal.adminOfOrganizations.includes(id)
    if (!principal.admin && principal.role !== 'proxy_admin_viewer' && !member) throw this.#objects.missing(id)
    const [members, teams] = await Promise.all([
      this.#db.selectFrom('organization_members').selectAll().where('organization_id', '=', id).limit(10_000).execute(),
      this.#db
        .selectFrom('teams')
        .select(['team_id', 'team_alias'])
        .where('organization_id', '=', id)
        .limit(1000)
        .execute(),
    ])
    return { ...this.#objects.show(row), members: members.map(shownMember), teams }
  }

  async list(caller: Caller): Promise<Shown[]> {
    const { principal } = caller
    let query = this.#db.selectFrom('organizations').selectAll()
    if (!principal.admin && principal.role !== 'proxy_admin_viewer') {
      const own = [
        ...principal.adminOfOrganizations,
        ...(principal.organizationId === undefined ? [] : [principal.organizationId]),
      ]
      query = query.where('organization_id', 'in', own.length === 0 ? [''] : own)
    }
    const rows = await query.orderBy('created_at', 'desc').limit(1000).execute()
    return rows.map(row => this.#objects.show(row))
  }

  async addMembers(
    caller: Caller,
    id: string,
    requested: readonly z.output<typeof organizationMember>[],
  ): Promise<Shown> {
    await this.#managed(caller, id)
    const now = this.#management.clock.epoch()
    const added = await this.#management.governance.change(async trx => {
      const members: OrganizationMemberRow[] = []
      const made: AuditEvent[] = []
      for (const one of requested) {
        const user = await memberUser(trx, caller, one, now)
        made.push(...user.audit)
        const row: OrganizationMemberRow = {
          organization_id: id,
          user_id: user.user_id,
          user_role: one.role,
          budget_id: null,
          spend: 0,
          budget_reset_at: null,
          created_at: now,
        }
        if ((await findMember(trx, id, user.user_id)) !== undefined) {
          throw new GatewayError('conflict', `The user '${user.user_id}' is a member already.`, {
            param: 'member',
            status: 400,
          })
        }
        await trx
          .insertInto('organization_members')
          .values({ ...row, ...startingSpend(0, row.created_at) })
          .execute()
        members.push(row)
      }
      return {
        result: members,
        audit: [...made, ...members.map(row => memberEvent(caller, 'created', row))],
        notices: members.map(row => ({ kind: 'user', id: row.user_id }) as const),
      }
    })
    return {
      organization_id: id,
      updated_users: added.map(({ user_id }) => ({ user_id })),
      updated_organization_memberships: added.map(shownMember),
    }
  }

  async updateMember(
    caller: Caller,
    id: string,
    userId: string,
    role: (typeof organizationRoles)[number] | undefined,
  ): Promise<Shown> {
    await this.#managed(caller, id)
    const before = await this.#member(id, userId)
    const after = { ...before, user_role: role ?? before.user_role }
    await this.#management.governance.change(async trx => {
      await trx
        .updateTable('organization_members')
        .set({ user_role: after.user_role })
        .where('organization_id', '=', id)
        .where('user_id', '=', userId)
        .execute()
      return {
        result: undefined,
        audit: [memberEvent(caller, 'updated', after, before)],
        notices: [{ kind: 'user', id: userId }],
      }
    })
    return shownMember(after)
  }

  async removeMember(caller: Caller, id: string, userId: string): Promise<Shown> {
    await this.#managed(caller, id)
    const row = await this.#member(id, userId)
    await this.#management.governance.change(async trx => {
      await trx
        .deleteFrom('organization_members')
        .where('organization_id', '=', id)
        .where('user_id', '=', userId)
        .execute()
      return {
        result: undefined,
        audit: [memberEvent(caller, 'deleted', row)],
        notices: [{ kind: 'user', id: userId }],
      }
    })
    return shownMember(row)
  }

  async #managed(caller: Caller, id: string) {
    const row = await this.#objects.get(id)
    if (!caller.principal.admin && !caller.principal.adminOfOrganizations.includes(id)) throw this.#objects.missing(id)
    return row
  }

  async #member(id: string, userId: string): Promise<OrganizationMemberRow> {
    const row = await findMember(this.#db, id, userId)
    if (row === undefined)
      throw new GatewayError('not_found', 'There is no such member in this organization.', { param: 'user_id' })
    return row
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}

const findMember = (db: Kysely<Tables>, id: string, userId: string) =>
  db
    .selectFrom('organization_members')
    .selectAll()
    .where('organization_id', '=', id)
    .where('user_id', '=', userId)
    .executeTakeFirst()

const shownMember = (row: OrganizationMemberRow): Shown => ({
  organization_id: row.organization_id,
  user_id: row.user_id,
  user_role: row.user_role,
  spend: dollarsFromNano(row.spend),
  budget_id: row.budget_id,
  created_at: new Date(row.created_at).toISOString(),
})

const memberEvent = (
  caller: Caller,
  action: 'created' | 'updated' | 'deleted',
  row: OrganizationMemberRow,
  before?: OrganizationMemberRow,
): AuditEvent => ({
  actor: caller.actor,
  action,
  objectKind: 'organization_member',
  objectId: `${row.organization_id}/${row.user_id}`,
  before: before === undefined ? (action === 'deleted' ? shownMember(row) : undefined) : shownMember(before),
  after: action === 'deleted' ? undefined : shownMember(row),
})
