import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { oneHeader, type PresentedRequest } from '../presented.ts'
import { csrfTokenOf, sameText } from './session.ts'

const readingMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * A browser sends the cookie whoever made it send the request, so a change needs more than the cookie: a request that
 * was not made by another site, and the value only a page of this origin can read.
 * @throws GatewayError `permission_denied`
 */
export function checkCookieRequest(
  request: PresentedRequest,
  sessionToken: string,
  ownOrigins: readonly string[],
): void {
  if (readingMethods.has(request.method)) return
  checkSameSite(request.headers, ownOrigins)
  const sent = oneHeader(request.headers, 'x-csrf-token')
  if (sent === undefined || !sameText(sent, csrfTokenOf(sessionToken))) {
    throw new GatewayError(
      'permission_denied',
      'A change made with the session cookie must carry the value of the cookie routeiq_csrf in the header x-csrf-token.',
    )
  }
}

/**
 * For requests that come before there is a session (the login form itself): refused when the browser says that another
 * site made them. Clients that are no browsers say nothing.
 * @throws GatewayError `permission_denied`
 */
export function checkSameSite(headers: IncomingHttpHeaders, ownOrigins: readonly string[]): void {
  const site = oneHeader(headers, 'sec-fetch-site')
  const origin = oneHeader(headers, 'origin')
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  const foreignOrigin = origin !== undefined && !ownOrigins.includes(origin.toLowerCase())
  if (foreignSite || foreignOrigin) {
    throw new GatewayError('permission_denied', 'This request was made by a page of another site.')
  }
}
