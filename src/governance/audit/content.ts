import { newId } from '../../platform/ids.ts'
import type { AuditEvent, AuditOutcome } from './audit-log.ts'
import type { AuditContent } from './record.ts'
import { recordedText, recordedValue } from './recorded-value.ts'

/** `token` of a key is the SHA-256 that names it everywhere, not the key. */
const keyHashes: ReadonlySet<string> = new Set(['token', 'token_id', 'hashed_token', 'key'])

export const outcomeOf = (event: AuditEvent): AuditOutcome =>
  event.outcome ?? (event.action === 'denied' ? 'denied' : 'success')

/** What an event says, as columns: bounded, and without secrets. */
export function contentOf(event: AuditEvent, at: number): AuditContent {
  const { actor, before, after } = event
  const hashes = event.objectKind === 'key' ? keyHashes : undefined
  // First in the object, so that the column can be searched for it without parsing.
  const details = actor.onBehalfOf === undefined ? event.details : { on_behalf_of: actor.onBehalfOf, ...event.details }
  return {
    id: newId(at),
    at,
    actor: recordedText(actor.name),
    actor_token: actor.token === undefined ? null : recordedText(actor.token, 128),
    address: actor.address === undefined ? null : recordedText(actor.address, 128),
    action: recordedText(event.action, 64),
    object_kind: recordedText(event.objectKind, 64),
    object_id: recordedText(event.objectId),
    outcome: outcomeOf(event),
    before: recordedValue(before, { ...(hashes && { hashes }) }),
    after: recordedValue(after, { earlier: before, ...(hashes && { hashes }) }),
    details: recordedValue(details),
  }
}
