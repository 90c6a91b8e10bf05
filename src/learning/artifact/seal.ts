import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import { refused } from './refusal.ts'

/**
 * What stands behind an artifact's container:
 *
 *     [signature, Ed25519 (64)] · SHA-256 of all before it (32)
 *
 * The hash finds accidents. The signature, over the container, finds everything else, once public keys are configured.
 */
const hashBytes = 32
const signatureBytes = 64

const hashOf = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const sealed = (container: Uint8Array, signature: Uint8Array = new Uint8Array()): Uint8Array =>
  Buffer.concat([container, signature, hashOf(container, signature)])

export interface Seal {
  /** SHA-256 (hex) of the container: the same for signed and unsigned copies. */
  readonly id: string
  readonly signed: boolean
}

/**
 * @param length of the container within the bytes
 * @param publicKeys undefined or empty: signatures are neither asked for nor checked
 */
export function checkSeal(bytes: Uint8Array, length: number, publicKeys: readonly KeyObject[] = []): Seal {
  const rest = bytes.length - length
  if (rest !== hashBytes && rest !== hashBytes + signatureBytes) {
    throw refused(`the file is cut off or has ${rest} bytes behind its end: copy it again`)
  }
  if (!hashOf(bytes.subarray(0, -hashBytes)).equals(bytes.subarray(-hashBytes))) {
    throw refused('the file is corrupt (its SHA-256 differs): copy it again')
  }
  const container = bytes.subarray(0, length)
  const signature = rest === hashBytes ? undefined : bytes.subarray(length, length + signatureBytes)
  if (publicKeys.length > 0) {
    if (signature === undefined) {
      throw refused('it is not signed, and public keys are configured: sign it with `routeiq router sign`')
    }
    if (!publicKeys.some(key => verify(null, container, key, signature))) {
      throw refused('its signature belongs to none of the configured public keys')
    }
  }
  return { id: hashOf(container).toString('hex'), signed: signature !== undefined }
}

/** @param privateKey Ed25519 */
export function signatureOf(container: Uint8Array, privateKey: KeyObject): Uint8Array {
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw refused(`artifacts are signed with an Ed25519 key, not ${privateKey.asymmetricKeyType ?? 'a secret'}`)
  }
  return sign(null, container, privateKey)
}
