import type { OutboundInit, OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, type SecretBackend, type SecretReading, SecretUnavailable } from '../backend.ts'
import { callFor, fields, flagOf, jsonOf, type SecretServices, setting, textField } from '../call.ts'
import { googleToken } from '../tokens/google-token.ts'

type Call = (path: string, init?: OutboundInit) => Promise<OutboundResponse>

function caller(what: string, base: string, services: SecretServices): Call {
  const token = googleToken(services)
  return async (path, init = {}) => {
    const response = await callFor(what, services, base + path, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${await token.get()}` },
    })
    if (response.status === 401) token.forget()
    return response
  }
}

const json = (body: object): OutboundInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/**
 * Google Secret Manager, the latest version of the secret with the variable's name.
 * https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
 */
export function googleSecretManager(services: SecretServices): SecretBackend {
  const { env } = services
  const what = 'google_secret_manager'
  const project = setting(env, 'GOOGLE_SECRET_MANAGER_PROJECT_ID')
  if (project === undefined)
    throw new SecretUnavailable(`${what}: set GOOGLE_SECRET_MANAGER_PROJECT_ID in the environment.`)
  const base = setting(env, 'GOOGLE_SECRET_MANAGER_ENDPOINT') ?? 'https://secretmanager.googleapis.com'
  const call = caller(what, `${base.replace(/\/+$/, '')}/v1/projects/${encodeURIComponent(project)}`, services)
  const refresh = Number(setting(env, 'GOOGLE_SECRET_MANAGER_REFRESH_INTERVAL') ?? Number.NaN)
  const always =
    setting(env, 'GOOGLE_SECRET_MANAGER_ALWAYS_READ_SECRET_MANAGER') !== undefined &&
    flagOf(env, 'GOOGLE_SECRET_MANAGER_ALWAYS_READ_SECRET_MANAGER', false)
  const failed = (doing: string, { status }: OutboundResponse) =>
    new SecretUnavailable(`${what}: ${doing}: ${refusedWith(status)}.`)

  return {
    system: what,
    pollInterval: !always && Number.isFinite(refresh) && refresh > 0 ? refresh * 1000 : undefined,
    async read(name): Promise<SecretReading | undefined> {
      const response = await call(`/secrets/${secretId(name)}/versions/latest:access`)
      if (response.status === 404) return undefined
      if (response.status !== 200) throw failed(name, response)
      const data = textField(fields(jsonOf(what, response))['payload'], 'data')
      return data === undefined ? undefined : { text: Buffer.from(data, 'base64').toString('utf8') }
    },
    async write(name, value) {
      const version = json({ payload: { data: Buffer.from(value).toString('base64') } })
      let added = await call(`/secrets/${secretId(name)}:addVersion`, version)
      if (added.status === 404) {
        const created = await call(`/secrets?secretId=${secretId(name)}`, json({ replication: { automatic: {} } }))
        if (created.status !== 200 && created.status !== 409) throw failed(`writing ${name}`, created)
        added = await call(`/secrets/${secretId(name)}:addVersion`, version)
      }
      if (added.status !== 200) throw failed(`writing ${name}`, added)
    },
    async remove(name) {
      const response = await call(`/secrets/${secretId(name)}`, { method: 'DELETE' })
      if (response.status !== 200 && response.status !== 404) throw failed(`removing ${name}`, response)
    },
  }
}

/** Ids are letters, digits, `-` and `_`: the slash of `litellm/alias` becomes a `-`. */
const secretId = (name: string): string => name.replace(/[^\w-]/g, '-').slice(0, 255)

/**
 * Google Cloud KMS: the environment holds ciphertext, base64, and KMS opens it.
 * https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
 */
export function googleKms(services: SecretServices): SecretBackend {
  const what = 'google_kms'
  const resource = setting(services.env, 'GOOGLE_KMS_RESOURCE_NAME')
  if (
    resource === undefined ||
    !/^projects\/[\w.:-]+\/locations\/[\w-]+\/keyRings\/[\w-]+\/cryptoKeys\/[\w-]+$/.test(resource)
  ) {
    throw new SecretUnavailable(
      `${what}: set GOOGLE_KMS_RESOURCE_NAME to projects/…/locations/…/keyRings/…/cryptoKeys/… in the environment.`,
    )
  }
  const base = setting(services.env, 'GOOGLE_KMS_ENDPOINT') ?? 'https://cloudkms.googleapis.com'
  const call = caller(what, `${base.replace(/\/+$/, '')}/v1/${resource}`, services)
  return {
    system: what,
    pollInterval: 0,
    async read(name) {
      const ciphertext = setting(services.env, name)
      if (ciphertext === undefined) return undefined
      const response = await call(':decrypt', json({ ciphertext }))
      if (response.status !== 200) {
        throw new SecretUnavailable(
          `${what}: ${name}: ${refusedWith(response.status)}. The variable must hold the base64 ciphertext.`,
        )
      }
      const plaintext = textField(jsonOf(what, response), 'plaintext')
      if (plaintext === undefined) throw new SecretUnavailable(`${what}: ${name}: the answer holds no plaintext.`)
      return { text: Buffer.from(plaintext, 'base64').toString('utf8') }
    },
  }
}
