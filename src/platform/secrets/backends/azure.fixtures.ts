import { type FakeAnswer, type FakeRequest, type FakeServer, fakeServer } from '../fake-server.fixtures.ts'

export interface FakeAzure extends FakeServer {
  readonly secrets: Map<string, string>
  readonly tokens: Set<string>
}

/** Entra ID's token endpoint, the managed identity endpoints, and a Key Vault. https://learn.microsoft.com/rest/api/keyvault/ */
export async function fakeAzure(): Promise<FakeAzure> {
  const secrets = new Map<string, string>()
  const tokens = new Set<string>()
  const grant = (extra: object): FakeAnswer => {
    const token = `eyJ.azure-${tokens.size}`
    tokens.add(token)
    return { body: { access_token: token, token_type: 'Bearer', ...extra } }
  }
  const answer = (request: FakeRequest): FakeAnswer => {
    const { path, query, headers } = request
    if (path === '/tenant-1/oauth2/v2.0/token') {
      const form = new URLSearchParams(request.body)
      const assertion = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      const proven =
        form.get('client_secret') === 'app-secret' ||
        (form.get('client_assertion_type') === assertion && form.get('client_assertion') === 'federated-jwt')
      const sound =
        form.get('grant_type') === 'client_credentials' &&
        form.get('client_id') === 'app-1' &&
        form.get('scope') === 'https://vault.azure.net/.default'
      return proven && sound ? grant({ expires_in: 3599 }) : { status: 401, body: { error: 'invalid_client' } }
    }
    if (path === '/metadata/identity/oauth2/token') {
      const sound = headers['metadata'] === 'true' && query.get('resource') === 'https://vault.azure.net'
      return sound ? grant({ expires_on: String(Math.floor(Date.now() / 1000) + 3600) }) : { status: 400 }
    }
    if (path === '/app-service/token') {
      const sound = headers['x-identity-header'] === 'header-1' && query.get('api-version') === '2019-08-01'
      return sound ? grant({ expires_on: String(Math.floor(Date.now() / 1000) + 3600) }) : { status: 400 }
    }
    if (!tokens.has(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '')) return { status: 401, body: {} }
    const name = /^\/secrets\/([^/]+)$/.exec(path)?.[1] ?? ''
    if (!/^[0-9A-Za-z-]{1,127}$/.test(name) || query.get('api-version') === null) return { status: 400, body: {} }
    const missing: FakeAnswer = { status: 404, body: { error: { code: 'SecretNotFound' } } }
    switch (request.method) {
      case 'PUT':
        secrets.set(name, (JSON.parse(request.body) as { value: string }).value)
        return {}
      case 'DELETE':
        return secrets.delete(name) ? {} : missing
      default: {
        const value = secrets.get(name)
        return value === undefined ? missing : { body: { value, id: `https://vault/secrets/${name}/1` } }
      }
    }
  }
  return Object.assign(await fakeServer(answer), { secrets, tokens })
}
