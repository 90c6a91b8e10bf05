import type { Kysely, Transaction } from 'kysely'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import { isUniqueViolation } from '../../platform/store/database-error.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import type { AuditEvent } from '../audit/audit-log.ts'
import type { Invalidation } from '../authentication/principal-cache.ts'

/** Channel on which processes tell each other what changed. */
export const changesChannel = 'changes'

/** What a change was, for everybody else: whose cached callers to drop, and whether models or settings changed. */
export type ChangeNotice =
  | Invalidation
  | { readonly kind: 'models' | 'settings' | 'policies' | 'end_user' | 'tag'; readonly id: string }

export interface Changed<T> {
  readonly result: T
  readonly audit: readonly AuditEvent[]
  readonly notices: readonly ChangeNotice[]
}

export interface ChangeServices {
  readonly store: Store
  readonly state: SharedState
  /** Appends to the audit chain inside the transaction of the change. */
  readonly recordIn: (trx: Kysely<Tables>, event: AuditEvent) => Promise<void>
  /** Tells this process; the others hear it through shared state. */
  readonly apply: (notice: ChangeNotice) => void
}

/**
 * Every change of the control plane goes through here: the rows and their audit records are written in one transaction,
 * then every process drops what it had cached. A notice that is lost (shared state is away) is made up for by the
 * cache's time to live.
 * @throws GatewayError 409 when somebody else made the same object at the same moment: each looked before and saw nothing
 */
export async function change<T>(
  services: ChangeServices,
  work: (trx: Transaction<Tables>) => Promise<Changed<T>>,
): Promise<T> {
  const { store, state, recordIn, apply } = services
  const { result, notices } = await store.db
    .transaction()
    .execute(async trx => {
      const changed = await work(trx)
      for (const event of changed.audit) await recordIn(trx, event)
      return changed
    })
    .catch((error: unknown) => {
      throw isUniqueViolation(error) ? tookAtOnce() : error
    })
  for (const notice of notices) apply(notice)
  if (notices.length > 0) {
    await state.publish(changesChannel, JSON.stringify(notices)).catch(() => undefined)
  }
  return result
}

const tookAtOnce = (): GatewayError =>
  new GatewayError(
    'conflict',
    'Another call made an object of this name or id at the same moment; nothing was changed.',
  )

/** Reads a message of the channel; undefined for what is not one. */
export function parseNotices(message: string): readonly ChangeNotice[] | undefined {
  try {
    const value: unknown = JSON.parse(message)
    return Array.isArray(value) ? (value as ChangeNotice[]) : undefined
  } catch {
    return undefined
  }
}
