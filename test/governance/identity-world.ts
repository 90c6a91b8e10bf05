import { OAuth2Server } from 'oauth2-mock-server'
import { expect } from 'vitest'
import type { Gateway } from '../harness/gateway.ts'
import { type HttpOptions, type StreamAnswer, send } from '../harness/http.ts'

/** An identity provider with real keys on loopback. */
export async function startIdentityProvider(): Promise<OAuth2Server> {
  const server = new OAuth2Server()
  await server.issuer.keys.generate('RS256')
  await server.start(0, '127.0.0.1')
  return server
}

/** A token of that provider; claims go over its defaults. */
export const tokenOf = (
  idp: OAuth2Server,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> =>
  idp.issuer.buildToken({
    scopesOrTransform: (head, payload) => {
      Object.assign(head, header)
      Object.assign(payload, claims)
    },
  })

/** A browser, as far as logins need one: it keeps cookies and follows nothing by itself. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #gateway: Pick<Gateway, 'url'>

  constructor(gateway: Pick<Gateway, 'url'>) {
    this.#gateway = gateway
  }

  get csrf(): string {
    return this.cookies.get('routeiq_csrf') ?? ''
  }

  async open(path: string, options: HttpOptions = {}): Promise<StreamAnswer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await send(path.startsWith('http') ? path : `${this.#gateway.url}${path}`, {
      ...options,
      headers: { ...(cookie === '' ? {} : { cookie }), ...options.headers },
    })
    for (const set of answer.headers['set-cookie'] ?? []) {
      const [pair = ''] = set.split(';')
      const at = pair.indexOf('=')
      if (set.includes('Max-Age=0')) this.cookies.delete(pair.slice(0, at))
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }

  form(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<StreamAnswer> {
    return this.open(path, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  }

  change(path: string, body: object, headers: Record<string, string> = {}): Promise<StreamAnswer> {
    return this.open(path, { method: 'POST', body, headers: { 'x-csrf-token': this.csrf, ...headers } })
  }

  /** Goes to the identity provider and comes back to the callback's address, which is not opened yet. */
  async visitProvider(answer: StreamAnswer): Promise<string> {
    expect(answer.status, answer.text).toBe(303)
    const back = await send(String(answer.headers.location))
    expect(back.status, back.text).toBe(302)
    return String(back.headers.location)
  }
}

export const errorOf = (answer: StreamAnswer): { code: string; message: string } =>
  (answer.json?.['error'] ?? {}) as { code: string; message: string }
