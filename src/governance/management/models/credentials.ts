import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { CredentialRow, Tables } from '../../../platform/store/tables.ts'
import type { AuditAction } from '../../audit/audit-log.ts'
import type { Cipher } from '../../encryption/cipher.ts'
import { isRecord, parseSettings } from '../../objects/settings.ts'
import type { ChangeNotice } from '../change.ts'
import type { Caller } from '../managed-objects.ts'
import type { Management } from '../management.ts'

type Shown = Record<string, unknown>

export const credentialPlace = (name: string): string => `credential:${name}`
export const modelPlace = (id: string): string => `model:${id}`

/** Vendor credentials that deployments refer to by name (`litellm_credential_name`); values never leave. */
export class Credentials {
  readonly #management: Management
  readonly #cipher: Cipher

  constructor(management: Management, cipher: Cipher) {
    this.#management = management
    this.#cipher = cipher
  }

  async create(caller: Caller, name: string, values: Shown, info: Shown): Promise<Shown> {
    if ((await this.#find(name)) !== undefined) {
      throw new GatewayError('conflict', `A credential '${name}' exists already.`, {
        param: 'credential_name',
        status: 400,
      })
    }
    const now = this.#management.clock.epoch()
    const row: CredentialRow = {
      credential_name: name,
      values_encrypted: this.#cipher.encrypt(JSON.stringify(values), credentialPlace(name)),
      settings: JSON.stringify(info),
      created_at: now,
      created_by: caller.actor.name,
      updated_at: now,
      updated_by: caller.actor.name,
    }
    await this.#write(caller, 'created', undefined, row)
    return this.#shown(row)
  }

  /** Values that are sent replace those of the same name; others stay. */
  async update(caller: Caller, name: string, values: Shown | undefined, info: Shown | undefined): Promise<Shown> {
    const before = await this.#get(name)
    const merged = { ...this.#values(before), ...values }
    const row: CredentialRow = {
      ...before,
      values_encrypted: this.#cipher.encrypt(JSON.stringify(merged), credentialPlace(name)),
      settings: JSON.stringify({ ...parseSettings(before.settings), ...info }),
      updated_at: this.#management.clock.epoch(),
      updated_by: caller.actor.name,
    }
    await this.#write(caller, 'updated', before, row)
    return this.#shown(row)
  }

  async delete(caller: Caller, name: string): Promise<void> {
    const before = await this.#get(name)
    await this.#write(caller, 'deleted', before, undefined)
  }

  async info(name: string): Promise<Shown> {
    return this.#shown(await this.#get(name))
  }

  async list(): Promise<Shown[]> {
    const rows = await this.#db.selectFrom('credentials').selectAll().orderBy('credential_name').limit(1000).execute()
    return rows.map(row => this.#shown(row))
  }

  /** Rewrites everything that was encrypted with an older salt key. @returns how many values */
  async reencrypt(caller: Caller, dryRun: boolean): Promise<{ credentials: number; models: number }> {
    const [credentials, models] = await Promise.all([
      this.#db.selectFrom('credentials').selectAll().execute(),
      this.#db.selectFrom('models').selectAll().execute(),
    ])
    const oldCredentials = credentials.filter(row => !this.#cipher.isCurrent(row.values_encrypted))
    const oldModels = models.filter(row => !this.#cipher.isCurrent(row.params_encrypted))
    const renewed = { credentials: oldCredentials.length, models: oldModels.length }
    if (dryRun || renewed.credentials + renewed.models === 0) return renewed
    const again = (text: string, place: string): string =>
      this.#cipher.encrypt(this.#cipher.decrypt(text, place), place)
    await this.#management.governance.change(async trx => {
      for (const row of oldCredentials) {
        const place = credentialPlace(row.credential_name)
        await trx
          .updateTable('credentials')
          .set({ values_encrypted: again(row.values_encrypted, place) })
          .where('credential_name', '=', row.credential_name)
          .execute()
      }
      for (const row of oldModels) {
        const place = modelPlace(row.model_id)
        await trx
          .updateTable('models')
          .set({ params_encrypted: again(row.params_encrypted, place) })
          .where('model_id', '=', row.model_id)
          .execute()
      }
      return {
        result: undefined,
        audit: [{ actor: caller.actor, action: 'rotated', objectKind: 'credential', objectId: '*', details: renewed }],
        notices: [],
      }
    })
    return renewed
  }

  /** @throws GatewayError 404 */
  async #get(name: string): Promise<CredentialRow> {
    const row = await this.#find(name)
    if (row === undefined) throw new GatewayError('not_found', `There is no credential '${name.slice(0, 200)}'.`)
    return row
  }

  #find(name: string): Promise<CredentialRow | undefined> {
    return this.#db.selectFrom('credentials').selectAll().where('credential_name', '=', name).executeTakeFirst()
  }

  #values(row: CredentialRow): Shown {
    const values: unknown = JSON.parse(this.#cipher.decrypt(row.values_encrypted, credentialPlace(row.credential_name)))
    return isRecord(values) ? values : {}
  }

  /** Names of the values are told, the values are not. */
  #shown(row: CredentialRow): Shown {
    return {
      credential_name: row.credential_name,
      credential_values: Object.fromEntries(Object.keys(this.#values(row)).map(name => [name, '[redacted]'])),
      credential_info: parseSettings(row.settings),
    }
  }

  async #write(
    caller: Caller,
    action: AuditAction,
    before: CredentialRow | undefined,
    after: CredentialRow | undefined,
  ): Promise<void> {
    const name = (after ?? before)?.credential_name ?? ''
    const notices: ChangeNotice[] = [{ kind: 'models', id: name }]
    await this.#management.governance.change(async trx => {
      if (before !== undefined) await trx.deleteFrom('credentials').where('credential_name', '=', name).execute()
      if (after !== undefined) await trx.insertInto('credentials').values(after).execute()
      return {
        result: undefined,
        audit: [
          {
            actor: caller.actor,
            action,
            objectKind: 'credential',
            objectId: name,
            before: before === undefined ? undefined : this.#shown(before),
            after: after === undefined ? undefined : this.#shown(after),
          },
        ],
        notices,
      }
    })
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}
