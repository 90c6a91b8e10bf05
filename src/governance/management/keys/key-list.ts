import type { Kysely, SelectQueryBuilder } from 'kysely'
import type { KeyRow, Tables } from '../../../platform/store/tables.ts'
import type { Principal } from '../../authentication/principal.ts'
import { visibilityOf } from '../../authorization/tenancy.ts'
import { keyObject } from './key-object.ts'

/** Filters of `/key/list`. */
export interface KeyFilter {
  readonly userId?: string | undefined
  readonly teamId?: string | undefined
  readonly organizationId?: string | undefined
  readonly alias?: string | undefined
  readonly token?: string | undefined
  readonly blocked?: boolean | undefined
  /** Also the keys of teams the caller administers. */
  readonly includeTeamKeys: boolean
  /** Also keys the caller made for others. */
  readonly includeCreatedBy: boolean
  readonly page: number
  readonly size: number
  readonly sortBy: KeySort
  readonly sortOrder: 'asc' | 'desc'
}

export const keySorts = ['created_at', 'updated_at', 'expires_at', 'key_alias', 'spend', 'last_active_at'] as const
export type KeySort = (typeof keySorts)[number]

export interface KeyPage {
  readonly keys: readonly KeyRow[]
  readonly total: number
}

type KeyQuery<O> = SelectQueryBuilder<Tables, 'keys', O>

/** The keys a caller may see, one page of them. */
export async function listKeys(db: Kysely<Tables>, principal: Principal, filter: KeyFilter): Promise<KeyPage> {
  // Awaited together: were one left behind by the failure of the other, its own would end the process.
  const [counted, keys] = await Promise.all([
    narrowed(db.selectFrom('keys'), principal, filter)
      .select(eb => eb.fn.countAll<number | string>().as('total'))
      .executeTakeFirst(),
    narrowed(db.selectFrom('keys'), principal, filter)
      .selectAll()
      .orderBy(filter.sortBy, filter.sortOrder)
      .orderBy('token')
      .limit(filter.size)
      .offset((filter.page - 1) * filter.size)
      .execute(),
  ])
  return { keys, total: Number(counted?.total ?? 0) }
}

export async function listAliases(
  db: Kysely<Tables>,
  principal: Principal,
  search: string | undefined,
  limit: number,
): Promise<string[]> {
  let query = narrowed(db.selectFrom('keys'), principal, { includeTeamKeys: true, includeCreatedBy: false })
    .select('key_alias')
    .where('key_alias', 'is not', null)
  if (search !== undefined) query = query.where('key_alias', 'like', `%${escaped(search)}%`)
  const rows = await query.orderBy('key_alias').limit(limit).execute()
  return rows.flatMap(row => (row.key_alias === null ? [] : [row.key_alias]))
}

/** As `/key/list` shows keys: hashes, or whole objects. */
export const shownKeys = (keys: readonly KeyRow[], full: boolean): readonly unknown[] =>
  full ? keys.map(keyObject) : keys.map(row => row.token)

/** `%` and `_` would match anything; what is searched for is meant literally. */
const escaped = (text: string): string => text.replaceAll(/[%_]/g, '')

function narrowed<O>(
  query: KeyQuery<O>,
  principal: Principal,
  filter: Partial<KeyFilter> & Pick<KeyFilter, 'includeTeamKeys' | 'includeCreatedBy'>,
): KeyQuery<O> {
  let narrow = query
  if (filter.userId !== undefined) narrow = narrow.where('user_id', '=', filter.userId)
  if (filter.teamId !== undefined) narrow = narrow.where('team_id', '=', filter.teamId)
  if (filter.organizationId !== undefined) narrow = narrow.where('organization_id', '=', filter.organizationId)
  if (filter.alias !== undefined) narrow = narrow.where('key_alias', '=', filter.alias)
  if (filter.token !== undefined) narrow = narrow.where('token', '=', filter.token)
  if (filter.blocked !== undefined) narrow = narrow.where('blocked', '=', Number(filter.blocked))
  const visible = visibilityOf(principal)
  if (visible === undefined) return narrow
  return narrow.where(eb =>
    eb.or([
      eb('token', '=', visible.token),
      ...(visible.userId === undefined ? [] : [eb('user_id', '=', visible.userId)]),
      ...(filter.includeCreatedBy && visible.userId !== undefined ? [eb('created_by', '=', visible.userId)] : []),
      ...(visible.teamIds.length === 0 || !(filter.includeTeamKeys || filter.teamId !== undefined)
        ? []
        : [eb('team_id', 'in', [...visible.teamIds])]),
      ...(visible.organizationIds.length === 0 ? [] : [eb('organization_id', 'in', [...visible.organizationIds])]),
    ]),
  )
}
