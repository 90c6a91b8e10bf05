import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Who is calling. For now: the holder of the master key. */
export interface Identity {
  /** First 16 hex digits of the key's SHA-256; names a key in logs and explain records without revealing it. */
  readonly keyHash: string
  readonly admin: boolean
}

/** Headers that may carry a key, in the order they are looked at (LiteLLM's carriers). */
const carriers = ['authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'] as const

/** Bytes compared at least; keys are shorter. */
const smallestComparison = 256

/** Authenticates by master key, in constant time. */
export class MasterKey {
  readonly #key: Buffer
  /** The presented key is copied in here, so that a comparison allocates nothing and always reads as many bytes. */
  readonly #presented: Buffer
  readonly #length: number
  readonly #identity: Identity
  readonly #extraHeader: string | undefined

  /** @param extraHeader `general_settings.litellm_key_header_name`. */
  constructor(key: string, extraHeader?: string) {
    this.#length = Buffer.byteLength(key)
    const size = Math.max(this.#length, smallestComparison)
    this.#key = Buffer.alloc(size)
    this.#key.write(key)
    this.#presented = Buffer.alloc(size)
    this.#identity = { keyHash: hash('sha256', key).slice(0, 16), admin: true }
    this.#extraHeader = extraHeader?.toLowerCase()
  }

  /** The caller's identity, or undefined when no carrier holds the key. */
  authenticate(headers: IncomingHttpHeaders): Identity | undefined {
    const presented = this.presented(headers)
    if (presented === undefined) return undefined
    this.#presented.fill(0)
    this.#presented.write(presented)
    // Both are padded to one length: the time of the comparison tells nothing about the key, its length included.
    const same = timingSafeEqual(this.#presented, this.#key)
    return same && Buffer.byteLength(presented) === this.#length ? this.#identity : undefined
  }

  /** The key the caller presents, `Bearer ` removed; undefined when there is none. */
  presented(headers: IncomingHttpHeaders): string | undefined {
    const own = headers['x-litellm-api-key']
    if (typeof own === 'string' && own !== '') return stripScheme(own)
    if (this.#extraHeader !== undefined) {
      const value = headers[this.#extraHeader]
      if (typeof value === 'string' && value !== '') return stripScheme(value)
    }
    for (const carrier of carriers) {
      const value = headers[carrier]
      if (typeof value === 'string' && value !== '') return stripScheme(value)
    }
    return undefined
  }
}

function stripScheme(value: string): string {
  return value.startsWith('Bearer ') || value.startsWith('bearer ') ? value.slice(7).trim() : value
}

/** A key for a gateway that was started without one: never open by default. */
export function generateMasterKey(): string {
  return `sk-${randomBytes(24).toString('base64url')}`
}
