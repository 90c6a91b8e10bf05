import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { KeyRow, Tables } from '../../../platform/store/tables.ts'
import type { Actor } from '../../audit/audit-log.ts'
import { maskedKey, tokenOf } from '../../authentication/token-hash.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import { numberOf, parseSettings } from '../../objects/settings.ts'
import { expiresAt, type Management } from '../management.ts'
import { mergedSettings } from '../present.ts'
import { keyColumns, keyObject } from './key-object.ts'
import { type KeySecrets, secretName } from './key-secrets.ts'
import { refuseTaken } from './refuse-taken.ts'

/** Milliseconds a new secret works before it has taken the place of the old one: the secret manager is being written. */
const overlap = 600_000

export interface Replacement {
  /** In clear. */
  readonly secret: string
  /** Epoch ms until which the old secret works; null: not at all. */
  readonly oldUntil: number | null
  readonly expiresAt: number | null
}

/**
 * A new secret for the same key. Where keys are stored in a secret manager, the new one works before it is written there,
 * and the old one goes after: whoever reads it from there never holds one that does not open.
 * @throws GatewayError 503 when the secret manager cannot be written: the old secret stays
 */
export async function replaceSecret(
  management: Management,
  secrets: KeySecrets,
  actor: Actor,
  current: KeyRow,
  { secret, oldUntil, expiresAt: end }: Replacement,
): Promise<KeyRow> {
  const { governance, clock } = management
  const { db } = governance.store
  const token = tokenOf(secret)
  await refuseTaken(db, { token, key_alias: null }, 'new')
  let name: string | undefined
  if (secrets.active) {
    name = secrets.nameOf(current)
    const until = clock.epoch() + overlap
    await db.insertInto('deprecated_keys').values({ token, successor: current.token, valid_until: until }).execute()
    try {
      await secrets.put(name, secret)
    } catch (error) {
      await db.deleteFrom('deprecated_keys').where('token', '=', token).execute()
      throw error
    }
  }
  const now = clock.epoch()
  const settings = parseSettings(current.settings)
  const after: KeyRow = {
    ...current,
    token,
    key_name: maskedKey(secret),
    expires_at: end,
    rotates_at: nextRotation(management, current),
    settings: mergedSettings(
      current.settings,
      {
        rotation_count: (numberOf(settings, 'rotation_count') ?? 0) + 1,
        last_rotation_at: new Date(now).toISOString(),
        ...(name === undefined ? {} : { [secretName]: name }),
      },
      keyColumns,
    ),
    updated_at: now,
    updated_by: actor.name,
  }
  await governance.change(async trx => {
    await exchange(trx, current.token, after, oldUntil, now)
    return {
      result: undefined,
      audit: [
        {
          actor,
          action: 'rotated',
          objectKind: 'key',
          objectId: token,
          before: keyObject(current),
          after: keyObject(after),
        },
      ],
      notices: [
        { kind: 'key', id: current.token },
        { kind: 'key', id: token },
      ],
    }
  })
  return after
}

async function exchange(
  trx: Kysely<Tables>,
  old: string,
  { spend, ...after }: KeyRow,
  oldUntil: number | null,
  now: number,
): Promise<void> {
  await refuseTaken(trx, { token: after.token, key_alias: null }, 'new')
  await trx.deleteFrom('deprecated_keys').where('token', '=', after.token).execute()
  const gone = await trx.deleteFrom('keys').where('token', '=', old).executeTakeFirst()
  if (gone.numDeletedRows === 0n) {
    throw new GatewayError('conflict', 'Another call replaced or deleted this key at the same moment.', {
      param: 'key',
    })
  }
  // The books know calls by the hash of their key: what was spent before is what the new hash starts with.
  await trx
    .insertInto('keys')
    .values({ ...after, ...startingSpend(spend, now) })
    .execute()
  await trx.updateTable('deprecated_keys').set({ successor: after.token }).where('successor', '=', old).execute()
  if (oldUntil !== null) {
    await trx
      .insertInto('deprecated_keys')
      .values({ token: old, successor: after.token, valid_until: oldUntil })
      .execute()
  }
}

export const defaultRotation = '30d'

function nextRotation(management: Management, row: KeyRow): number | null {
  if (row.rotates_at === null) return null
  const interval = parseSettings(row.settings)['rotation_interval'] ?? defaultRotation
  return expiresAt(management, interval, 'rotation_interval')
}
