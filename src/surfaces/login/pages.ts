import { hash } from 'node:crypto'
import type { FastifyReply } from 'fastify'

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem;color:#1f2430;background:#fff}' +
  'label{display:block;margin:.75rem 0 .25rem}input{width:100%;box-sizing:border-box;padding:.5rem;font:inherit;border:1px solid #9aa3b2;border-radius:.25rem}' +
  'button{margin-top:1rem;padding:.5rem 1rem;font:inherit;color:#fff;background:#2346b5;border:0;border-radius:.25rem;cursor:pointer}' +
  'a{color:#2346b5}pre{overflow:auto;padding:1rem;background:#f2f4f8;border-radius:.25rem}.problem{padding:.5rem 1rem;background:#fdecea;border-radius:.25rem}' +
  '@media(prefers-color-scheme:dark){body{color:#e6e9f0;background:#171a21}pre{background:#222732}.problem{background:#4a2020}a{color:#8fa8ff}}'

/** Nothing runs, nothing is loaded, nobody frames it; the one style is named by its hash. */
const policy =
  `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; form-action 'self'; ` +
  "frame-ancestors 'none'; base-uri 'none'"

/** Answers with a page. */
export function sendPage(reply: FastifyReply, title: string, content: string, status = 200): undefined {
  reply
    .code(status)
    .header('content-security-policy', policy)
    .header('cache-control', 'no-store')
    .header('referrer-policy', 'no-referrer')
    .header('x-content-type-options', 'nosniff')
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escaped(title)}</title><style>${style}</style></head><body><main><h1>${escaped(title)}</h1>${content}</main></body></html>`,
    )
  return undefined
}

export const escaped = (text: string): string =>
  text.replaceAll(
    /[&<>"']/g,
    letter => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[letter] ?? '',
  )

const problemOf = (problem: string | undefined): string =>
  problem === undefined ? '' : `<p class="problem" role="alert">${escaped(problem)}</p>`

export interface LoginForm {
  /** Where the form is sent. */
  readonly action: string
  readonly returnTo: string
  readonly problem: string | undefined
  /** Where single sign-on begins, if there is one. */
  readonly sso: string | undefined
}

export const loginForm = ({ action, returnTo, problem, sso }: LoginForm): string =>
  `${problemOf(problem)}<form method="post" action="${escaped(action)}">` +
  `<input type="hidden" name="return_to" value="${escaped(returnTo)}">` +
  '<label for="username">User name or e-mail</label><input id="username" name="username" autocomplete="username" required autofocus>' +
  '<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>' +
  '<button>Log in</button></form>' +
  (sso === undefined ? '' : `<p><a href="${escaped(sso)}">Log in with single sign-on</a></p>`)

export interface CodeForm {
  readonly action: string
  /** Of the session: a form cannot send a header. */
  readonly csrf: string
  readonly user: string
  readonly problem: string | undefined
}

/** Confirms the login of a command line tool. */
export const codeForm = ({ action, csrf, user, problem }: CodeForm): string =>
  `${problemOf(problem)}<p>A command line tool asks to act as <strong>${escaped(user)}</strong>. Type the code it shows. ` +
  'If you did not start one, close this page.</p>' +
  `<form method="post" action="${escaped(action)}"><input type="hidden" name="csrf_token" value="${escaped(csrf)}">` +
  '<label for="user_code">Code</label><input id="user_code" name="user_code" autocomplete="off" required autofocus>' +
  '<button>Allow</button></form>'

export const message = (text: string): string => `<p>${escaped(text)}</p>`

export const problemMessage = (text: string): string => problemOf(text)

export const facts = (value: unknown): string => `<pre>${escaped(JSON.stringify(value, null, 2))}</pre>`
