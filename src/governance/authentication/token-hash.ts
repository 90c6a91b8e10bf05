import { hash, randomBytes } from 'node:crypto'

/** How keys are stored and named: SHA-256 in hex, as LiteLLM does, so that exported hashes keep working. */
export const tokenOf = (key: string): string => hash('sha256', key)

/** `sk-` and 22 characters of 128 random bits and more, LiteLLM's form. */
export const newKey = (): string => `sk-${randomBytes(18).toString('base64url')}`

/** What may be shown of a key after its creation: `sk-...wxyz`. */
export const maskedKey = (key: string): string => `sk-...${key.slice(-4)}`

/** Whether a text is a stored token already, and not a key to be hashed. */
export const isToken = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

/** Management calls take a key or its hash. */
export const asToken = (keyOrToken: string): string => (isToken(keyOrToken) ? keyOrToken : tokenOf(keyOrToken))
