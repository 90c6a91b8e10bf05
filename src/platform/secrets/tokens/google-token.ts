import { readFile } from 'node:fs/promises'
import { refusedWith, SecretUnavailable } from '../backend.ts'
import { callFor, jsonOf, numberField, type SecretServices, setting, textField } from '../call.ts'
import { type Expiring, Renewing } from './renewing.ts'

const what = 'google credentials'
const scope = 'https://www.googleapis.com/auth/cloud-platform'

/** Access tokens for Google Cloud: of a service account whose key is in a file, else of the machine's own account. */
export function googleToken(services: SecretServices): Renewing<string> {
  const file = setting(services.env, 'GOOGLE_APPLICATION_CREDENTIALS', 'GCS_PATH_SERVICE_ACCOUNT')
  return new Renewing(
    () => (file === undefined ? ofMachine(services) : ofServiceAccount(file, services)),
    services.epoch,
  )
}

/** https://developers.google.com/identity/protocols/oauth2/service-account#httprest */
async function ofServiceAccount(file: string, services: SecretServices): Promise<Expiring<string>> {
  const account = await accountIn(file)
  const address = account.tokenUri ?? 'https://oauth2.googleapis.com/token'
  const now = Math.floor(services.epoch() / 1000)
  let assertion: string
  // Loaded when needed: 46 files that most gateways never use.
  const { importPKCS8, SignJWT } = await import('jose')
  try {
    const key = await importPKCS8(account.privateKey, 'RS256')
    assertion = await new SignJWT({ scope })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(account.keyId === undefined ? {} : { kid: account.keyId }) })
      .setIssuer(account.email)
      .setSubject(account.email)
      .setAudience(address)
      .setIssuedAt(now)
      .setExpirationTime(now + 3600)
      .sign(key)
  } catch {
    throw new SecretUnavailable(`${what}: the private key in ${file} cannot be used; it must be PKCS #8, RSA.`)
  }
  const response = await callFor(what, services, address, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion,
    }).toString(),
  })
  if (response.status !== 200)
    throw new SecretUnavailable(`${what}: the token service: ${refusedWith(response.status)}.`)
  return tokenIn(jsonOf(what, response), services)
}

/** https://cloud.google.com/compute/docs/access/authenticate-workloads#applications */
async function ofMachine(services: SecretServices): Promise<Expiring<string>> {
  const response = await metadata('instance/service-accounts/default/token', services)
  return tokenIn(jsonOf(what, response), services)
}

/** The metadata service of Google's machines; `GCE_METADATA_HOST` is the libraries' way to name another. */
export async function metadata(path: string, services: SecretServices): Promise<Awaited<ReturnType<typeof callFor>>> {
  const host = setting(services.env, 'GCE_METADATA_HOST') ?? 'metadata.google.internal'
  const response = await callFor(what, services, `http://${host}/computeMetadata/v1/${path}`, {
    purpose: 'machine_identity',
    headers: { 'metadata-flavor': 'Google' },
  })
  if (response.status !== 200)
    throw new SecretUnavailable(`${what}: the metadata service: ${refusedWith(response.status)}.`)
  return response
}

function tokenIn(body: Readonly<Record<string, unknown>>, { epoch }: SecretServices): Expiring<string> {
  const token = textField(body, 'access_token')
  if (token === undefined) throw new SecretUnavailable(`${what}: the answer holds no access token.`)
  return { value: token, expiresAt: epoch() + (numberField(body, 'expires_in') ?? 300) * 1000 }
}

interface ServiceAccount {
  readonly email: string
  readonly privateKey: string
  readonly keyId: string | undefined
  readonly tokenUri: string | undefined
}

async function accountIn(file: string): Promise<ServiceAccount> {
  let json: unknown
  try {
    json = JSON.parse(await readFile(file, 'utf8'))
  } catch {
    throw new SecretUnavailable(`${what}: ${file} cannot be read as JSON.`)
  }
  const email = textField(json, 'client_email')
  const privateKey = textField(json, 'private_key')
  if (email === undefined || privateKey === undefined) {
    const type = textField(json, 'type') ?? 'unknown'
    throw new SecretUnavailable(
      `${what}: ${file} is of the type "${type.slice(0, 40)}"; a service account key with client_email and private_key is needed.`,
    )
  }
  return { email, privateKey, keyId: textField(json, 'private_key_id'), tokenUri: textField(json, 'token_uri') }
}
