import { readFileSync } from 'node:fs'
import type { EgressTls, OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, type SecretBackend, type SecretReading, SecretUnavailable } from '../backend.ts'
import { callFor, type Environment, fields, jsonOf, type SecretServices, setting } from '../call.ts'
import { type VaultLogin, VaultToken } from '../tokens/vault-token.ts'

interface VaultSettings {
  readonly address: string
  readonly login: VaultLogin
  readonly loginNamespace: string | undefined
  readonly secretNamespace: string | undefined
  readonly mount: string
  readonly prefix: string
  readonly tls: EgressTls | undefined
}

/**
 * HashiCorp Vault and OpenBao, key/value engine version 2, with LiteLLM's environment variables and its layout: one path
 * per secret with the value under `key`. https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
 */
export function vaultBackend(services: SecretServices): SecretBackend {
  const settings = vaultSettings(services.env)
  const { address, tls, loginNamespace, secretNamespace } = settings
  const token = new VaultToken(settings.login, { address, tls, namespace: loginNamespace }, services)
  const refresh = Number(setting(services.env, 'HCP_VAULT_REFRESH_INTERVAL') ?? Number.NaN)

  const call = async (
    name: string,
    method: 'GET' | 'POST' | 'DELETE',
    body?: object,
    again = true,
  ): Promise<OutboundResponse> => {
    const used = await token.get()
    const path = [settings.mount, 'data', settings.prefix, name].filter(part => part !== '').join('/')
    const response = await callFor('hashicorp_vault', services, `${address}/v1/${encodePath(path)}`, {
      method,
      headers: {
        'x-vault-token': used,
        'x-vault-request': 'true',
        ...(secretNamespace === undefined ? {} : { 'x-vault-namespace': secretNamespace }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(tls && { tls }),
    })
    // Vault says 403 for a token that was revoked or has expired, too.
    if (response.status === 403 && again && token.refused(used)) return call(name, method, body, false)
    return response
  }

  return {
    system: 'hashicorp_vault',
    pollInterval: Number.isFinite(refresh) && refresh > 0 ? refresh * 1000 : undefined,
    async read(name): Promise<SecretReading | undefined> {
      const response = await call(name, 'GET')
      if (response.status === 404) return undefined
      if (response.status !== 200)
        throw new SecretUnavailable(`hashicorp_vault: ${name}: ${refusedWith(response.status)}.`)
      const { data } = jsonOf('hashicorp_vault', response)
      return readingOf(name, fields(fields(data)['data']))
    },
    async write(name, value, note) {
      const data = { key: value, ...(note?.description === undefined ? {} : { description: note.description }) }
      const { status } = await call(name, 'POST', { data })
      if (status >= 300) throw new SecretUnavailable(`hashicorp_vault: writing ${name}: ${refusedWith(status)}.`)
    },
    async remove(name) {
      const { status } = await call(name, 'DELETE')
      if (status >= 300 && status !== 404) {
        throw new SecretUnavailable(`hashicorp_vault: removing ${name}: ${refusedWith(status)}.`)
      }
    },
    close: () => token.close(),
  }
}

/** `key`, as LiteLLM stores it; else the only field there is. A secret of several fields is read as JSON, for `primary_secret_name`. */
function readingOf(name: string, data: Readonly<Record<string, unknown>>): SecretReading | undefined {
  const key = data['key']
  if (typeof key === 'string') return { text: key }
  const values = Object.values(data)
  if (values.length === 0) return undefined
  const [only] = values
  if (values.length === 1 && typeof only === 'string') return { text: only }
  if (values.every(value => typeof value === 'string')) return { text: JSON.stringify(data) }
  throw new SecretUnavailable(`hashicorp_vault: ${name} has no field "key" that holds a text.`)
}

function vaultSettings(env: Environment): VaultSettings {
  const address = (setting(env, 'HCP_VAULT_ADDR', 'VAULT_ADDR') ?? 'http://127.0.0.1:8200').replace(/\/+$/, '')
  const namespace = setting(env, 'HCP_VAULT_NAMESPACE', 'VAULT_NAMESPACE')
  return {
    address,
    login: loginOf(env),
    loginNamespace: setting(env, 'HCP_VAULT_LOGIN_NAMESPACE') ?? namespace,
    secretNamespace: setting(env, 'HCP_VAULT_SECRET_NAMESPACE') ?? namespace,
    mount: trimmed(setting(env, 'HCP_VAULT_MOUNT_NAME') ?? 'secret'),
    prefix: trimmed(setting(env, 'HCP_VAULT_PATH_PREFIX') ?? ''),
    tls: tlsOf(env),
  }
}

/** LiteLLM's order: what can log in anew goes before a token that cannot. */
function loginOf(env: Environment): VaultLogin {
  const roleId = setting(env, 'HCP_VAULT_APPROLE_ROLE_ID')
  const secretId = setting(env, 'HCP_VAULT_APPROLE_SECRET_ID')
  if (roleId !== undefined && secretId !== undefined) {
    const mount = trimmed(setting(env, 'HCP_VAULT_APPROLE_MOUNT_PATH') ?? 'approle')
    return { method: 'approle', mount, roleId, secretId }
  }
  const role = setting(env, 'HCP_VAULT_KUBERNETES_ROLE')
  if (role !== undefined) {
    const mount = trimmed(setting(env, 'HCP_VAULT_KUBERNETES_MOUNT_PATH') ?? 'kubernetes')
    const tokenFile =
      setting(env, 'HCP_VAULT_KUBERNETES_TOKEN_FILE') ?? '/var/run/secrets/kubernetes.io/serviceaccount/token'
    return { method: 'kubernetes', mount, role, tokenFile }
  }
  if (setting(env, 'HCP_VAULT_CLIENT_CERT') !== undefined && setting(env, 'HCP_VAULT_CLIENT_KEY') !== undefined) {
    return { method: 'cert', role: setting(env, 'HCP_VAULT_CERT_ROLE') }
  }
  const token = setting(env, 'HCP_VAULT_TOKEN', 'VAULT_TOKEN')
  if (token !== undefined) return { method: 'token', token }
  throw new SecretUnavailable(
    'hashicorp_vault: set HCP_VAULT_APPROLE_ROLE_ID and HCP_VAULT_APPROLE_SECRET_ID, HCP_VAULT_KUBERNETES_ROLE, HCP_VAULT_CLIENT_CERT and HCP_VAULT_CLIENT_KEY, or HCP_VAULT_TOKEN in the environment.',
  )
}

function tlsOf(env: Environment): EgressTls | undefined {
  const read = (name: string): string | undefined => {
    const path = setting(env, name)
    if (path === undefined) return undefined
    try {
      return readFileSync(path, 'utf8')
    } catch {
      throw new SecretUnavailable(`hashicorp_vault: the file that ${name} names cannot be read.`)
    }
  }
  const tls = {
    ca: read('HCP_VAULT_CACERT') ?? read('VAULT_CACERT'),
    cert: read('HCP_VAULT_CLIENT_CERT'),
    key: read('HCP_VAULT_CLIENT_KEY'),
  }
  const given = Object.entries(tls).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : (Object.fromEntries(given) as EgressTls)
}

const trimmed = (path: string): string => path.replace(/^\/+|\/+$/g, '')

/** Segment by segment: a secret's name may hold slashes, and nothing in it may climb out of its mount. */
function encodePath(path: string): string {
  const segments = path.split('/').filter(segment => segment !== '')
  if (segments.some(segment => segment === '.' || segment === '..')) {
    throw new SecretUnavailable('hashicorp_vault: a path may not hold "." or ".." as a segment.')
  }
  return segments.map(encodeURIComponent).join('/')
}
