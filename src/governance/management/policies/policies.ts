import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import type { PolicyRow, Tables } from '../../../platform/store/tables.ts'
import type { AuditAction } from '../../audit/audit-log.ts'
import { type Policy, PolicyInvalid } from '../../authorization/policy/policy.ts'
import { compilePolicy } from '../../authorization/policy/policy-set.ts'
import { policyOf, policyRows } from '../access/stored-access.ts'
import type { Caller } from '../managed-objects.ts'
import type { Management } from '../management.ts'
import { isoTime } from '../present.ts'

/** A policy as it is sent; `position` orders those of the database. */
export type SentPolicy = Policy & { readonly position?: number | undefined }

type Shown = Record<string, unknown>

const most = 1000

/** Access policies kept in the database. They are looked at after those of the configuration. */
export class Policies {
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
  }

  async list(): Promise<Shown[]> {
    return (await policyRows(this.#db)).map(shown)
  }

  async get(id: string): Promise<Shown> {
    return shown(await this.#row(this.#db, id))
  }

  /** @throws GatewayError 400 that names the field at fault */
  create(caller: Caller, sent: SentPolicy): Promise<Shown> {
    check(sent)
    return this.#change(caller, 'created', async trx => {
      const rows = await policyRows(trx)
      if (rows.length >= most) throw new GatewayError('invalid_request', `There may be ${most} policies at most.`)
      refuseTaken(rows, sent.name, undefined)
      const now = this.#management.clock.epoch()
      const row: PolicyRow = {
        policy_id: newId(),
        // At the end, unless it says where.
        ...columns(sent, (rows.at(-1)?.position ?? 0) + 10),
        created_at: now,
        created_by: caller.actor.name,
        updated_at: now,
        updated_by: caller.actor.name,
      }
      await trx.insertInto('policies').values(row).execute()
      return { before: undefined, after: row }
    })
  }

  /** Takes the place of the whole policy; its position stays unless it says another. */
  replace(caller: Caller, id: string, sent: SentPolicy): Promise<Shown> {
    check(sent)
    return this.#change(caller, 'updated', async trx => {
      const before = await this.#row(trx, id)
      refuseTaken(await policyRows(trx), sent.name, before.policy_id)
      const after: PolicyRow = {
        ...before,
        ...columns(sent, before.position),
        updated_at: this.#management.clock.epoch(),
        updated_by: caller.actor.name,
      }
      await trx.updateTable('policies').set(after).where('policy_id', '=', before.policy_id).execute()
      return { before, after }
    })
  }

  delete(caller: Caller, id: string): Promise<Shown> {
    return this.#change(caller, 'deleted', async trx => {
      const before = await this.#row(trx, id)
      await trx.deleteFrom('policies').where('policy_id', '=', before.policy_id).execute()
      return { before, after: undefined }
    })
  }

  /** By id or name. @throws GatewayError 404 */
  async #row(db: Kysely<Tables>, id: string): Promise<PolicyRow> {
    const row = await db
      .selectFrom('policies')
      .selectAll()
      .where(eb => eb.or([eb('policy_id', '=', id), eb('name', '=', id)]))
      .executeTakeFirst()
    if (row !== undefined) return row
    throw new GatewayError(
      'not_found',
      `There is no policy '${id.slice(0, 200)}' in the database; those of the config file are changed there.`,
    )
  }

  #change(
    caller: Caller,
    action: AuditAction,
    work: (trx: Kysely<Tables>) => Promise<{ before: PolicyRow | undefined; after: PolicyRow | undefined }>,
  ): Promise<Shown> {
    return this.#management.governance.change(async trx => {
      const { before, after } = await work(trx)
      const row = after ?? before
      const id = row?.policy_id ?? ''
      return {
        result: row === undefined ? {} : shown(row),
        audit: [
          {
            actor: caller.actor,
            action,
            objectKind: 'policy',
            objectId: id,
            before: before === undefined ? undefined : shown(before),
            after: after === undefined ? undefined : shown(after),
          },
        ],
        notices: [{ kind: 'policies', id }],
      }
    })
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }
}

function columns({ name, enabled, dry_run, position, ...rest }: SentPolicy, byDefault: number) {
  return {
    name,
    position: position ?? byDefault,
    enabled: Number(enabled !== false),
    dry_run: Number(dry_run === true),
    settings: JSON.stringify(rest),
  }
}

function shown(row: PolicyRow): Shown {
  return {
    policy_id: row.policy_id,
    position: row.position,
    ...policyOf(row),
    source: 'database',
    created_at: isoTime(row.created_at),
    created_by: row.created_by,
    updated_at: isoTime(row.updated_at),
    updated_by: row.updated_by,
  }
}

function check(policy: Policy): void {
  try {
    compilePolicy(policy, 'database')
  } catch (error) {
    if (error instanceof PolicyInvalid) {
      throw new GatewayError('invalid_request', `${error.message}.`, { param: error.param })
    }
    throw error
  }
}

function refuseTaken(rows: readonly PolicyRow[], name: string, own: string | undefined): void {
  if (!rows.some(row => row.name === name && row.policy_id !== own)) return
  throw new GatewayError('conflict', `A policy '${name.slice(0, 200)}' exists already.`, { param: 'name', status: 400 })
}
