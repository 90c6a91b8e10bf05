import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Secret } from '../../platform/security/secret.ts'

const algorithm = 'aes-256-gcm'
const version = 'rq1'

/**
 * Credentials at rest: AES-256-GCM under a key made from the salt key (`LITELLM_SALT_KEY`, else the master key) by
 * scrypt. An envelope names the key it was made with, so a salt key can be replaced while values of the old one are still
 * read; it is bound to its place, so that one object's value cannot be put into another's row.
 *
 * Envelope: `rq1.<key id>.<nonce>.<ciphertext and tag>`, base64url.
 */
export class Cipher {
  readonly #texts: readonly Secret[]
  #keys: readonly { readonly id: string; readonly key: Buffer }[] | undefined

  /** @param current encrypts @param previous only decrypt */
  constructor(current: Secret, previous: readonly Secret[] = []) {
    this.#texts = [current, ...previous]
  }

  /** @param place what the value belongs to: `credential:<name>` */
  encrypt(text: string, place: string): string {
    const [current] = this.#derived()
    if (current === undefined) throw new Error('no key')
    const nonce = randomBytes(12)
    const cipher = createCipheriv(algorithm, current.key, nonce).setAAD(Buffer.from(place))
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return [version, current.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.')
  }

  /** @throws GatewayError `config_invalid` when no key fits or the value was tampered with */
  decrypt(envelope: string, place: string): string {
    const [format, id, nonce, sealed] = envelope.split('.')
    const found = this.#derived().find(key => key.id === id)
    if (format !== version || found === undefined || nonce === undefined || sealed === undefined)
      throw unreadable(place)
    try {
      const bytes = Buffer.from(sealed, 'base64url')
      const decipher = createDecipheriv(algorithm, found.key, Buffer.from(nonce, 'base64url'))
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-16))
      return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('utf8')
    } catch {
      throw unreadable(place)
    }
  }

  /** Whether a value was made with the current key. */
  isCurrent(envelope: string): boolean {
    return envelope.startsWith(`${version}.${this.#derived()[0]?.id}.`)
  }

  /** Made on first use: it costs some 50 ms on purpose. */
  #derived() {
    this.#keys ??= this.#texts.map(secret => {
      const key = scryptSync(secret.reveal(), 'routeiq credentials', 32)
      return { id: createHash('sha256').update(key).digest('hex').slice(0, 8), key }
    })
    return this.#keys
  }
}

const unreadable = (place: string): GatewayError =>
  new GatewayError(
    'config_invalid',
    `The stored secret of ${place.slice(0, 200)} cannot be read: it was encrypted with another salt key. Set LITELLM_SALT_KEY to the key it was made with, or list that key in ROUTEIQ_PREVIOUS_SALT_KEYS.`,
  )
