import { z } from 'zod'
import { tableOf } from '../../../governance/audit/object-kinds.ts'
import type { AuditRecord } from '../../../governance/audit/record.ts'

const values = z.record(z.string(), z.unknown()).nullable()

/** LiteLLM's row, and what it has no field for. */
export const auditRow = z.object({
  id: z.string(),
  updated_at: z.iso.datetime(),
  changed_by: z.string().describe('On whose behalf (`litellm-changed-by`), else the actor.'),
  changed_by_api_key: z.string().describe('SHA-256 of the actor’s key; empty for the master key and the system.'),
  action: z.string(),
  table_name: z.string().describe('LiteLLM’s table; the kind of object where it has none.'),
  object_id: z.string(),
  before_value: values,
  updated_values: values,
  actor: z.string().describe('Who it was.'),
  address: z.string().nullable(),
  outcome: z.enum(['success', 'denied', 'failed']),
  details: values,
  seq: z.int(),
  hash: z.string(),
  previous_hash: z.string(),
})

export function asRow(record: AuditRecord): z.output<typeof auditRow> {
  const details = objectIn(record.details)
  const behalf = details?.['on_behalf_of']
  return {
    id: record.id,
    updated_at: new Date(record.at).toISOString(),
    changed_by: typeof behalf === 'string' ? behalf : record.actor,
    changed_by_api_key: record.actor_token ?? '',
    action: record.action,
    table_name: tableOf(record.object_kind),
    object_id: record.object_id,
    before_value: objectIn(record.before),
    updated_values: objectIn(record.after),
    actor: record.actor,
    address: record.address,
    outcome: record.outcome as z.output<typeof auditRow>['outcome'],
    details,
    seq: record.seq,
    hash: record.hash,
    previous_hash: record.previous_hash,
  }
}

function objectIn(json: string | null): Record<string, unknown> | null {
  if (json === null) return null
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch {
    // Somebody changed the table by hand; the row is shown all the same, and `verify` tells of it.
    return { $unreadable: json.slice(0, 1000) }
  }
}
