import { tokenRejected } from '../token-errors.ts'
import type { Claims } from './claims.ts'

/**
 * Signature algorithms that are accepted: asymmetric ones only. With HS* a public key that everybody can read would be
 * the secret (RFC 8725 §2.1); `none` is no signature.
 */
export const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** Media types of tokens that may be an access or ID token; others (logout, DPoP proof, …) are made for other ends (RFC 8725 §3.11). */
const types: ReadonlySet<string> = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'])

/** The credential length limit of the gateway is 16 KiB; a header needs a small part of it. */
const maxTokenLength = 16_384
const maxHeaderLength = 2048
const maxKeyIdLength = 256
const maxDepth = 16

export interface InspectedToken {
  readonly kid: string | undefined
  /** NOT verified: good for choosing who must have signed it, for nothing else. */
  readonly claims: Claims
}

/** Whether a credential has the shape of a JWT: three base64url parts, the first a JSON object. */
export function looksLikeJwt(credential: string): boolean {
  if (!credential.startsWith('ey')) return false
  const first = credential.indexOf('.')
  const second = credential.indexOf('.', first + 1)
  return first > 0 && second > first && credential.indexOf('.', second + 1) < 0
}

/**
 * Everything that can be refused before a key is looked for. `kid` stays a name to look up; `jku`, `x5u`, `jwk` and
 * `x5c` point to keys the token brings along and are never read.
 * @throws GatewayError `invalid_api_key`
 */
export function inspectToken(token: string): InspectedToken {
  if (token.length > maxTokenLength) throw tokenRejected(`it is longer than ${maxTokenLength} characters`)
  const parts = token.split('.')
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3 || parts.some(part => !/^[\w-]*$/.test(part))) throw tokenRejected('it is not a JWT')
  if (head.length > maxHeaderLength) throw tokenRejected('its header is too long')
  const header = parsed(head, 'header')
  if (typeof header['alg'] !== 'string' || !(algorithms as readonly string[]).includes(header['alg'])) {
    throw tokenRejected(`it must be signed with one of ${algorithms.join(', ')}`)
  }
  if (signature === '') throw tokenRejected('it is not signed')
  // No extension is understood here, so none may be critical (RFC 7515 §4.1.11).
  if (Object.hasOwn(header, 'crit')) throw tokenRejected('its header has critical extensions (crit)')
  if (Object.hasOwn(header, 'b64')) throw tokenRejected('its payload is not encoded (b64)')
  const { typ, kid } = header
  if (typ !== undefined && (typeof typ !== 'string' || !types.has(typ.toLowerCase()))) {
    throw tokenRejected('its type (typ) is not that of an access or ID token')
  }
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > maxKeyIdLength)) {
    throw tokenRejected('its key id (kid) is not valid')
  }
  const claims = parsed(body, 'payload')
  if (depthOver(claims, maxDepth)) throw tokenRejected('its claims are nested too deep')
  return { kid, claims }
}

function parsed(part: string, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    throw tokenRejected(`its ${what} is not JSON`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw tokenRejected(`its ${what} is not a JSON object`)
  }
  return value as Record<string, unknown>
}

function depthOver(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return left === 0 || Object.values(value).some(inner => depthOver(inner, left - 1))
}
