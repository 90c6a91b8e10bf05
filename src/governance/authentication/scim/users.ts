import { type Kysely, sql } from 'kysely'
import type { Tables, UserRow } from '../../../platform/store/tables.ts'
import { findByEmail, Provisioning } from '../people.ts'
import { deleteUser, giveAccessBack, takeAccess } from './access.ts'
import { listResponse } from './discovery.ts'
import { matches, requiredEquality } from './filter.ts'
import { applyPatch, type Resource } from './patch.ts'
import { readQuery, type ScimQuery, shaped } from './query.ts'
import { ScimError } from './scim-error.ts'
import { checkVersion, roleByGroups, type ScimCall, type ScimServices } from './scim-services.ts'
import { type GroupOfUser, readUser, type ScimUser, userResource, userSettings, versionOf } from './user-resource.ts'

/** Rows a filter that no index answers may look through. */
const maxScanned = 50_000
const batch = 500

/** `/scim/v2/Users`: users of the gateway. */
export class ScimUsers {
  readonly #services: ScimServices

  constructor(services: ScimServices) {
    this.#services = services
  }

  /** @throws ScimError */
  async list(query: unknown, call: ScimCall): Promise<object> {
    const { db } = this.#services.plane.store
    const read = readQuery(query)
    const { rows, total } = read.filter === undefined ? await page(db, read) : await this.#filtered(read, call)
    const resources = await this.#resources(rows, call)
    return listResponse(
      resources.map(resource => shaped(resource, read.shape)),
      total,
      read.startIndex,
    )
  }

  /** @throws ScimError 404 */
  async get(id: string, query: unknown, call: ScimCall): Promise<Resource> {
    const { db } = this.#services.plane.store
    return shaped(await this.#resource(db, await userById(db, id), call), readQuery(query).shape)
  }

  /** @throws ScimError 409 when there is such a user */
  async create(body: unknown, call: ScimCall): Promise<Resource> {
    const user = readUser(body)
    const { plane, newcomers, clock } = this.#services
    const { userRole, userSettings: defaults } = newcomers()
    const row = await plane.change(async trx => {
      const provisioning = new Provisioning(trx, call.actor, clock.epoch())
      await refuseDouble(trx, user, undefined)
      // LiteLLM's ids: the name at the identity provider, which tokens and single sign-on know the person by.
      const made = await provisioning.createUser(
        {
          userId: user.userName,
          email: user.email,
          alias: user.displayName,
          ssoUserId: user.externalId,
          role: roleByGroups([], this.#services.adminGroup(), userRole) ?? userRole,
          blocked: !user.active,
        },
        { ...defaults, ...JSON.parse(userSettings(JSON.stringify(defaults), user)) },
      )
      return { result: made, audit: provisioning.audit, notices: provisioning.notices }
    })
    return userResource(row, [], call.base)
  }

  async replace(id: string, body: unknown, call: ScimCall): Promise<Resource> {
    return this.#write(id, call, () => readUser(body))
  }

  async patch(id: string, body: unknown, call: ScimCall): Promise<Resource> {
    return this.#write(id, call, resource => {
      const { groups: _, ...own } = resource
      return readUser(applyPatch(own, body))
    })
  }

  async delete(id: string, call: ScimCall): Promise<void> {
    const { plane, clock } = this.#services
    await plane.change(async trx => {
      const user = await userById(trx, id)
      checkVersion(call, versionOf(user.updated_at))
      const now = clock.epoch()
      const provisioning = new Provisioning(trx, call.actor, now)
      await deleteUser(trx, user, provisioning, { now, by: call.actor.name })
      return { result: undefined, audit: provisioning.audit, notices: provisioning.notices }
    })
  }

  async #write(id: string, call: ScimCall, next: (resource: Resource) => ScimUser): Promise<Resource> {
    const { plane, clock } = this.#services
    return plane.change(async trx => {
      const before = await userById(trx, id)
      checkVersion(call, versionOf(before.updated_at))
      const provisioning = new Provisioning(trx, call.actor, clock.epoch())
      const wanted = next(await this.#resource(trx, before, call))
      await refuseDouble(trx, wanted, id)
      const blocked = wanted.active ? 0 : 1
      const row = await provisioning.updateUser(before, {
        user_email: wanted.email ?? null,
        user_alias: wanted.displayName ?? before.user_alias,
        sso_user_id: wanted.externalId ?? before.sso_user_id,
        blocked,
        settings: userSettings(before.settings, wanted),
      })
      if (blocked === 1) await takeAccess(trx, id, provisioning)
      else if (before.blocked === 1) await giveAccessBack(trx, id, provisioning)
      const result = await this.#resource(trx, row, call)
      return { result, audit: provisioning.audit, notices: provisioning.notices }
    })
  }

  /** An equality that an index knows is asked of the database; the rest is judged row by row. */
  async #filtered(query: ScimQuery, call: ScimCall): Promise<{ rows: UserRow[]; total: number }> {
    const { db } = this.#services.plane.store
    const { filter, startIndex, count } = query
    if (filter === undefined) return page(db, query)
    const equality = requiredEquality(filter, ['id', 'externalid', 'username', 'emails', 'emails.value'])
    const hits: UserRow[] = []
    let total = 0
    let scanned = 0
    for (let last = ''; ; ) {
      const rows = await candidates(db, equality, last)
      for (const resource of await this.#resources(rows, call)) {
        if (!matches(filter, resource)) continue
        total++
        const row = rows.find(one => one.user_id === resource['id'])
        if (row !== undefined && total >= startIndex && hits.length < count) hits.push(row)
      }
      scanned += rows.length
      const end = rows.at(-1)
      if (end === undefined || rows.length < batch) return { rows: hits, total }
      if (scanned >= maxScanned) throw tooMany()
      last = end.user_id
    }
  }

  async #resource(db: Kysely<Tables>, row: UserRow, call: ScimCall): Promise<Resource> {
    return userResource(row, (await groupsOf(db, [row.user_id])).get(row.user_id) ?? [], call.base)
  }

  async #resources(rows: readonly UserRow[], call: ScimCall): Promise<Resource[]> {
    const groups = await groupsOf(
      this.#services.plane.store.db,
      rows.map(row => row.user_id),
    )
    return rows.map(row => userResource(row, groups.get(row.user_id) ?? [], call.base))
  }
}

export const tooMany = (): ScimError =>
  new ScimError(
    400,
    `The filter would look at more than ${maxScanned} resources; filter by userName, externalId or id.`,
    'tooMany',
  )

async function page(db: Kysely<Tables>, { startIndex, count }: ScimQuery): Promise<{ rows: UserRow[]; total: number }> {
  const { total } = await db
    .selectFrom('users')
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows =
    count === 0
      ? []
      : await db
          .selectFrom('users')
          .selectAll()
          .orderBy('user_id')
          .limit(count)
          .offset(startIndex - 1)
          .execute()
  return { rows, total: Number(total) }
}

async function candidates(
  db: Kysely<Tables>,
  equality: ReturnType<typeof requiredEquality>,
  after: string,
): Promise<UserRow[]> {
  let query = db.selectFrom('users').selectAll().where('user_id', '>', after)
  const value = equality?.value
  if (value !== undefined) {
    const lower = value.toLowerCase()
    if (equality?.path === 'id') query = query.where(sql`lower(user_id)`, '=', lower)
    else if (equality?.path === 'externalid') query = query.where(sql`lower(sso_user_id)`, '=', lower)
    else if (equality?.path === 'username') {
      // A user name is kept beside the row where it is neither the address nor the id.
      const kept = `%${JSON.stringify({ scim_user_name: value })
        .slice(1, -1)
        .replaceAll(/[\\%_]/g, '\\$&')}%`
      query = query.where(where =>
        where.or([
          where(sql`lower(user_email)`, '=', lower),
          where(sql`lower(user_id)`, '=', lower),
          sql<boolean>`lower(settings) like lower(${kept}) escape '\\'`,
        ]),
      )
    } else query = query.where(sql`lower(user_email)`, '=', lower)
  }
  return query.orderBy('user_id').limit(batch).execute()
}

/** @throws ScimError 404 */
async function userById(db: Kysely<Tables>, id: string): Promise<UserRow> {
  const row = await db.selectFrom('users').selectAll().where('user_id', '=', id).executeTakeFirst()
  if (row === undefined) throw new ScimError(404, `There is no user '${id.slice(0, 200)}'.`)
  return row
}

/** @throws ScimError 409 `uniqueness` */
async function refuseDouble(db: Kysely<Tables>, user: ScimUser, ownId: string | undefined): Promise<void> {
  const others = await db
    .selectFrom('users')
    .select('user_id')
    .where(where =>
      where.or([
        where('user_id', '=', user.userName),
        ...(user.externalId === undefined ? [] : [where('sso_user_id', '=', user.externalId)]),
      ]),
    )
    .execute()
  const byEmail = user.email === undefined ? undefined : await findByEmail(db, user.email)
  const taken = [...others, ...(byEmail === undefined ? [] : [byEmail])].find(row => row.user_id !== ownId)
  if (taken !== undefined) {
    throw new ScimError(
      409,
      `There is a user '${taken.user_id}' with this userName, externalId or address.`,
      'uniqueness',
    )
  }
}

async function groupsOf(db: Kysely<Tables>, userIds: readonly string[]): Promise<ReadonlyMap<string, GroupOfUser[]>> {
  const groups = new Map<string, GroupOfUser[]>()
  if (userIds.length === 0) return groups
  const rows = await db
    .selectFrom('team_members')
    .innerJoin('teams', 'teams.team_id', 'team_members.team_id')
    .select(['team_members.user_id', 'teams.team_id', 'teams.team_alias'])
    .where('team_members.user_id', 'in', [...userIds])
    .orderBy('teams.team_id')
    .execute()
  for (const { user_id: userId, ...group } of rows) {
    const known = groups.get(userId)
    if (known === undefined) groups.set(userId, [group])
    else known.push(group)
  }
  return groups
}
