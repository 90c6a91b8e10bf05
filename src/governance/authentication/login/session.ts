import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { tokenOf } from '../token-hash.ts'

/** How a session began. */
export type LoginMethod = 'password' | 'sso' | 'invitation' | 'setup'

/**
 * What a session is for. `browser`: the dashboard, by cookie or bearer. `cli`: a command line tool, by bearer, acting for
 * one team if it chose one.
 */
export type SessionKind = 'browser' | 'cli'

export interface Session {
  /** SHA-256 of the session token in hex. The token itself is nowhere. */
  readonly token: string
  readonly userId: string
  readonly kind: SessionKind
  readonly method: LoginMethod
  readonly teamId: string | undefined
  /** Epoch ms. */
  readonly createdAt: number
  readonly expiresAt: number
}

/** Tells session tokens from keys before anything is looked up. */
export const sessionPrefix = 'sess-'

/** 256 random bits. */
export const newSessionToken = (): string => sessionPrefix + randomBytes(32).toString('base64url')

export const isSessionToken = (credential: string): boolean => /^sess-[\w-]{43}$/.test(credential)

/**
 * The value a page must send back with every change it makes on the strength of the cookie. Derived from the session, so
 * there is nothing to store, and of no use for finding the session.
 */
export const csrfTokenOf = (sessionToken: string): string =>
  hash('sha256', `csrf:${tokenOf(sessionToken)}:${sessionToken}`, 'base64url')

/** Compares texts without telling by time where they differ. */
export function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => hash('sha256', text, 'buffer')
  return timingSafeEqual(digest(a), digest(b))
}
