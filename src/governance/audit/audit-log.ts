import type { Kysely } from 'kysely'
import type { Tables } from '../../platform/store/tables.ts'

/** Who did it, as the audit log knows people and keys. */
export interface Actor {
  /** User id, `key:<alias or masked>`, `master_key`, `system:<job>`, `scim`, … */
  readonly name: string
  /** Hash of the key it came with. */
  readonly token: string | undefined
  /** Source address, from the socket or a trusted proxy. */
  readonly address: string | undefined
  /** The caller's `litellm-changed-by` header: on whose behalf. */
  readonly onBehalfOf?: string | undefined
}

export type AuditAction =
  | 'created'
  | 'updated'
  | 'deleted'
  | 'blocked'
  | 'unblocked'
  | 'rotated'
  | 'denied'
  | 'login'
  | 'logout'
  | 'imported'
  | 'exported'

/** `denied` needs no further word: a `denied` action is one. A refused login is `login` with the outcome `denied`. */
export type AuditOutcome = 'success' | 'denied' | 'failed'

export interface AuditEvent {
  readonly actor: Actor
  readonly action: AuditAction
  /** `key`, `team`, `user`, `organization`, `project`, `end_user`, `budget`, `tag`, `access_group`, `credential`, `model`, `policy`, `config`, `route`, `session`, … */
  readonly objectKind: string
  readonly objectId: string
  /** Objects without secrets: the caller strips them, the log strips again whatever is named like one. */
  readonly before?: Readonly<Record<string, unknown>> | undefined
  readonly after?: Readonly<Record<string, unknown>> | undefined
  /** Why it was denied, route, policy, … */
  readonly details?: Readonly<Record<string, unknown>> | undefined
  /** Default: `denied` for the action `denied`, else `success`. */
  readonly outcome?: AuditOutcome | undefined
}

export interface AuditLog {
  /**
   * Appends a record and resolves when it is durable. Denied events are gathered and bounded per actor: the promise of
   * one that was folded into a summary resolves at once. Not for use inside a transaction: on SQLite it would wait for
   * the very connection the transaction holds.
   * @throws StoreUnavailable for events that were not denied; denied ones are kept and written later.
   */
  record(event: AuditEvent): Promise<void>
  /**
   * Appends inside the caller's transaction: the change and its record exist together or not at all. Writers wait for
   * one another from here to the end of the transaction, so it is the last thing a transaction does.
   */
  recordIn(trx: Kysely<Tables>, ...events: readonly AuditEvent[]): Promise<void>
}
