import { readFile } from 'node:fs/promises'
import type { OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, SecretUnavailable } from '../backend.ts'
import { callFor, jsonOf, numberField, type SecretServices, setting, textField } from '../call.ts'
import { type Expiring, Renewing } from './renewing.ts'

const what = 'azure credentials'

/**
 * Access tokens of Entra ID for one scope (`https://vault.azure.net/.default`), in the order of Azure's SDKs: an
 * application's secret, a federated token (AKS workload identity), a managed identity (App Service, then the machine's).
 */
export function azureToken(scope: string, services: SecretServices): Renewing<string> {
  const { env } = services
  const tenant = setting(env, 'AZURE_TENANT_ID')
  const client = setting(env, 'AZURE_CLIENT_ID')
  const secret = setting(env, 'AZURE_CLIENT_SECRET')
  const federated = setting(env, 'AZURE_FEDERATED_TOKEN_FILE')
  return new Renewing(async () => {
    if (tenant !== undefined && client !== undefined && secret !== undefined) {
      return ofApplication(tenant, { client_id: client, client_secret: secret, scope }, services)
    }
    if (tenant !== undefined && client !== undefined && federated !== undefined) {
      const assertion = await readFile(federated, 'utf8').catch(() => {
        throw new SecretUnavailable(`${what}: the token file ${federated} cannot be read.`)
      })
      return ofApplication(
        tenant,
        { client_id: client, ...federation, client_assertion: assertion.trim(), scope },
        services,
      )
    }
    return ofManagedIdentity(scope.replace(/\/\.default$/, ''), client, services)
  }, services.epoch)
}

/**
 * An access token for a token of another identity provider that Entra ID trusts: a federated identity credential of the
 * application. @throws SecretUnavailable
 */
export function entraTokenFor(assertion: string, scope: string, services: SecretServices): Promise<Expiring<string>> {
  const tenant = setting(services.env, 'AZURE_TENANT_ID')
  const client = setting(services.env, 'AZURE_CLIENT_ID')
  if (tenant === undefined || client === undefined) {
    throw new SecretUnavailable(`${what}: azure_ad_token: oidc/… needs AZURE_TENANT_ID and AZURE_CLIENT_ID.`)
  }
  return ofApplication(tenant, { client_id: client, ...federation, client_assertion: assertion, scope }, services)
}

const federation = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
async function ofApplication(
  tenant: string,
  form: Readonly<Record<string, string>>,
  services: SecretServices,
): Promise<Expiring<string>> {
  const authority = (setting(services.env, 'AZURE_AUTHORITY_HOST') ?? 'https://login.microsoftonline.com').replace(
    /\/+$/,
    '',
  )
  const url = `${/^https?:\/\//.test(authority) ? authority : `https://${authority}`}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`
  const response = await callFor(what, services, url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ ...form, grant_type: 'client_credentials' }).toString(),
  })
  if (response.status !== 200) throw new SecretUnavailable(`${what}: Entra ID: ${refusedWith(response.status)}.`)
  return tokenIn(response, services)
}

/**
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 */
async function ofManagedIdentity(
  resource: string,
  client: string | undefined,
  services: SecretServices,
): Promise<Expiring<string>> {
  const { env } = services
  const endpoint = setting(env, 'IDENTITY_ENDPOINT')
  const header = setting(env, 'IDENTITY_HEADER')
  const appService = endpoint !== undefined && header !== undefined
  const base = (setting(env, 'AZURE_POD_IDENTITY_AUTHORITY_HOST') ?? 'http://169.254.169.254').replace(/\/+$/, '')
  const url = new URL(appService ? endpoint : `${base}/metadata/identity/oauth2/token`)
  url.searchParams.set('api-version', appService ? '2019-08-01' : '2018-02-01')
  url.searchParams.set('resource', resource)
  if (client !== undefined) url.searchParams.set('client_id', client)
  const response = await callFor(what, services, url.href, {
    purpose: 'machine_identity',
    headers: appService ? { 'x-identity-header': header } : { metadata: 'true' },
  })
  if (response.status !== 200) {
    throw new SecretUnavailable(`${what}: managed identity: ${refusedWith(response.status)}.`)
  }
  return tokenIn(response, services)
}

function tokenIn(response: OutboundResponse, { epoch }: SecretServices): Expiring<string> {
  const body = jsonOf(what, response)
  const token = textField(body, 'access_token')
  if (token === undefined) throw new SecretUnavailable(`${what}: the answer holds no access token.`)
  // Entra ID says how long, managed identities say until when, in seconds.
  const lasts = numberField(body, 'expires_in')
  const until = numberField(body, 'expires_on')
  const expiresAt =
    lasts !== undefined ? epoch() + lasts * 1000 : until !== undefined ? until * 1000 : epoch() + 300_000
  return { value: token, expiresAt }
}
