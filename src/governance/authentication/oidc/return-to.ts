/** Where people are sent after logging in when nothing else is asked for. */
export const landingPage = '/ui/'

/**
 * A place inside the gateway's own pages to go back to; anything that could lead elsewhere becomes the landing page.
 * Browsers read `\` as `/`, drop tabs and line ends, and take `//host` for another host, so the text must be a plain
 * path already, and still be one after it was parsed.
 */
export function safeReturnTo(text: unknown): string {
  if (typeof text !== 'string' || text.length > 2048 || !/^\/(?![/\\])[!-[\]-~]*$/.test(text)) return landingPage
  const base = 'https://gateway.invalid'
  if (!URL.canParse(text, base)) return landingPage
  const url = new URL(text, base)
  const path = url.pathname + url.search + url.hash
  return url.origin === base && !path.startsWith('//') ? path : landingPage
}
