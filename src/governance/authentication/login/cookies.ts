import type { IncomingHttpHeaders } from 'node:http'
import { csrfTokenOf, isSessionToken } from './session.ts'

/** Bytes of a `cookie` header that are looked at. */
const maxCookieHeader = 16_384

/**
 * `__Host-` binds a cookie to this host over TLS: no other host of the domain and no plain connection can set it
 * (RFC 6265bis §4.1.3.2). Without TLS (a gateway on the developer's machine) such a cookie cannot exist.
 */
const names = (secure: boolean) => ({
  session: secure ? '__Host-routeiq_session' : 'routeiq_session',
  /** Readable by the page, which sends it back as `x-csrf-token`. */
  csrf: secure ? '__Host-routeiq_csrf' : 'routeiq_csrf',
  /** Binds a login that is under way to the browser that began it. */
  login: secure ? '__Host-routeiq_login' : 'routeiq_login',
})

/** The session token in the cookies, if there is one. */
export function sessionCookie(headers: IncomingHttpHeaders): string | undefined {
  const secure = cookie(headers, names(true).session)
  const value = secure ?? cookie(headers, names(false).session)
  return value !== undefined && isSessionToken(value) ? value : undefined
}

/** Cheap: whether it is worth parsing the cookies at all. */
export const mayHoldSession = (headers: IncomingHttpHeaders): boolean =>
  headers.cookie?.includes('routeiq_session=') === true

export const loginCookie = (headers: IncomingHttpHeaders): string | undefined =>
  cookie(headers, names(true).login) ?? cookie(headers, names(false).login)

/** `set-cookie` values that begin a session in a browser. @param lifetime seconds */
export function sessionCookies(token: string, secure: boolean, lifetime: number): readonly string[] {
  const { session, csrf } = names(secure)
  return [
    setCookie(session, token, { secure, lifetime, httpOnly: true }),
    setCookie(csrf, csrfTokenOf(token), { secure, lifetime, httpOnly: false }),
  ]
}

/** @param lifetime seconds */
export const beginLoginCookie = (value: string, secure: boolean, lifetime: number): string =>
  setCookie(names(secure).login, value, { secure, lifetime, httpOnly: true })

export const endLoginCookie = (secure: boolean): string =>
  setCookie(names(secure).login, '', { secure, lifetime: 0, httpOnly: true })

export const endSessionCookies = (secure: boolean): readonly string[] => [
  setCookie(names(secure).session, '', { secure, lifetime: 0, httpOnly: true }),
  setCookie(names(secure).csrf, '', { secure, lifetime: 0, httpOnly: false }),
]

function setCookie(
  name: string,
  value: string,
  { secure, lifetime, httpOnly }: { readonly secure: boolean; readonly lifetime: number; readonly httpOnly: boolean },
): string {
  // Lax: the cookie must come along when the identity provider sends the browser back.
  const parts = [`${name}=${value}`, 'Path=/', `Max-Age=${Math.floor(lifetime)}`, 'SameSite=Lax']
  if (httpOnly) parts.push('HttpOnly')
  if (secure) parts.push('Secure')
  return parts.join('; ')
}

/** The first one counts; a second of the same name is somebody else's. */
function cookie(headers: IncomingHttpHeaders, name: string): string | undefined {
  const header = headers.cookie
  if (header === undefined || header.length > maxCookieHeader) return undefined
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}
