import type { Kysely } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'

/** The call that feedback speaks of. */
export interface FoundCall {
  /** Its id in the ledger. */
  readonly id: string
  readonly token: string | null
  readonly userId: string | null
  /** When it ended, epoch ms; undefined for a call that was decided. */
  readonly endedAt?: number
  /** Undefined: no learned route decided it; its feedback is kept as a label. */
  readonly decided:
    | {
        readonly artifact: string | null
        readonly cluster: number
        /** That answered: a fallback's answer says nothing about the chosen one. */
        readonly model: string
        readonly details: string
      }
    | undefined
}

export interface Asking {
  /** SHA-256 of the key. */
  readonly token: string
  readonly userId: string | undefined
  /** May speak of every call. */
  readonly admin: boolean
}

export const owns = (caller: Asking, call: Pick<FoundCall, 'token' | 'userId'>): boolean =>
  caller.admin || call.token === caller.token || (caller.userId !== undefined && call.userId === caller.userId)

/**
 * The newest call of this id that the caller may speak of. Ids that callers choose are not unique, so one of somebody
 * else's of the same name must not hide it.
 */
export async function findCall(db: Kysely<Tables>, requestId: string, caller: Asking): Promise<FoundCall | undefined> {
  const decisions = await db
    .selectFrom('router_decisions')
    .select(['id', 'token', 'user_id', 'artifact', 'cluster', 'chosen', 'answered_by', 'details'])
    .where(eb => eb.or([eb('id', '=', requestId), eb('call_id', '=', requestId)]))
    .orderBy('at', 'desc')
    .limit(20)
    .execute()
  for (const row of decisions) {
    const { artifact, cluster, details } = row
    const call: FoundCall = {
      id: row.id,
      token: row.token,
      userId: row.user_id,
      decided: { artifact, cluster, model: row.answered_by ?? row.chosen, details },
    }
    if (owns(caller, call)) return call
  }
  const booked = await db
    .selectFrom('ledger')
    .select(['id', 'token', 'user_id', 'ended_at'])
    .where(eb => eb.or([eb('id', '=', requestId), eb('call_id', '=', requestId)]))
    .orderBy('started_at', 'desc')
    .limit(20)
    .execute()
  for (const row of booked) {
    const { id, token, user_id: userId, ended_at: endedAt } = row
    const call: FoundCall = { id, token, userId, endedAt, decided: undefined }
    if (owns(caller, call)) return call
  }
  return undefined
}
