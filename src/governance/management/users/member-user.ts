import type { Kysely } from 'kysely'
import { newId } from '../../../platform/ids.ts'
import type { Tables } from '../../../platform/store/tables.ts'
import type { AuditEvent } from '../../audit/audit-log.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import type { Caller } from '../managed-objects.ts'

export interface MemberUser {
  readonly user_id: string
  readonly user_email: string | null
  /** Empty for a user who was there. */
  readonly audit: readonly AuditEvent[]
}

/** The user that a request names as a member, by id or e-mail; made where there is none yet, as LiteLLM does. */
export async function memberUser(
  trx: Kysely<Tables>,
  caller: Caller,
  { user_id: id, user_email: email }: { user_id?: string | null | undefined; user_email?: string | null | undefined },
  now: number,
): Promise<MemberUser> {
  const known = await trx
    .selectFrom('users')
    .select(['user_id', 'user_email'])
    .where(id == null ? 'user_email' : 'user_id', '=', id ?? email ?? '')
    .executeTakeFirst()
  if (known !== undefined) return { ...known, audit: [] }
  const user = { user_id: id ?? newId(), user_email: email ?? null }
  await trx
    .insertInto('users')
    .values({
      ...user,
      user_alias: null,
      sso_user_id: null,
      user_role: 'internal_user',
      password_hash: null,
      budget_id: null,
      ...startingSpend(0, now),
      budget_reset_at: null,
      blocked: 0,
      settings: '{}',
      created_at: now,
      created_by: caller.actor.name,
      updated_at: now,
      updated_by: caller.actor.name,
    })
    .execute()
  return {
    ...user,
    audit: [{ actor: caller.actor, action: 'created', objectKind: 'user', objectId: user.user_id, after: user }],
  }
}
