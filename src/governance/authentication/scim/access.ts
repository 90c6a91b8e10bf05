import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Tables, UserRow } from '../../../platform/store/tables.ts'
import { parseSettings } from '../../objects/settings.ts'
import type { Provisioning } from '../people.ts'

/** Who blocked a key, so that giving access back does not lift a block that somebody else made. */
const mark = 'blocked_by'

/** Everything a user holds that opens a door: its keys are blocked, its sessions end. */
export async function takeAccess(db: Kysely<Tables>, userId: string, provisioning: Provisioning): Promise<void> {
  const keys = await db
    .selectFrom('keys')
    .select(['token', 'settings'])
    .where('user_id', '=', userId)
    .where('blocked', '=', 0)
    .orderBy('token')
    .execute()
  for (const key of keys) {
    await db
      .updateTable('keys')
      .set({ blocked: 1, settings: JSON.stringify({ ...parseSettings(key.settings), [mark]: 'scim' }) })
      .where('token', '=', key.token)
      .execute()
    provisioning.note({ action: 'blocked', objectKind: 'key', objectId: key.token, details: { by: 'scim' } })
    provisioning.notices.push({ kind: 'key', id: key.token })
  }
  await endSessions(db, userId, provisioning)
}

/** Lifts the blocks that `takeAccess` made. Sessions stay ended. */
export async function giveAccessBack(db: Kysely<Tables>, userId: string, provisioning: Provisioning): Promise<void> {
  const keys = await db
    .selectFrom('keys')
    .select(['token', 'settings'])
    .where('user_id', '=', userId)
    .where('blocked', '=', 1)
    .orderBy('token')
    .execute()
  for (const key of keys) {
    const { [mark]: by, ...settings } = parseSettings(key.settings)
    if (by !== 'scim') continue
    await db
      .updateTable('keys')
      .set({ blocked: 0, settings: JSON.stringify(settings) })
      .where('token', '=', key.token)
      .execute()
    provisioning.note({ action: 'unblocked', objectKind: 'key', objectId: key.token, details: { by: 'scim' } })
    provisioning.notices.push({ kind: 'key', id: key.token })
  }
}

async function endSessions(db: Kysely<Tables>, userId: string, provisioning: Provisioning): Promise<void> {
  const ended = await db.deleteFrom('sessions').where('user_id', '=', userId).returning('token').execute()
  provisioning.notices.push(...ended.map(({ token }) => ({ kind: 'key', id: token }) as const))
}

/** Removes a user and everything that is its own; keys and the user are kept among the deleted objects. */
export async function deleteUser(
  db: Kysely<Tables>,
  user: UserRow,
  provisioning: Provisioning,
  { now, by }: { readonly now: number; readonly by: string },
): Promise<void> {
  const userId = user.user_id
  const keys = await db.selectFrom('keys').selectAll().where('user_id', '=', userId).orderBy('token').execute()
  const { password_hash: _, ...kept } = user
  const remember = (kind: string, objectId: string, value: object) =>
    db
      .insertInto('deleted_objects')
      .values({
        id: randomUUID(),
        kind,
        object_id: objectId,
        value: JSON.stringify(value),
        deleted_at: now,
        deleted_by: by,
      })
      .execute()
  for (const key of keys) {
    await remember('key', key.token, key)
    provisioning.note({ action: 'deleted', objectKind: 'key', objectId: key.token, details: { by: 'scim' } })
    provisioning.notices.push({ kind: 'key', id: key.token })
  }
  await remember('user', userId, kept)
  await db.deleteFrom('keys').where('user_id', '=', userId).execute()
  const memberships = await db.deleteFrom('team_members').where('user_id', '=', userId).returning('team_id').execute()
  await db.deleteFrom('organization_members').where('user_id', '=', userId).execute()
  await db.deleteFrom('invitations').where('user_id', '=', userId).execute()
  await endSessions(db, userId, provisioning)
  await db.deleteFrom('users').where('user_id', '=', userId).execute()
  provisioning.note({ action: 'deleted', objectKind: 'user', objectId: userId, details: { by: 'scim' } })
  provisioning.notices.push(
    { kind: 'user', id: userId },
    ...memberships.map(({ team_id: id }) => ({ kind: 'team', id }) as const),
  )
}
