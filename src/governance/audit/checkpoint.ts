import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/**
 * A statement that the chain once reached a place. A chain alone cannot show that its end was cut off; a checkpoint kept
 * elsewhere can. Signed, it may be kept anywhere, also where an attacker writes.
 */
export interface Checkpoint {
  readonly version: 1
  readonly seq: number
  /** Hash of the record with that number. */
  readonly hash: string
  /** Epoch ms. */
  readonly at: number
  /** First 16 digits of the SHA-256 of the public key (SPKI, DER). */
  readonly key_id?: string | undefined
  /** Ed25519 over the UTF-8 of `["routeiq-audit-checkpoint/1",seq,hash,at]`, base64. */
  readonly signature?: string | undefined
}

type Unsigned = Pick<Checkpoint, 'seq' | 'hash' | 'at'>

const signedBytes = ({ seq, hash, at }: Unsigned): Buffer =>
  Buffer.from(JSON.stringify(['routeiq-audit-checkpoint/1', seq, hash, at]))

export function makeCheckpoint({ seq, hash, at }: Unsigned, key: KeyObject | undefined): Checkpoint {
  const checkpoint = { version: 1, seq, hash, at } as const
  if (key === undefined) return checkpoint
  const signature = sign(null, signedBytes(checkpoint), key).toString('base64')
  return { ...checkpoint, key_id: keyId(createPublicKey(key)), signature }
}

export type Signed = 'valid' | 'invalid' | 'unsigned' | 'unchecked'

/** `unchecked`: it is signed, but there is no key to check it with. */
export function checkSignature(checkpoint: Checkpoint, publicKey: KeyObject | undefined): Signed {
  const { signature } = checkpoint
  if (signature === undefined) return publicKey === undefined ? 'unsigned' : 'invalid'
  if (publicKey === undefined) return 'unchecked'
  return verify(null, signedBytes(checkpoint), publicKey, Buffer.from(signature, 'base64')) ? 'valid' : 'invalid'
}

/** Reads a checkpoint from JSON; undefined for what is none. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { version, seq, hash, at, key_id, signature } = value as Record<string, unknown>
  if (version !== 1 || !Number.isSafeInteger(seq) || typeof hash !== 'string' || !Number.isSafeInteger(at))
    return undefined
  return {
    version,
    seq: seq as number,
    hash,
    at: at as number,
    ...(typeof key_id === 'string' && { key_id }),
    ...(typeof signature === 'string' && { signature }),
  }
}

export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)
}

/** DER around the 32 bytes of a key (RFC 8410 §4 and §7). */
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** An Ed25519 private key: PEM (PKCS #8), or its 32-byte seed in base64. Undefined: it is neither. */
export function readSigningKey(text: string): KeyObject | undefined {
  return ed25519(() =>
    text.includes('-----BEGIN')
      ? createPrivateKey(text)
      : createPrivateKey({ key: Buffer.concat([privatePrefix, raw(text)]), format: 'der', type: 'pkcs8' }),
  )
}

/** An Ed25519 public key: PEM (SPKI), or its 32 bytes in base64. A private key stands for its public one. */
export function readPublicKey(text: string): KeyObject | undefined {
  return ed25519(() =>
    text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.concat([publicPrefix, raw(text)]), format: 'der', type: 'spki' }),
  )
}

function raw(text: string): Buffer {
  const bytes = Buffer.from(text.trim(), 'base64')
  if (bytes.length !== 32) throw new TypeError('not 32 bytes')
  return bytes
}

function ed25519(read: () => KeyObject): KeyObject | undefined {
  try {
    const key = read()
    return key.asymmetricKeyType === 'ed25519' ? key : undefined
  } catch {
    return undefined
  }
}
