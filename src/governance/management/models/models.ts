import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import type { ModelRow, Tables } from '../../../platform/store/tables.ts'
import type { AuditAction } from '../../audit/audit-log.ts'
import type { Cipher } from '../../encryption/cipher.ts'
import { isRecord, parseSettings } from '../../objects/settings.ts'
import type { Caller } from '../managed-objects.ts'
import type { Management } from '../management.ts'
import type { CheckEntry, ModelEntry } from '../model-entry.ts'
import { credentialPlace, modelPlace } from './credentials.ts'

type Shown = Record<string, unknown>

/** Deployments kept in the database, beside those of the file. Vendor settings are encrypted whole. */
export class Models {
  readonly #management: Management
  readonly #cipher: Cipher
  readonly #check: CheckEntry

  constructor(management: Management, cipher: Cipher, check: CheckEntry) {
    this.#management = management
    this.#cipher = cipher
    this.#check = check
  }

  /** @throws GatewayError 400 that names what cannot be served */
  async create(
    caller: Caller,
    sent: { model_name: string; litellm_params: Shown; model_info?: Shown | null | undefined },
  ): Promise<Shown> {
    const info = sent.model_info ?? {}
    const id = typeof info['id'] === 'string' && info['id'] !== '' ? info['id'] : newId()
    const entry: ModelEntry = {
      model_name: sent.model_name,
      litellm_params: sent.litellm_params,
      model_info: { ...info, id, db_model: true },
    }
    await this.#refuseBad(entry)
    if ((await this.#find(id)) !== undefined) {
      throw new GatewayError('conflict', `A model with the id '${id}' exists already.`, {
        param: 'model_info.id',
        status: 400,
      })
    }
    const now = this.#management.clock.epoch()
    const row: ModelRow = {
      model_id: id,
      model_name: entry.model_name,
      params_encrypted: this.#cipher.encrypt(JSON.stringify(entry.litellm_params), modelPlace(id)),
      team_id: typeof info['team_id'] === 'string' ? info['team_id'] : null,
      blocked: 0,
      settings: JSON.stringify(entry.model_info),
      created_at: now,
      created_by: caller.actor.name,
      updated_at: now,
      updated_by: caller.actor.name,
    }
    await this.#write(caller, 'created', undefined, row)
    return this.#shown(row)
  }

  /** Fields that are sent replace those of the same name. */
  async update(
    caller: Caller,
    id: string,
    sent: {
      model_name?: string | null | undefined
      litellm_params?: Shown | null | undefined
      model_info?: Shown | null | undefined
    },
  ): Promise<Shown> {
    const before = await this.#get(id)
    const entry: ModelEntry = {
      model_name: sent.model_name ?? before.model_name,
      litellm_params: { ...this.#params(before), ...sent.litellm_params },
      model_info: { ...parseSettings(before.settings), ...sent.model_info, id, db_model: true },
    }
    await this.#refuseBad(entry)
    const row: ModelRow = {
      ...before,
      model_name: entry.model_name,
      params_encrypted: this.#cipher.encrypt(JSON.stringify(entry.litellm_params), modelPlace(id)),
      settings: JSON.stringify(entry.model_info),
      updated_at: this.#management.clock.epoch(),
      updated_by: caller.actor.name,
    }
    await this.#write(caller, 'updated', before, row)
    return this.#shown(row)
  }

  async setBlocked(caller: Caller, id: string, blocked: boolean): Promise<Shown> {
    const before = await this.#get(id)
    const row = { ...before, blocked: Number(blocked) }
    await this.#write(caller, blocked ? 'blocked' : 'unblocked', before, row)
    return this.#shown(row)
  }

  async delete(caller: Caller, id: string): Promise<void> {
    await this.#write(caller, 'deleted', await this.#get(id), undefined)
  }

  /** @throws GatewayError 404; a deployment of the file is changed in the file */
  async #get(id: string): Promise<ModelRow> {
    const row = await this.#find(id)
    if (row !== undefined) return row
    throw new GatewayError(
      'not_found',
      `There is no model with the id '${id.slice(0, 200)}' in the database; those of the config file are changed there.`,
    )
  }

  #find(id: string): Promise<ModelRow | undefined> {
    return this.#db.selectFrom('models').selectAll().where('model_id', '=', id).executeTakeFirst()
  }

  #params(row: ModelRow): Shown {
    const params: unknown = JSON.parse(this.#cipher.decrypt(row.params_encrypted, modelPlace(row.model_id)))
    return isRecord(params) ? params : {}
  }

  async #refuseBad(entry: ModelEntry): Promise<void> {
    const [complete] = await withCredentials(this.#db, this.#cipher, [entry], missing => {
      throw new GatewayError('invalid_request', missing, { param: 'litellm_params.litellm_credential_name' })
    })
    const reason = complete === undefined ? undefined : await this.#check(complete)
    if (reason !== undefined) throw new GatewayError('invalid_request', reason, { param: 'litellm_params' })
  }

  #shown(row: ModelRow): Shown {
    return {
      model_id: row.model_id,
      model_name: row.model_name,
      litellm_params: shownParams(this.#params(row)),
      model_info: { ...parseSettings(row.settings), blocked: row.blocked === 1 },
      created_at: new Date(row.created_at).toISOString(),
      created_by: row.created_by,
      updated_at: new Date(row.updated_at).toISOString(),
      updated_by: row.updated_by,
    }
  }

  async #write(
    caller: Caller,
    action: AuditAction,
    before: ModelRow | undefined,
    after: ModelRow | undefined,
  ): Promise<void> {
    const id = (after ?? before)?.model_id ?? ''
    await this.#management.governance.change(async trx => {
      if (before !== undefined) await trx.deleteFrom('models').where('model_id', '=', id).execute()
      if (after !== undefined) await trx.insertInto('models').values(after).execute()
      return {
        result: undefined,
        audit: [
          {
            actor: caller.actor,
            action,
            objectKind: 'model',
            objectId: id,
            before: before === undefined ? undefined : this.#shown(before),
            after: after === undefined ? undefined : this.#shown(after),
          },
        ],
        notices: [{ kind: 'models', id }],
      }
    })
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}

/** Every deployment of the database that is not blocked, ready for `model_list`. @throws StoreUnavailable */
export async function storedModels(
  db: Kysely<Tables>,
  cipher: Cipher,
  problem: (text: string) => void,
): Promise<readonly ModelEntry[]> {
  const rows = await db
    .selectFrom('models')
    .selectAll()
    .where('blocked', '=', 0)
    .orderBy('created_at')
    .orderBy('model_id')
    .limit(10_000)
    .execute()
  const entries: ModelEntry[] = []
  for (const row of rows) {
    try {
      const params: unknown = JSON.parse(cipher.decrypt(row.params_encrypted, modelPlace(row.model_id)))
      entries.push({
        model_name: row.model_name,
        litellm_params: isRecord(params) ? params : {},
        model_info: { ...parseSettings(row.settings), id: row.model_id },
      })
    } catch (error) {
      problem(error instanceof Error ? error.message : `model ${row.model_id} cannot be read`)
    }
  }
  return withCredentials(db, cipher, entries, problem)
}

/** Lays the values of a named credential under the entry's own parameters; an entry without its credential is left out. */
async function withCredentials(
  db: Kysely<Tables>,
  cipher: Cipher,
  entries: readonly ModelEntry[],
  problem: (text: string) => void,
): Promise<readonly ModelEntry[]> {
  const names = new Set(entries.flatMap(({ litellm_params: params }) => nameOf(params) ?? []))
  if (names.size === 0) return entries
  const rows = await db
    .selectFrom('credentials')
    .selectAll()
    .where('credential_name', 'in', [...names])
    .execute()
  const values = new Map<string, Shown>()
  for (const row of rows) {
    const own: unknown = JSON.parse(cipher.decrypt(row.values_encrypted, credentialPlace(row.credential_name)))
    if (isRecord(own)) values.set(row.credential_name, own)
  }
  return entries.flatMap(entry => {
    const name = nameOf(entry.litellm_params)
    if (name === undefined) return [entry]
    const found = values.get(name)
    if (found === undefined) {
      problem(`There is no credential '${name}', which the model '${entry.model_name}' refers to.`)
      return []
    }
    const { litellm_credential_name: _named, ...own } = entry.litellm_params
    return [{ ...entry, litellm_params: { ...found, ...own } }]
  })
}

const nameOf = (params: Shown): string | undefined =>
  typeof params['litellm_credential_name'] === 'string' ? params['litellm_credential_name'] : undefined

const secretName = /key|token|secret|password|credential|authorization|headers/i

/** Parameters without what opens a door at a vendor. */
export function shownParams(params: Shown): Shown {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      secretName.test(name) && name !== 'litellm_credential_name' && !/tokens?$|_cost/i.test(name) && value != null
        ? '[redacted]'
        : value,
    ]),
  )
}
