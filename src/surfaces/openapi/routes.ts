import { createHash } from 'node:crypto'
import type { Route } from '../route.ts'
import { openapiDocument } from './document.ts'
import { pageScript, pageStyle, referencePage } from './page.ts'

const sourceHash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** The page runs its own script and talks to its own origin, nothing else. */
const contentSecurityPolicy = [
  "default-src 'none'",
  `script-src ${sourceHash(pageScript)}`,
  `style-src ${sourceHash(pageStyle)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** `/openapi.json` and a page to read it. @param all every route of the gateway, these included */
export function openapiRoutes(all: () => readonly Route[]): Route[] {
  let document: string | undefined
  return [
    {
      method: 'GET',
      paths: ['/openapi.json'],
      permission: 'public',
      dialect: 'openai',
      handle({ reply }) {
        document ??= JSON.stringify(openapiDocument(all(), '/'))
        reply.type('application/json; charset=utf-8')
        return document
      },
    },
    {
      method: 'GET',
      paths: ['/docs'],
      permission: 'public',
      dialect: 'openai',
      handle({ reply }) {
        reply
          .type('text/html; charset=utf-8')
          .header('content-security-policy', contentSecurityPolicy)
          .header('x-content-type-options', 'nosniff')
          .header('referrer-policy', 'no-referrer')
        return referencePage
      },
    },
  ]
}
