import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely'
import { offsetPage } from '../../platform/store/pages.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { kindOf } from './object-kinds.ts'
import type { AuditRecord } from './record.ts'

/** LiteLLM's filters, and `outcome`. Every given one must hold. */
export interface AuditFilter {
  /** The actor, or on whose behalf it acted. */
  readonly changedBy?: string | undefined
  /** Hash of the actor's key. */
  readonly changedByApiKey?: string | undefined
  readonly action?: string | undefined
  /** LiteLLM's table name or our kind. */
  readonly tableName?: string | undefined
  readonly objectId?: string | undefined
  /** `team_id` inside the values before or after. */
  readonly objectTeamId?: string | undefined
  /** `token` inside the values before or after. */
  readonly objectKeyHash?: string | undefined
  readonly outcome?: string | undefined
  /** Equals the record's id, object, actor or key hash. */
  readonly search?: string | undefined
  /** Epoch ms, inclusive. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

export const auditSortColumns = {
  updated_at: 'at',
  changed_by: 'actor',
  changed_by_api_key: 'actor_token',
  action: 'action',
  table_name: 'object_kind',
  object_id: 'object_id',
  id: 'id',
  seq: 'seq',
} as const satisfies Record<string, keyof Tables['audit']>

export interface AuditPageRequest {
  readonly filter: AuditFilter
  readonly page: number
  readonly pageSize: number
  readonly sortBy: keyof typeof auditSortColumns
  readonly descending: boolean
}

export interface AuditPage {
  readonly records: readonly AuditRecord[]
  readonly total: number
}

type Audit = ExpressionBuilder<Tables, 'audit'>

export async function queryAudit(store: Store, request: AuditPageRequest): Promise<AuditPage> {
  const { filter, page, pageSize, sortBy, descending } = request
  const where = (builder: Audit): Expression<SqlBool> => builder.and(conditions(builder, store.dialect, filter))
  const direction = descending ? 'desc' : 'asc'
  const query = store.db
    .selectFrom('audit')
    .selectAll()
    .where(where)
    .orderBy(auditSortColumns[sortBy], direction)
    .orderBy('seq', direction)
  const { rows, total } = await offsetPage(query, page, pageSize)
  return { records: rows, total }
}

export async function findRecord(store: Store, id: string): Promise<AuditRecord | undefined> {
  return store.db.selectFrom('audit').selectAll().where('id', '=', id).limit(1).executeTakeFirst()
}

function conditions(builder: Audit, dialect: Store['dialect'], filter: AuditFilter): Expression<SqlBool>[] {
  const found: Expression<SqlBool>[] = []
  const equal = (column: 'actor_token' | 'action' | 'object_kind' | 'object_id' | 'outcome', value?: string): void => {
    if (value !== undefined) found.push(builder(column, '=', value))
  }
  equal('actor_token', filter.changedByApiKey)
  equal('action', filter.action)
  equal('object_kind', filter.tableName === undefined ? undefined : kindOf(filter.tableName))
  equal('object_id', filter.objectId)
  equal('outcome', filter.outcome)
  if (filter.from !== undefined) found.push(builder('at', '>=', filter.from))
  if (filter.to !== undefined) found.push(builder('at', '<=', filter.to))
  if (filter.changedBy !== undefined) found.push(changedBy(builder, dialect, filter.changedBy))
  if (filter.search !== undefined) {
    const { search } = filter
    found.push(
      builder.or([
        builder('id', '=', search),
        builder('object_id', '=', search),
        builder('actor_token', '=', search),
        changedBy(builder, dialect, search),
      ]),
    )
  }
  for (const [name, value] of [
    ['team_id', filter.objectTeamId],
    ['token', filter.objectKeyHash],
  ] as const) {
    if (value === undefined) continue
    const needle = `${JSON.stringify(name)}:${JSON.stringify(value)}`
    found.push(builder.or([contains(dialect, 'before', needle), contains(dialect, 'after', needle)]))
  }
  return found
}

/** The actor itself, or `on_behalf_of`, which is written as the first field of `details`. */
function changedBy(builder: Audit, dialect: Store['dialect'], name: string): Expression<SqlBool> {
  const start = `{"on_behalf_of":${JSON.stringify(name)}`
  return builder.or([builder('actor', '=', name), sql<SqlBool>`${position(dialect, 'details', start)} = 1`])
}

const contains = (dialect: Store['dialect'], column: string, needle: string): Expression<SqlBool> =>
  sql<SqlBool>`${position(dialect, column, needle)} > 0`

/** Where a text is found in a column, counted from 1; not LIKE, whose wildcards a caller could send. */
function position(dialect: Store['dialect'], column: string, needle: string): Expression<number> {
  const name = sql.ref(`audit.${column}`)
  return dialect === 'postgres' ? sql<number>`strpos(${name}, ${needle})` : sql<number>`instr(${name}, ${needle})`
}
