import { hash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'

/** OWASP's scrypt parameters with 32 MiB: N = 2^15, r = 8, p = 3. */
const cost = { N: 32_768, r: 8, p: 3 } as const
const keyLength = 32
/** Each takes 32 MiB and a thread for a while; the rest waits in line. */
const maxAtOnce = 2
const maxWaiting = 100

export const shortestPassword = 8
export const longestPassword = 256

/** Why a new password cannot be taken; undefined: it can. */
export function passwordProblem(password: string, email: string | null | undefined): string | undefined {
  if (password.length < shortestPassword) return `A password needs at least ${shortestPassword} characters.`
  if (password.length > longestPassword) return `A password has at most ${longestPassword} characters.`
  if (email != null && password.toLowerCase() === email.toLowerCase())
    return 'The password must not be the e-mail address.'
  return undefined
}

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const derived = await derive(normal(password), salt, cost, keyLength)
  return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString('base64url')}$${derived.toString('base64url')}`
}

/** One password typed on two keyboards is one password. */
const normal = (password: string): string => password.normalize('NFKC')

export interface PasswordVerdict {
  readonly right: boolean
  /** It was right, and is stored in a way that is no longer used. */
  readonly outdated: boolean
}

const wrong: PasswordVerdict = { right: false, outdated: false }

/**
 * Takes as long for a user that does not exist, or has no password, as for a wrong password. Reads what LiteLLM wrote as
 * well: `scrypt:` and SHA-256 in hex.
 */
export async function checkPassword(password: string, stored: string | null | undefined): Promise<PasswordVerdict> {
  if (password.length > longestPassword) return wrong
  const ours = parseOwn(stored)
  if (ours !== undefined) {
    const derived = await derive(normal(password), ours.salt, ours.cost, ours.derived.length)
    return { right: timingSafeEqual(derived, ours.derived), outdated: ours.cost.N < cost.N }
  }
  const theirs = parseLiteLlm(stored)
  if (theirs !== undefined) {
    const derived = await derive(password, theirs.salt, { N: 16_384, r: 8, p: 1 }, theirs.derived.length)
    return { right: timingSafeEqual(derived, theirs.derived), outdated: true }
  }
  await derive(password, nobody, cost, keyLength)
  if (stored == null || !/^[0-9a-f]{64}$/.test(stored)) return wrong
  return { right: timingSafeEqual(hash('sha256', password, 'buffer'), Buffer.from(stored, 'hex')), outdated: true }
}

/** Salt of the computation that is done for users without a password. */
const nobody = Buffer.alloc(16)

interface Cost {
  readonly N: number
  readonly r: number
  readonly p: number
}

interface Stored {
  readonly cost: Cost
  readonly salt: Buffer
  readonly derived: Buffer
}

function parseOwn(stored: string | null | undefined): Stored | undefined {
  const match = /^scrypt\$(\d{4,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{16,})\$([\w-]{22,})$/.exec(stored ?? '')
  if (match === null) return undefined
  const [, N, r, p, salt = '', derived = ''] = match
  const read = { N: Number(N), r: Number(r), p: Number(p) }
  if (read.N > 1_048_576 || (read.N & (read.N - 1)) !== 0) return undefined
  return { cost: read, salt: Buffer.from(salt, 'base64url'), derived: Buffer.from(derived, 'base64url') }
}

/** `scrypt:` and base64 of 16 bytes of salt with the 32-byte hash behind it. */
function parseLiteLlm(stored: string | null | undefined): Omit<Stored, 'cost'> | undefined {
  if (stored?.startsWith('scrypt:') !== true) return undefined
  const bytes = Buffer.from(stored.slice(7), 'base64')
  return bytes.length === 48 ? { salt: bytes.subarray(0, 16), derived: bytes.subarray(16) } : undefined
}

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, { N, r, p }: Cost, length: number): Promise<Buffer> {
  if (running >= maxAtOnce) {
    if (waiting.length >= maxWaiting) {
      throw new GatewayError('overloaded', 'Too many people are logging in at once. Try again shortly.', {
        retryAfter: 2,
      })
    }
    await new Promise<void>(resolve => waiting.push(resolve))
  } else running++
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      const maxmem = 256 * N * r + 1_048_576
      scrypt(password, salt, length, { N, r, p, maxmem }, (error, key) =>
        error === null ? resolve(key) : reject(error),
      )
    })
  } finally {
    // The place is handed on, so that nobody who comes meanwhile gets in between.
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}
