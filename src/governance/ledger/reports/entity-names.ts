import { type Kysely, sql } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'
import type { Entity } from './sums-query.ts'

/**
 * The ids that ever had a call, in order. Jumps through the key from one id to the next, so it costs by ids and not by
 * calls or days.
 * @param prefix of the ids that are wanted
 */
export async function entityNames(
  db: Kysely<Tables>,
  entity: Entity,
  limit: number,
  prefix = '',
): Promise<readonly string[]> {
  // The last character of the prefix, one further: the first text that does not begin with it.
  const end =
    prefix === '' ? undefined : prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
  const before = end === undefined ? sql`` : sql` and entity_id < ${end}`
  const { rows } = await sql<{ id: string }>`
    with recursive found(id) as (
      select min(entity_id) from daily_spend where entity = ${entity} and entity_id >= ${prefix}${before}
      union all
      select (select min(entity_id) from daily_spend where entity = ${entity} and entity_id > found.id${before})
      from found where found.id is not null
    )
    select id from found where id is not null limit ${limit}
  `.execute(db)
  return rows.map(({ id }) => id)
}
