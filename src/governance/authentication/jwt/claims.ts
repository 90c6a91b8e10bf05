import { tokenRejected } from '../token-errors.ts'

export type Claims = Readonly<Record<string, unknown>>

/** No id is longer; a longer one is an attempt at something. */
const maxIdLength = 512
const maxListed = 1000

/**
 * The value at a path: `sub`, `user.email`, `resource_access.my-client.roles`; `\.` is a dot inside a name
 * (`kubernetes\.io.namespace`). A claim whose whole name is the path wins (`https://example.com/groups`).
 */
export function claimAt(claims: Claims, path: string | undefined): unknown {
  if (path === undefined) return undefined
  if (Object.hasOwn(claims, path)) return claims[path]
  let value: unknown = claims
  for (const part of path.split(/(?<!\\)\./)) {
    const name = part.replaceAll('\\.', '.')
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) {
      return undefined
    }
    value = (value as Claims)[name]
  }
  return value
}

/** An id: text or a number; of a list the first (identity providers send single groups as lists). Empty is absent. */
export function idAt(claims: Claims, path: string | undefined): string | undefined {
  const value = claimAt(claims, path)
  const one = Array.isArray(value) ? value[0] : value
  return asId(one, path)
}

/** Several ids: a list, or one text. */
export function idsAt(claims: Claims, path: string | undefined): readonly string[] {
  const value = claimAt(claims, path)
  const all = Array.isArray(value) ? value : [value]
  if (all.length > maxListed) throw tokenRejected(`its claim '${path}' lists more than ${maxListed} entries`)
  const ids = all.map(one => asId(one, path)).filter(id => id !== undefined)
  return [...new Set(ids)]
}

function asId(value: unknown, path: string | undefined): string | undefined {
  const text = typeof value === 'number' && Number.isFinite(value) ? String(value) : value
  if (typeof text !== 'string' || text === '') return undefined
  if (text.length > maxIdLength) throw tokenRejected(`its claim '${path}' is longer than ${maxIdLength} characters`)
  return text
}

/** `scope` as OAuth writes it (RFC 8693 §4.2): words with blanks between; or a list. */
export function scopesOf(claims: Claims): readonly string[] {
  const { scope } = claims
  if (typeof scope === 'string') return scope.split(' ').filter(word => word !== '')
  return Array.isArray(scope) ? scope.filter(word => typeof word === 'string') : []
}
