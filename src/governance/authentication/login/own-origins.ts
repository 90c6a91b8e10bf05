import type { IncomingHttpHeaders } from 'node:http'

/**
 * Origins the gateway's own pages may come from: that of `PROXY_BASE_URL`, or else the host the request was sent to. A page
 * of another host that makes a browser send a request here sends its own origin, which is neither.
 */
export function ownOrigins(baseUrl: string | undefined, headers: IncomingHttpHeaders): readonly string[] {
  if (baseUrl !== undefined) return [new URL(baseUrl).origin]
  const host = headers.host?.toLowerCase()
  return host === undefined ? [] : [`https://${host}`, `http://${host}`]
}
