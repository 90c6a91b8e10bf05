import type { Claims } from './claims.ts'
import { scopesOf } from './claims.ts'
import type { JwtFields } from './settings.ts'

/**
 * Whether a JWT is to be introspected instead of verified here (`routing_overrides`). Decided on claims nobody has
 * verified: they only choose who is asked, and whoever is asked decides on the whole token.
 */
export function goesToIntrospection(overrides: JwtFields['routing_overrides'], claims: Claims): boolean {
  return overrides.some(
    ({ iss, client_id: clients, aud, scope }) =>
      contains(iss, claims['iss']) &&
      (clients === undefined || contains(clients, claims['client_id'])) &&
      (aud === undefined || contains(aud, claims['aud'])) &&
      (scope === undefined || scopesOf(claims).some(word => scope.includes(word))),
  )
}

const contains = (wanted: readonly string[], value: unknown): boolean =>
  Array.isArray(value) ? value.some(one => contains(wanted, one)) : typeof value === 'string' && wanted.includes(value)
