import type { Kysely } from 'kysely'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { newId } from '../../platform/ids.ts'
import type { Tables } from '../../platform/store/tables.ts'
import type { Actor, AuditAction, AuditEvent } from '../audit/audit-log.ts'
import type { Principal } from '../authentication/principal.ts'
import { startingSpend } from '../ledger/spend-reset.ts'
import type { ChangeNotice } from './change.ts'
import type { Management } from './management.ts'
import { mergedSettings, type Presentation, present } from './present.ts'
import { assignSpend, type Spender, setSpend, spenderOf } from './set-spend.ts'

/** A caller of the management API: what it may do, and how the audit log names it. */
export interface Caller {
  readonly principal: Principal
  readonly actor: Actor
}

/** Tables of objects that are managed alike: an id, columns, and the rest in `settings`. */
export type ManagedTable =
  | 'teams'
  | 'users'
  | 'organizations'
  | 'projects'
  | 'end_users'
  | 'budgets'
  | 'tags'
  | 'access_groups'

/** What is particular to one kind of object. */
export interface ObjectKind<T extends ManagedTable> {
  readonly table: T
  /** Column of its id. */
  readonly id: keyof Tables[T] & string
  /** As errors and the audit log call it: `team`. */
  readonly name: string
  /** Request fields that are columns or instructions, and so are not kept in `settings`. */
  readonly columns: ReadonlySet<string>
  readonly presentation: Presentation
  /** Which cached callers a change puts out of date. */
  readonly notices: (row: Tables[T]) => readonly ChangeNotice[]
}

type Row<T extends ManagedTable> = Tables[T] & {
  readonly settings: string
  readonly created_at: number
  readonly created_by: string | null
}

/** What came of writing more rows beside an object's own. */
export interface Further {
  readonly audit: readonly AuditEvent[]
  readonly notices: readonly ChangeNotice[]
}

/** Fields every new row gets. */
export type Stamps =
  | 'settings'
  | 'created_at'
  | 'created_by'
  | 'updated_at'
  | 'updated_by'
  | 'spend_since'
  | 'spend_base'

/**
 * Create, read, change and delete for one kind of object: with its audit record in the same transaction, and told to
 * all processes. Who may do what is decided by the service that uses it.
 */
export class ManagedObjects<T extends ManagedTable> {
  readonly kind: ObjectKind<T>
  readonly #management: Management

  constructor(management: Management, kind: ObjectKind<T>) {
    this.#management = management
    this.kind = kind
  }

  /** As the API shows it. */
  show(row: object): Record<string, unknown> {
    return present(row, this.kind.presentation)
  }

  async find(id: string, db: Kysely<Tables> = this.#db): Promise<Row<T> | undefined> {
    const { table, id: column } = this.kind
    const { rows } = await selectById(db, table, column, id)
    return rows[0] as Row<T> | undefined
  }

  /** @throws GatewayError 404 */
  async get(id: string): Promise<Row<T>> {
    const row = await this.find(id)
    if (row === undefined) throw this.missing(id)
    return row
  }

  missing(id: string): GatewayError {
    return new GatewayError('not_found', `There is no ${this.kind.name} '${id.slice(0, 200)}' that you may see.`)
  }

  /**
   * @param fields of the request; what is no column goes to `settings`
   * @param more further rows to write in the same transaction
   * @throws GatewayError 400 when the id is taken
   */
  async create(
    caller: Caller,
    columns: Omit<Tables[T], Stamps>,
    fields: Readonly<Record<string, unknown>>,
    more?: (trx: Kysely<Tables>) => Promise<Further>,
  ): Promise<Row<T>> {
    const now = this.#management.clock.epoch()
    const row = {
      ...columns,
      settings: mergedSettings(undefined, fields, this.kind.columns),
      created_at: now,
      created_by: caller.actor.name,
      updated_at: now,
      updated_by: caller.actor.name,
    } as unknown as Row<T>
    const spender = this.#spender(row)
    const spend = spendOf(row)
    await this.#management.governance.change(async trx => {
      const id = this.#idOf(row)
      if ((await this.find(id, trx)) !== undefined) throw this.#taken(id)
      // The ledger may know the id: end users and tags before anybody makes objects of them, others from an earlier life.
      const beginning = spender === undefined ? {} : startingSpend(spend, now)
      await insertRow(trx, this.kind.table, { ...row, ...beginning })
      const further = await more?.(trx)
      return {
        result: undefined,
        audit: [this.#event(caller, 'created', row, undefined, this.show(row)), ...(further?.audit ?? [])],
        notices: [...this.kind.notices(row), ...(further?.notices ?? [])],
      }
    })
    if (spender !== undefined) await assignSpend(this.#management, spender, spend)
    return row
  }

  /** @param columns that change; spend is only written when it is among them */
  async update(
    caller: Caller,
    before: Row<T>,
    columns: Partial<Tables[T]>,
    fields: Readonly<Record<string, unknown>>,
    options: {
      readonly action?: AuditAction
      readonly more?: (trx: Kysely<Tables>) => Promise<readonly AuditEvent[]>
    } = {},
  ): Promise<Row<T>> {
    // Spend that is set by hand begins a period of its own; the column alone would be at odds with the ledger.
    const { spend, ...others } = columns as Partial<Tables[T]> & { readonly spend?: number }
    const changes = {
      ...others,
      settings: mergedSettings(before.settings, fields, this.kind.columns),
      updated_at: this.#management.clock.epoch(),
      updated_by: caller.actor.name,
    }
    const after = { ...before, ...changes, ...(spend === undefined ? {} : { spend }) } as Row<T>
    const spender = spend === undefined ? undefined : this.#spender(after)
    await this.#management.governance.change(async trx => {
      await updateRow(trx, this.kind.table, this.kind.id, this.#idOf(before), changes)
      if (spender !== undefined) await setSpend(this.#management, trx, spender, spend ?? 0)
      const further = (await options.more?.(trx)) ?? []
      return {
        result: undefined,
        audit: [
          this.#event(caller, options.action ?? 'updated', after, this.show(before), this.show(after)),
          ...further,
        ],
        notices: [...this.kind.notices(before), ...this.kind.notices(after)],
      }
    })
    if (spender !== undefined) await assignSpend(this.#management, spender, spend ?? 0)
    return after
  }

  /** Deletes rows and keeps a copy in `deleted_objects`. @param more what goes with them */
  async delete(
    caller: Caller,
    rows: readonly Row<T>[],
    more?: (trx: Kysely<Tables>, ids: readonly string[]) => Promise<readonly ChangeNotice[]>,
  ): Promise<void> {
    const now = this.#management.clock.epoch()
    await this.#management.governance.change(async trx => {
      const ids = rows.map(row => this.#idOf(row))
      const further = (await more?.(trx, ids)) ?? []
      for (const row of rows) {
        const id = this.#idOf(row)
        await deleteRow(trx, this.kind.table, this.kind.id, id)
        await trx
          .insertInto('deleted_objects')
          .values({
            id: newId(),
            kind: this.kind.name,
            object_id: id,
            value: JSON.stringify(row),
            deleted_at: now,
            deleted_by: caller.actor.name,
          })
          .execute()
      }
      return {
        result: undefined,
        audit: rows.map(row => this.#event(caller, 'deleted', row, this.show(row), undefined)),
        notices: [...rows.flatMap(row => this.kind.notices(row)), ...further],
      }
    })
  }

  get #db(): Kysely<Tables> {
    return this.#management.governance.store.db
  }

  #spender(row: Row<T>): Spender | undefined {
    return spenderOf(this.kind.table, this.#idOf(row), row as unknown as Parameters<typeof spenderOf>[2])
  }

  #idOf(row: Row<T>): string {
    return String(row[this.kind.id])
  }

  #taken(id: string): GatewayError {
    return new GatewayError('conflict', `A ${this.kind.name} '${id.slice(0, 200)}' exists already.`, {
      param: this.kind.id,
      status: 400,
    })
  }

  #event(
    caller: Caller,
    action: AuditAction,
    row: Row<T>,
    before: Record<string, unknown> | undefined,
    after: Record<string, unknown> | undefined,
  ): AuditEvent {
    const objectKind = this.kind.name.replace(' ', '_')
    return { actor: caller.actor, action, objectKind, objectId: this.#idOf(row), before, after }
  }
}

const spendOf = (row: object): number => {
  const { spend } = row as { readonly spend?: unknown }
  return typeof spend === 'number' ? spend : 0
}

// Kysely's types follow one table at a time; for a table known only as one of several its builders are used as plain SQL.
type AnyTable = Kysely<Record<string, Record<string, unknown>>>
const any = (db: Kysely<Tables>): AnyTable => db as unknown as AnyTable

async function selectById(db: Kysely<Tables>, table: string, column: string, id: string) {
  return { rows: await any(db).selectFrom(table).selectAll().where(column, '=', id).execute() }
}

async function insertRow(db: Kysely<Tables>, table: string, row: object): Promise<void> {
  await any(db)
    .insertInto(table)
    .values(row as Record<string, unknown>)
    .execute()
}

async function updateRow(
  db: Kysely<Tables>,
  table: string,
  column: string,
  id: string,
  changes: object,
): Promise<void> {
  await any(db)
    .updateTable(table)
    .set(changes as Record<string, unknown>)
    .where(column, '=', id)
    .execute()
}

async function deleteRow(db: Kysely<Tables>, table: string, column: string, id: string): Promise<void> {
  await any(db).deleteFrom(table).where(column, '=', id).execute()
}
