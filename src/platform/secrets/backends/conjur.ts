import { readFileSync } from 'node:fs'
import type { EgressTls, OutboundInit, OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, type SecretBackend, SecretUnavailable } from '../backend.ts'
import { callFor, type Environment, flagOf, type SecretServices, setting } from '../call.ts'
import { Renewing } from '../tokens/renewing.ts'

const what = 'cyberark'
/** Conjur's tokens last eight minutes. */
const defaultTokenLife = 300

/**
 * CyberArk Conjur, with LiteLLM's environment variables.
 * https://docs.cyberark.com/conjur-open-source/latest/en/content/developer/conjur_api_retrieve_secret.htm
 */
export function conjurBackend(services: SecretServices): SecretBackend {
  const { env } = services
  const base = (setting(env, 'CYBERARK_API_BASE') ?? 'http://127.0.0.1:8080').replace(/\/+$/, '')
  const account = encodeURIComponent(setting(env, 'CYBERARK_ACCOUNT') ?? 'default')
  const user = encodeURIComponent(setting(env, 'CYBERARK_USERNAME') ?? 'admin')
  const apiKey = setting(env, 'CYBERARK_API_KEY')
  const tls = tlsOf(env)
  if (apiKey === undefined && tls?.cert === undefined) {
    throw new SecretUnavailable(
      `${what}: set CYBERARK_API_KEY, or CYBERARK_CLIENT_CERT and CYBERARK_CLIENT_KEY, in the environment.`,
    )
  }
  const life = Number(setting(env, 'CYBERARK_REFRESH_INTERVAL') ?? defaultTokenLife)
  const token = new Renewing(async () => {
    const response = await callFor(what, services, `${base}/authn/${account}/${user}/authenticate`, {
      method: 'POST',
      body: apiKey ?? '',
      ...(tls && { tls }),
    })
    if (response.status !== 200) throw new SecretUnavailable(`${what}: login: ${refusedWith(response.status)}.`)
    const seconds = Number.isFinite(life) && life > 0 ? life : defaultTokenLife
    return { value: response.body.toString('base64'), expiresAt: services.epoch() + seconds * 1000 }
  }, services.epoch)

  const call = async (path: string, init: OutboundInit = {}, again = true): Promise<OutboundResponse> => {
    const response = await callFor(what, services, base + path, {
      ...init,
      headers: { ...init.headers, authorization: `Token token="${await token.get()}"` },
      ...(tls && { tls }),
    })
    if (response.status !== 401 || !again) return response
    token.forget()
    return call(path, init, false)
  }
  const variable = (name: string): string => `/secrets/${account}/variable/${encodeURIComponent(name)}`

  return {
    system: what,
    async read(name) {
      const response = await call(variable(name))
      if (response.status === 404) return undefined
      if (response.status !== 200) throw new SecretUnavailable(`${what}: ${name}: ${refusedWith(response.status)}.`)
      return { text: response.text() }
    },
    async write(name, value) {
      // A variable must be in a policy before it can hold a value; one that is there already is left as it is.
      const policy = await call(`/policies/${account}/policy/root`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-yaml' },
        body: `- !variable ${JSON.stringify(name)}\n`,
      })
      if (policy.status >= 300 && policy.status !== 409 && policy.status !== 422) {
        throw new SecretUnavailable(`${what}: declaring ${name}: ${refusedWith(policy.status)}.`)
      }
      const response = await call(variable(name), { method: 'POST', body: value })
      if (response.status >= 300)
        throw new SecretUnavailable(`${what}: writing ${name}: ${refusedWith(response.status)}.`)
    },
  }
}

function tlsOf(env: Environment): EgressTls | undefined {
  const read = (name: string): string | undefined => {
    const path = setting(env, name)
    if (path === undefined) return undefined
    try {
      return readFileSync(path, 'utf8')
    } catch {
      throw new SecretUnavailable(`${what}: the file that ${name} names cannot be read.`)
    }
  }
  const tls = {
    ca: read('CYBERARK_CACERT'),
    cert: read('CYBERARK_CLIENT_CERT'),
    key: read('CYBERARK_CLIENT_KEY'),
    rejectUnauthorized: flagOf(env, 'CYBERARK_SSL_VERIFY', true) ? undefined : false,
  }
  const given = Object.entries(tls).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : (Object.fromEntries(given) as EgressTls)
}
