import { readFile } from 'node:fs/promises'
import { refusedWith, type SecretReading, SecretUnavailable } from './backend.ts'
import { callFor, jsonOf, type SecretServices, setting, textField } from './call.ts'
import { readSecretFile } from './mounted-files.ts'
import { fromRoot, type SecretReference } from './reference.ts'
import { azureToken, entraTokenFor } from './tokens/azure-token.ts'
import { metadata } from './tokens/google-token.ts'

type OidcReference = Extract<SecretReference, { kind: 'oidc' }>

/**
 * A workload identity token, by LiteLLM's names: `oidc/google/<audience>`, `oidc/azure/<scope>`, `oidc/github/<audience>`,
 * `oidc/file/<path>`, `oidc/env/<NAME>`, `oidc/env_path/<NAME>`, `oidc/circleci/`, `oidc/circleci_v2/`.
 * @throws SecretUnavailable
 */
export async function readOidcToken(
  reference: OidcReference,
  services: SecretServices,
  fileDirs: readonly string[],
): Promise<SecretReading | undefined> {
  const found = await tokenOf(reference, services, fileDirs)
  // `oidc/azure/<scope>` of a managed identity is an access token already.
  const isAccessToken =
    reference.provider === 'azure' && setting(services.env, 'AZURE_FEDERATED_TOKEN_FILE') === undefined
  if (found === undefined || !reference.forEntra || isAccessToken) return found
  const { value, expiresAt } = await entraTokenFor(found.text, azureOpenaiScope, services)
  return { text: value, expiresAt }
}

const azureOpenaiScope = 'https://cognitiveservices.azure.com/.default'

async function tokenOf(
  { provider, audience, text: reference }: OidcReference,
  services: SecretServices,
  fileDirs: readonly string[],
): Promise<SecretReading | undefined> {
  const { env } = services
  switch (provider) {
    case 'file':
      return reading(await readSecretFile(fromRoot(audience), fileDirs))
    case 'env':
      return reading(setting(env, audience))
    case 'env_path':
      return reading(await contentNamedBy(audience, services))
    case 'circleci':
      return reading(setting(env, 'CIRCLE_OIDC_TOKEN'))
    case 'circleci_v2':
      return reading(setting(env, 'CIRCLE_OIDC_TOKEN_V2'))
    case 'google': {
      const query = `audience=${encodeURIComponent(audience)}&format=full`
      return reading((await metadata(`instance/service-accounts/default/identity?${query}`, services)).text())
    }
    case 'azure':
      if (setting(env, 'AZURE_FEDERATED_TOKEN_FILE') !== undefined) {
        return reading(await contentNamedBy('AZURE_FEDERATED_TOKEN_FILE', services))
      }
      return reading(await azureToken(audience, services).get())
    case 'github':
      return reading(await githubToken(audience, reference, services))
  }
}

/** https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect */
async function githubToken(audience: string, reference: string, services: SecretServices): Promise<string | undefined> {
  const address = setting(services.env, 'ACTIONS_ID_TOKEN_REQUEST_URL')
  const bearer = setting(services.env, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN')
  if (address === undefined || bearer === undefined || !URL.canParse(address)) {
    throw new SecretUnavailable(
      `${reference}: ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are not set; give the job the permission id-token: write.`,
    )
  }
  const url = new URL(address)
  if (audience !== '') url.searchParams.set('audience', audience)
  const response = await callFor(reference, services, url.href, {
    headers: { authorization: `Bearer ${bearer}`, accept: 'application/json; api-version=2.0' },
  })
  if (response.status !== 200) throw new SecretUnavailable(`${reference}: GitHub: ${refusedWith(response.status)}.`)
  return textField(jsonOf(reference, response), 'value')
}

/** The variable is set by whoever runs this process, so the file it names may lie anywhere. */
async function contentNamedBy(variable: string, { env }: SecretServices): Promise<string> {
  const path = setting(env, variable)
  if (path === undefined) throw new SecretUnavailable(`the environment variable ${variable} is not set`)
  return readFile(path, 'utf8').catch(() => {
    throw new SecretUnavailable(`the file that ${variable} names cannot be read`)
  })
}

function reading(token: string | undefined): SecretReading | undefined {
  const text = token?.trim()
  return text === undefined || text === '' ? undefined : { text, expiresAt: expiryOf(text) }
}

/** Such tokens are JWTs, which say when they end; others are read again at the usual interval. */
function expiryOf(token: string): number | undefined {
  try {
    // Not verified: it is our own token, and only tells when to read it again.
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const exp = typeof claims === 'object' && claims !== null && 'exp' in claims ? claims.exp : undefined
    return typeof exp === 'number' ? exp * 1000 : undefined
  } catch {
    return undefined
  }
}
