import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import type { Clock } from '../../../platform/clock.ts'
import type { Outbound } from '../../../platform/security/outbound.ts'
import { identityUnavailable, tokenRejected } from '../token-errors.ts'

export interface KeySetOptions {
  readonly url: string
  readonly outbound: Outbound
  readonly clock: Clock
  /** Milliseconds a fetched set is used before it is fetched again. */
  readonly ttl: number
  /** Milliseconds more that it is used while the provider cannot be reached. */
  readonly staleTtl: number
}

/** An unknown `kid` fetches the set again at most this often, whoever sends how many. */
const unknownKeyPause = 30_000
/** After a failed fetch the next one waits this long. */
const failurePause = 5_000
const maxBytes = 262_144
const maxKeys = 100

interface Fetched {
  readonly keys: ReturnType<typeof createLocalJWKSet>
  /** Monotonic ms. */
  readonly at: number
}

/**
 * The public keys behind one URL: a JWKS, or an OIDC discovery document that names one. Fetched when first needed, again
 * when old or when a token names a key that is not in it; while the provider is away the last set serves on for a while.
 */
export class KeySet {
  readonly #options: KeySetOptions
  #fetched: Fetched | undefined
  #fetching: Promise<Fetched> | undefined
  #failedAt: number | undefined
  #askedForUnknownAt: number | undefined

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  /**
   * Undefined: no key of this set fits the token.
   * @throws what `jwtVerify` throws for a token that a key of this set does not verify; GatewayError
   * `identity_unavailable` when there are no keys and none can be had.
   */
  async verify(token: string, options: JWTVerifyOptions): Promise<JWTPayload | undefined> {
    const first = await this.#current()
    const payload = await verifyWith(first, token, options)
    if (payload !== undefined) return payload
    const fresh = await this.#afterUnknownKey(first)
    return fresh === undefined ? undefined : verifyWith(fresh, token, options)
  }

  async #current(): Promise<Fetched> {
    const { clock, ttl, staleTtl } = this.#options
    const fetched = this.#fetched
    const now = clock.now()
    if (fetched !== undefined && now - fetched.at < ttl) return fetched
    const usable = fetched !== undefined && now - fetched.at < ttl + staleTtl ? fetched : undefined
    if (this.#failedAt !== undefined && now - this.#failedAt < failurePause) {
      if (usable !== undefined) return usable
      throw this.#unavailable()
    }
    try {
      return await this.#fetch()
    } catch (error) {
      if (usable !== undefined) return usable
      throw this.#unavailable(error)
    }
  }

  /** Keys rotate: one look for the new one. */
  async #afterUnknownKey(seen: Fetched): Promise<Fetched | undefined> {
    if (this.#fetched !== undefined && this.#fetched !== seen) return this.#fetched
    if (this.#fetching === undefined) {
      const now = this.#options.clock.now()
      if (this.#askedForUnknownAt !== undefined && now - this.#askedForUnknownAt < unknownKeyPause) return undefined
      this.#askedForUnknownAt = now
    }
    return this.#fetch().catch(() => undefined)
  }

  #fetch(): Promise<Fetched> {
    this.#fetching ??= this.#load()
      .then(set => {
        this.#failedAt = undefined
        this.#fetched = { keys: createLocalJWKSet(set), at: this.#options.clock.now() }
        return this.#fetched
      })
      .catch((error: unknown) => {
        this.#failedAt = this.#options.clock.now()
        throw error
      })
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async #load(): Promise<JSONWebKeySet> {
    const document = await this.#get(this.#options.url)
    const next = isRecord(document) ? document['jwks_uri'] : undefined
    // A discovery document (OpenID Connect Discovery §3) where the key set was expected.
    const keys = typeof next === 'string' && !('keys' in (document as object)) ? await this.#get(next) : document
    return { keys: publicKeys(keys) }
  }

  async #get(url: string): Promise<unknown> {
    const answer = await this.#options.outbound.request('identity', url, {
      headers: { accept: 'application/json' },
      redirects: 3,
      maxBytes,
    })
    if (answer.status !== 200) throw new Error(`the key set answered with status ${answer.status}`)
    return answer.json()
  }

  #unavailable(cause?: unknown): Error {
    const host = URL.canParse(this.#options.url) ? new URL(this.#options.url).host : 'the identity provider'
    return identityUnavailable(`The public keys at ${host}`, cause)
  }
}

async function verifyWith(
  { keys }: Fetched,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload | undefined> {
  try {
    return (await jwtVerify(token, keys, options)).payload
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined
    // No `kid`, several keys of the kind: any of them may have signed it.
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      for await (const key of error) {
        try {
          return (await jwtVerify(token, key, options)).payload
        } catch (inner) {
          if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner
        }
      }
      throw tokenRejected('none of the issuer’s keys verifies its signature')
    }
    throw error
  }
}

const publicKinds: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP'])
const publicParts = ['kty', 'kid', 'alg', 'crv', 'n', 'e', 'x', 'y'] as const

/** Public signing keys only, reduced to their public parts: a symmetric key in a key set would be everybody's. */
function publicKeys(document: unknown): JWK[] {
  const listed = isRecord(document) ? (document['keys'] ?? [document]) : document
  if (!Array.isArray(listed)) throw new Error('the key set has no list of keys')
  const keys: JWK[] = []
  for (const key of listed.slice(0, maxKeys)) {
    if (!isRecord(key) || !publicKinds.has(key['kty'])) continue
    if (key['use'] !== undefined && key['use'] !== 'sig') continue
    const parts = publicParts.filter(part => typeof key[part] === 'string').map(part => [part, key[part]])
    keys.push(Object.fromEntries(parts) as JWK)
  }
  if (keys.length === 0) throw new Error('the key set has no public signing key')
  return keys
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
