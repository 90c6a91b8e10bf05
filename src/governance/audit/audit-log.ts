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
}

export interface AuditLog {
  /**
   * Appends a record and resolves when it is durable. A change calls it inside its own transaction where it can, so that
   * neither exists without the other.
   */
  record(event: AuditEvent): Promise<void>
}
