import { randomUUID } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Tables, TeamRow } from '../../../platform/store/tables.ts'
import { Provisioning } from '../people.ts'
import { listResponse } from './discovery.ts'
import { matches, requiredEquality } from './filter.ts'
import {
  groupResource,
  groupSettings,
  type MemberOfGroup,
  maxMembers,
  readGroup,
  type ScimGroup,
} from './group-resource.ts'
import { applyPatch, type Resource } from './patch.ts'
import { readQuery, type ScimQuery, shaped, wants } from './query.ts'
import { ScimError } from './scim-error.ts'
import { checkVersion, roleByGroups, type ScimCall, type ScimServices } from './scim-services.ts'
import { versionOf } from './user-resource.ts'
import { tooMany } from './users.ts'

const maxScanned = 50_000
const batch = 200

/** `/scim/v2/Groups`: teams of the gateway. */
export class ScimGroups {
  readonly #services: ScimServices

  constructor(services: ScimServices) {
    this.#services = services
  }

  /** @throws ScimError */
  async list(query: unknown, call: ScimCall): Promise<object> {
    const { db } = this.#services.plane.store
    const read = readQuery(query)
    const { rows, total } = read.filter === undefined ? await page(db, read) : await this.#filtered(read, call)
    const members = wants(read.shape, 'members') ? await membersOf(db, rows) : undefined
    const resources = rows.map(row =>
      shaped(groupResource(row, members?.get(row.team_id) ?? [], call.base), read.shape),
    )
    return listResponse(resources, total, read.startIndex)
  }

  /** @throws ScimError 404 */
  async get(id: string, query: unknown, call: ScimCall): Promise<Resource> {
    const { db } = this.#services.plane.store
    return shaped(await resourceOf(db, await teamById(db, id), call), readQuery(query).shape)
  }

  /** @throws ScimError 409 when there is a team of that name */
  async create(body: unknown, call: ScimCall): Promise<Resource> {
    const group = readGroup(body)
    const { plane, newcomers, clock } = this.#services
    return plane.change(async trx => {
      const provisioning = new Provisioning(trx, call.actor, clock.epoch())
      await refuseDouble(trx, group, undefined)
      const id =
        group.externalId !== undefined && (await isFree(trx, group.externalId)) ? group.externalId : randomUUID()
      const made = await provisioning.createTeam(id, group.displayName, newcomers().teamSettings)
      const row = await this.#store(trx, made, group, provisioning, call)
      return { result: await resourceOf(trx, row, call), audit: provisioning.audit, notices: provisioning.notices }
    })
  }

  replace(id: string, body: unknown, call: ScimCall): Promise<Resource> {
    return this.#write(id, call, () => readGroup(body))
  }

  patch(id: string, body: unknown, call: ScimCall): Promise<Resource> {
    return this.#write(id, call, resource => readGroup(applyPatch(resource, body)))
  }

  /** The team goes, with its keys blocked by having no team any more: they are deleted with it. */
  async delete(id: string, call: ScimCall): Promise<void> {
    const { plane, clock } = this.#services
    await plane.change(async trx => {
      const team = await teamById(trx, id)
      checkVersion(call, versionOf(team.updated_at))
      const now = clock.epoch()
      const provisioning = new Provisioning(trx, call.actor, now)
      const members = await membersOf(trx, [team])
      const keys = await trx.selectFrom('keys').selectAll().where('team_id', '=', id).orderBy('token').execute()
      for (const { kind, objectId, value } of [
        ...keys.map(key => ({ kind: 'key', objectId: key.token, value: key as object })),
        { kind: 'team', objectId: id, value: team as object },
      ]) {
        const entry = { id: randomUUID(), kind, object_id: objectId, value: JSON.stringify(value) }
        await trx
          .insertInto('deleted_objects')
          .values({ ...entry, deleted_at: now, deleted_by: call.actor.name })
          .execute()
        provisioning.note({ action: 'deleted', objectKind: kind, objectId, details: { by: 'scim' } })
      }
      await trx.deleteFrom('keys').where('team_id', '=', id).execute()
      await trx.deleteFrom('teams').where('team_id', '=', id).execute()
      await trx.deleteFrom('team_members').where('team_id', '=', id).execute()
      provisioning.notices.push({ kind: 'team', id }, ...keys.map(key => ({ kind: 'key', id: key.token }) as const))
      for (const { user_id: userId } of members.get(id) ?? []) await this.#setRole(trx, userId, provisioning)
      return { result: undefined, audit: provisioning.audit, notices: provisioning.notices }
    })
  }

  #write(id: string, call: ScimCall, next: (resource: Resource) => ScimGroup): Promise<Resource> {
    const { plane, clock } = this.#services
    return plane.change(async trx => {
      const before = await teamById(trx, id)
      checkVersion(call, versionOf(before.updated_at))
      const provisioning = new Provisioning(trx, call.actor, clock.epoch())
      const group = next(await resourceOf(trx, before, call))
      await refuseDouble(trx, group, id)
      const row = await this.#store(trx, before, group, provisioning, call)
      return { result: await resourceOf(trx, row, call), audit: provisioning.audit, notices: provisioning.notices }
    })
  }

  async #store(
    trx: Kysely<Tables>,
    before: TeamRow,
    group: ScimGroup,
    provisioning: Provisioning,
    call: ScimCall,
  ): Promise<TeamRow> {
    const id = before.team_id
    const changes = { team_alias: group.displayName, settings: groupSettings(before.settings, group) }
    const now = this.#services.clock.epoch()
    const row: TeamRow = { ...before, ...changes, updated_at: now, updated_by: call.actor.name }
    await trx
      .updateTable('teams')
      .set({ ...changes, updated_at: now, updated_by: call.actor.name })
      .where('team_id', '=', id)
      .execute()
    if (before.team_alias !== row.team_alias) {
      provisioning.note({
        action: 'updated',
        objectKind: 'team',
        objectId: id,
        before: { team_alias: before.team_alias },
        after: { team_alias: row.team_alias },
      })
    }
    provisioning.notices.push({ kind: 'team', id })
    const has = new Set(((await membersOf(trx, [row])).get(id) ?? []).map(member => member.user_id))
    const wanted = new Set(group.members)
    const added = [...wanted].filter(userId => !has.has(userId))
    const gone = [...has].filter(userId => !wanted.has(userId))
    await this.#requireUsers(trx, added, provisioning)
    for (const userId of added) await provisioning.addToTeam(userId, id, 'scim')
    for (const userId of gone) await provisioning.removeFromTeam(userId, id)
    const renamed = before.team_alias !== row.team_alias
    for (const userId of renamed ? new Set([...has, ...wanted]) : [...added, ...gone]) {
      await this.#setRole(trx, userId, provisioning)
    }
    return row
  }

  /** Members that do not exist yet: the identity provider often sends groups before people. */
  async #requireUsers(trx: Kysely<Tables>, ids: readonly string[], provisioning: Provisioning): Promise<void> {
    if (ids.length === 0) return
    const rows = await trx
      .selectFrom('users')
      .select('user_id')
      .where('user_id', 'in', [...ids])
      .execute()
    const known = new Set(rows.map(row => row.user_id))
    const missing = ids.filter(id => !known.has(id))
    if (missing.length > 0 && !this.#services.upsertUsers()) {
      throw new ScimError(
        400,
        `There is no user '${missing[0]?.slice(0, 200)}' (litellm_settings.scim_upsert_user is false).`,
        'invalidValue',
      )
    }
    const { userRole, userSettings } = this.#services.newcomers()
    for (const userId of missing) {
      await provisioning.createUser(
        { userId, email: userId.includes('@') ? userId : undefined, role: userRole },
        userSettings,
      )
    }
  }

  async #setRole(trx: Kysely<Tables>, userId: string, provisioning: Provisioning): Promise<void> {
    const adminGroup = this.#services.adminGroup()
    if (adminGroup === undefined) return
    const user = await trx.selectFrom('users').selectAll().where('user_id', '=', userId).executeTakeFirst()
    if (user === undefined) return
    const groups = await trx
      .selectFrom('team_members')
      .innerJoin('teams', 'teams.team_id', 'team_members.team_id')
      .select(['teams.team_id', 'teams.team_alias'])
      .where('team_members.user_id', '=', userId)
      .execute()
    const role = roleByGroups(groups, adminGroup, this.#services.newcomers().userRole)
    if (role !== undefined) await provisioning.updateUser(user, { user_role: role })
  }

  async #filtered(query: ScimQuery, call: ScimCall): Promise<{ rows: TeamRow[]; total: number }> {
    const { db } = this.#services.plane.store
    const { filter, startIndex, count } = query
    if (filter === undefined) return page(db, query)
    const equality = requiredEquality(filter, ['id', 'displayname'])
    const hits: TeamRow[] = []
    let total = 0
    let scanned = 0
    for (let last = ''; ; ) {
      let select = db.selectFrom('teams').selectAll().where('team_id', '>', last)
      if (equality !== undefined) {
        const column = equality.path === 'id' ? sql`lower(team_id)` : sql`lower(team_alias)`
        const alone = sql<boolean>`${column} = ${equality.value.toLowerCase()}`
        // A team without a name goes by its id.
        select = select.where(where =>
          where.or([alone, sql<boolean>`lower(team_id) = ${equality.value.toLowerCase()}`]),
        )
      }
      const rows = await select.orderBy('team_id').limit(batch).execute()
      const members = await membersOf(db, rows)
      for (const row of rows) {
        if (!matches(filter, groupResource(row, members.get(row.team_id) ?? [], call.base))) continue
        total++
        if (total >= startIndex && hits.length < count) hits.push(row)
      }
      scanned += rows.length
      const end = rows.at(-1)
      if (end === undefined || rows.length < batch) return { rows: hits, total }
      if (scanned >= maxScanned) throw tooMany()
      last = end.team_id
    }
  }
}

async function page(db: Kysely<Tables>, { startIndex, count }: ScimQuery): Promise<{ rows: TeamRow[]; total: number }> {
  const { total } = await db
    .selectFrom('teams')
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows =
    count === 0
      ? []
      : await db
          .selectFrom('teams')
          .selectAll()
          .orderBy('team_id')
          .limit(count)
          .offset(startIndex - 1)
          .execute()
  return { rows, total: Number(total) }
}

/** @throws ScimError 404 */
async function teamById(db: Kysely<Tables>, id: string): Promise<TeamRow> {
  const row = await db.selectFrom('teams').selectAll().where('team_id', '=', id).executeTakeFirst()
  if (row === undefined) throw new ScimError(404, `There is no group '${id.slice(0, 200)}'.`)
  return row
}

const resourceOf = async (db: Kysely<Tables>, row: TeamRow, call: ScimCall): Promise<Resource> =>
  groupResource(row, (await membersOf(db, [row])).get(row.team_id) ?? [], call.base)

async function membersOf(db: Kysely<Tables>, teams: readonly TeamRow[]): Promise<ReadonlyMap<string, MemberOfGroup[]>> {
  const members = new Map<string, MemberOfGroup[]>()
  if (teams.length === 0) return members
  const rows = await db
    .selectFrom('team_members')
    .leftJoin('users', 'users.user_id', 'team_members.user_id')
    .select(['team_members.team_id', 'team_members.user_id', 'users.user_email'])
    .where(
      'team_members.team_id',
      'in',
      teams.map(team => team.team_id),
    )
    .orderBy('team_members.user_id')
    .limit(maxMembers * 10)
    .execute()
  for (const { team_id: teamId, ...member } of rows) {
    const known = members.get(teamId)
    if (known === undefined) members.set(teamId, [member])
    else known.push(member)
  }
  return members
}

async function isFree(db: Kysely<Tables>, id: string): Promise<boolean> {
  const row = await db.selectFrom('teams').select('team_id').where('team_id', '=', id).executeTakeFirst()
  return row === undefined
}

/** @throws ScimError 409 `uniqueness`: groups are found by name */
async function refuseDouble(db: Kysely<Tables>, group: ScimGroup, ownId: string | undefined): Promise<void> {
  const rows = await db
    .selectFrom('teams')
    .select('team_id')
    .where('team_alias', '=', group.displayName)
    .limit(2)
    .execute()
  if (rows.some(row => row.team_id !== ownId)) {
    throw new ScimError(409, `There is another group '${group.displayName.slice(0, 200)}'.`, 'uniqueness')
  }
}
