import { randomUUID } from 'node:crypto'
import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { JwtKeyMappingRow } from '../../../platform/store/tables.ts'
import type { Actor } from '../../audit/audit-log.ts'
import { parseSettings, textOf } from '../../objects/settings.ts'
import type { ControlPlane } from '../control-plane.ts'

/** LiteLLM's answer; never the key or its hash. */
export interface KeyMapping {
  readonly id: string
  readonly jwt_claim_name: string
  readonly jwt_claim_value: string
  readonly description: string | null
  readonly is_active: boolean
  readonly created_at: string
  readonly updated_at: string
  readonly created_by: string | null
  readonly updated_by: string | null
}

export interface KeyMappingFields {
  readonly claimName?: string | undefined
  readonly claimValue?: string | undefined
  /** SHA-256 of a virtual key. */
  readonly token?: string | undefined
  readonly description?: string | null | undefined
  readonly active?: boolean | undefined
}

/** Which virtual key stands for which claim of a JWT (`litellm_jwtauth.virtual_key_claim_field`). */
export class KeyMappings {
  readonly #plane: ControlPlane
  readonly #clock: Clock

  constructor(plane: ControlPlane, clock: Clock) {
    this.#plane = plane
    this.#clock = clock
  }

  /** @throws GatewayError `conflict`, `not_found` for a key that does not exist */
  async create(
    fields: Required<Pick<KeyMappingFields, 'claimName' | 'claimValue' | 'token'>> & KeyMappingFields,
    actor: Actor,
  ): Promise<KeyMapping> {
    const now = this.#clock.epoch()
    const row: JwtKeyMappingRow = {
      id: randomUUID(),
      claim_name: fields.claimName ?? '',
      claim_value: fields.claimValue ?? '',
      token: fields.token ?? '',
      active: fields.active === false ? 0 : 1,
      settings: JSON.stringify({ description: fields.description ?? null }),
      created_at: now,
      created_by: actor.name,
      updated_at: now,
      updated_by: actor.name,
    }
    return this.#store(row, undefined, actor)
  }

  /** @throws GatewayError `conflict`, `not_found` */
  async update(id: string, fields: KeyMappingFields, actor: Actor): Promise<KeyMapping> {
    const before = await this.#row(id)
    const after: JwtKeyMappingRow = {
      ...before,
      claim_name: fields.claimName ?? before.claim_name,
      claim_value: fields.claimValue ?? before.claim_value,
      token: fields.token ?? before.token,
      active: fields.active === undefined ? before.active : fields.active ? 1 : 0,
      settings:
        fields.description === undefined ? before.settings : JSON.stringify({ description: fields.description }),
      updated_at: this.#clock.epoch(),
      updated_by: actor.name,
    }
    return this.#store(after, before, actor)
  }

  /** @throws GatewayError `not_found` */
  async delete(id: string, actor: Actor): Promise<void> {
    const row = await this.#row(id)
    await this.#plane.change(async trx => {
      await trx.deleteFrom('jwt_key_mappings').where('id', '=', id).execute()
      return {
        result: undefined,
        audit: [{ actor, action: 'deleted', objectKind: 'jwt_key_mapping', objectId: id, before: recorded(row) }],
        // Bearers are remembered by their tokens, not by their claims.
        notices: [{ kind: 'all', id: '' }],
      }
    })
  }

  /** @throws GatewayError `not_found` */
  async find(id: string): Promise<KeyMapping> {
    return shown(await this.#row(id))
  }

  async list(page: number, size: number): Promise<{ readonly mappings: KeyMapping[]; readonly total: number }> {
    const { db } = this.#plane.store
    const { total } = await db
      .selectFrom('jwt_key_mappings')
      .select(({ fn }) => fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow()
    const rows = await db
      .selectFrom('jwt_key_mappings')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(size)
      .offset((page - 1) * size)
      .execute()
    return { mappings: rows.map(shown), total: Number(total) }
  }

  #store(row: JwtKeyMappingRow, before: JwtKeyMappingRow | undefined, actor: Actor): Promise<KeyMapping> {
    return this.#plane.change(async trx => {
      const key = await trx.selectFrom('keys').select('token').where('token', '=', row.token).executeTakeFirst()
      if (key === undefined) throw new GatewayError('not_found', 'There is no such virtual key to map to.')
      const same = await trx
        .selectFrom('jwt_key_mappings')
        .select('id')
        .where('claim_name', '=', row.claim_name)
        .where('claim_value', '=', row.claim_value)
        .where('id', '!=', row.id)
        .executeTakeFirst()
      if (same !== undefined) {
        throw new GatewayError(
          'conflict',
          `This value of '${row.claim_name.slice(0, 100)}' is mapped to a key already.`,
        )
      }
      if (before === undefined) await trx.insertInto('jwt_key_mappings').values(row).execute()
      else await trx.updateTable('jwt_key_mappings').set(row).where('id', '=', row.id).execute()
      return {
        result: shown(row),
        audit: [
          {
            actor,
            action: before === undefined ? 'created' : 'updated',
            objectKind: 'jwt_key_mapping',
            objectId: row.id,
            before: before === undefined ? undefined : recorded(before),
            after: recorded(row),
          },
        ],
        notices: [{ kind: 'all', id: '' }],
      }
    })
  }

  async #row(id: string): Promise<JwtKeyMappingRow> {
    const { db } = this.#plane.store
    const row = await db.selectFrom('jwt_key_mappings').selectAll().where('id', '=', id).executeTakeFirst()
    if (row === undefined) throw new GatewayError('not_found', 'There is no such mapping.')
    return row
  }
}

const shown = (row: JwtKeyMappingRow): KeyMapping => ({
  id: row.id,
  jwt_claim_name: row.claim_name,
  jwt_claim_value: row.claim_value,
  description: textOf(parseSettings(row.settings), 'description') ?? null,
  is_active: row.active === 1,
  created_at: new Date(row.created_at).toISOString(),
  updated_at: new Date(row.updated_at).toISOString(),
  created_by: row.created_by,
  updated_by: row.updated_by,
})

const recorded = ({ claim_name, claim_value, token, active }: JwtKeyMappingRow): Record<string, unknown> => ({
  claim_name,
  claim_value,
  key: token.slice(0, 16),
  is_active: active === 1,
})
