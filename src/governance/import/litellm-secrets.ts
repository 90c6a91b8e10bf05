import { createHash } from 'node:crypto'
import type { Secret } from '../../platform/security/secret.ts'
import { isRecord } from '../objects/settings.ts'

const nonceLength = 24

/** Texts of `litellm_params` and `credential_values` that LiteLLM keeps in clear although it encrypts the rest. */
const looksEncrypted = (text: string): boolean => text.length >= 56 && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)

/**
 * Decrypts what LiteLLM encrypted: NaCl secretbox (XSalsa20-Poly1305) under the SHA-256 of the salt key, the nonce in
 * front, base64. A value that was never encrypted stays as it is.
 */
export async function litellmDecryption(saltKey: Secret | undefined): Promise<(value: unknown) => unknown> {
  if (saltKey === undefined) return value => value
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js')
  const key = createHash('sha256').update(saltKey.reveal()).digest()
  const decrypt = (value: unknown): unknown => {
    if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, decrypt(inner)]))
    if (typeof value !== 'string' || !looksEncrypted(value)) return value
    try {
      const bytes = Buffer.from(value.replaceAll('-', '+').replaceAll('_', '/'), 'base64')
      const opened = xsalsa20poly1305(key, bytes.subarray(0, nonceLength)).decrypt(bytes.subarray(nonceLength))
      return Buffer.from(opened).toString('utf8')
    } catch {
      return value
    }
  }
  return decrypt
}
