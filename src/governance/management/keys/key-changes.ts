import type { KeyRow } from '../../../platform/store/tables.ts'
import type { KeyRequest, UpdateKeyRequest } from './key-fields.ts'

/** Fields of requests that are instructions, not settings of a key. */
const instructions = ['key', 'key_type', 'duration', 'send_invite_email', 'new_key', 'grace_period'] as const

/** What of a request is kept with the key. */
export function settingsOf(request: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const settings = { ...request }
  for (const name of instructions) delete settings[name]
  return settings
}

/** Rights are checked against whom the key will belong to. */
export const ownedBy = (request: UpdateKeyRequest, before: KeyRow): KeyRequest => ({
  ...request,
  user_id: request.user_id === undefined ? before.user_id : request.user_id,
  team_id: request.team_id === undefined ? before.team_id : request.team_id,
})

/** On update a bound applies to the fields that are sent. */
export const presentOnly = (upper: Readonly<Record<string, unknown>>, sent: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(upper).filter(([name]) => (sent as Readonly<Record<string, unknown>>)[name] != null),
  )

/** Columns that are another than before: the rest may have moved meanwhile (spend, windows, last use) and stays. */
export function changed(before: KeyRow, after: KeyRow): Partial<KeyRow> {
  const { token: _token, spend: _spend, ...columns } = after
  return Object.fromEntries(
    Object.entries(columns).filter(([name, value]) => value !== before[name as keyof KeyRow]),
  ) as Partial<KeyRow>
}
