import type { Kysely } from 'kysely'
import type { PolicyRow, Tables } from '../../../platform/store/tables.ts'
import type { StoredAccess } from '../../authorization/policy/access-control.ts'
import { compilePolicies } from '../../authorization/policy/access-settings.ts'
import { AddressList } from '../../authorization/policy/address-list.ts'
import type { Policy } from '../../authorization/policy/policy.ts'
import { parseSettings } from '../../objects/settings.ts'
import { storedValue } from '../settings/stored-value.ts'

/** Name of the row in `settings`. */
export const allowedIpsSetting = 'allowed_ips'

/** Policies and addresses of the database, ready for use. @throws PolicyInvalid, StoreUnavailable */
export async function readStoredAccess(db: Kysely<Tables>): Promise<StoredAccess> {
  const [rows, ips] = await Promise.all([policyRows(db), storedAddresses(db)])
  return {
    policies: compilePolicies(rows.map(policyOf), 'database', index => `policies[${rows[index]?.name ?? index}]`),
    addresses: ips.length === 0 ? undefined : new AddressList(ips, allowedIpsSetting),
  }
}

/** In the order they are looked at. */
export const policyRows = (db: Kysely<Tables>): Promise<PolicyRow[]> =>
  db.selectFrom('policies').selectAll().orderBy('position').orderBy('name').execute()

export const policyOf = (row: PolicyRow): Policy => ({
  ...(parseSettings(row.settings) as unknown as Policy),
  name: row.name,
  enabled: row.enabled === 1,
  dry_run: row.dry_run === 1,
})

/** Empty: no list. */
export async function storedAddresses(db: Kysely<Tables>): Promise<readonly string[]> {
  const value = await storedValue(db, allowedIpsSetting)
  return Array.isArray(value) ? value.filter(entry => typeof entry === 'string') : []
}
