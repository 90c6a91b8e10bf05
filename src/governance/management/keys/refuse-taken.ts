import type { Kysely } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { KeyRow, Tables } from '../../../platform/store/tables.ts'

/** @param token whether the key is to be made, or exists @throws GatewayError when the key or its alias exists */
export async function refuseTaken(
  db: Kysely<Tables>,
  row: Pick<KeyRow, 'token' | 'key_alias'>,
  token: 'new' | 'known',
): Promise<void> {
  const taken = await db
    .selectFrom('keys')
    .select(['token', 'key_alias'])
    .where(eb => eb.or([eb('token', '=', row.token), eb('key_alias', '=', row.key_alias)]))
    .execute()
  for (const other of taken) {
    if (row.key_alias !== null && other.key_alias === row.key_alias && other.token !== row.token) {
      throw new GatewayError('conflict', `A key with the alias '${row.key_alias}' exists already.`, {
        param: 'key_alias',
        status: 400,
      })
    }
    if (other.token === row.token && token === 'new') {
      throw new GatewayError('conflict', 'This key exists already.', { param: 'key', status: 400 })
    }
  }
}
