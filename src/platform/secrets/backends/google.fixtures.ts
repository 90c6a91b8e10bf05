import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { type FakeAnswer, type FakeRequest, type FakeServer, fakeServer } from '../fake-server.fixtures.ts'

export interface FakeGoogle extends FakeServer {
  readonly project: string
  readonly secrets: Map<string, string[]>
  /** The content of a service account's key file. */
  readonly account: string
  readonly kmsKey: string
  encrypt(text: string): string
  /** Access tokens that are good. */
  readonly tokens: Set<string>
}

/**
 * Google's token service (which verifies the assertion's signature and claims), Secret Manager, KMS, and the metadata
 * service of its machines. https://developers.google.com/identity/protocols/oauth2/service-account
 */
export async function fakeGoogle(): Promise<FakeGoogle> {
  const project = 'project-1'
  const secrets = new Map<string, string[]>()
  const tokens = new Set<string>()
  const kmsKey = `projects/${project}/locations/global/keyRings/r/cryptoKeys/k`
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const email = 'gateway@project-1.iam.gserviceaccount.com'

  const grant = (): FakeAnswer => {
    const token = `ya29.token-${tokens.size}`
    tokens.add(token)
    return { body: { access_token: token, expires_in: 3600, token_type: 'Bearer' } }
  }
  const exchange = (request: FakeRequest): FakeAnswer => {
    const form = new URLSearchParams(request.body)
    const refused: FakeAnswer = { status: 400, body: { error: 'invalid_grant' } }
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') return refused
    const [head = '', payload = '', signature = ''] = (form.get('assertion') ?? '').split('.')
    const good = verify(
      'RSA-SHA256',
      Buffer.from(`${head}.${payload}`),
      createPublicKey(publicKey),
      Buffer.from(signature, 'base64url'),
    )
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
    const { alg, kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>
    const now = Date.now() / 1000
    const sound =
      alg === 'RS256' &&
      kid === 'key-1' &&
      claims['iss'] === email &&
      claims['aud'] === `${fake.url}/token` &&
      String(claims['scope']).endsWith('/auth/cloud-platform') &&
      Math.abs(Number(claims['iat']) - now) < 60 &&
      Number(claims['exp']) - Number(claims['iat']) <= 3600
    return good && sound ? grant() : refused
  }
  const answer = (request: FakeRequest): FakeAnswer => {
    const { path, method } = request
    if (path === '/token') return exchange(request)
    if (path.startsWith('/computeMetadata/v1/')) {
      if (request.headers['metadata-flavor'] !== 'Google') return { status: 403 }
      if (path.endsWith('/token')) return grant()
      return { body: `identity-for-${request.query.get('audience')}` }
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined || !tokens.has(token))
      return { status: 401, body: { error: { status: 'UNAUTHENTICATED' } } }
    if (path === `/v1/${kmsKey}:decrypt`) {
      const { ciphertext } = JSON.parse(request.body) as Record<string, string>
      const text = Buffer.from(ciphertext ?? '', 'base64').toString()
      if (!text.startsWith('kms:')) return { status: 400, body: { error: { status: 'INVALID_ARGUMENT' } } }
      return { body: { plaintext: Buffer.from(text.slice(4)).toString('base64') } }
    }
    const base = `/v1/projects/${project}/secrets`
    if (path === base && method === 'POST') {
      const id = request.query.get('secretId') ?? ''
      if (secrets.has(id)) return { status: 409 }
      secrets.set(id, [])
      return { body: { name: id } }
    }
    const id = /^\/([\w-]+)/.exec(path.slice(base.length))?.[1] ?? ''
    const versions = secrets.get(id)
    if (!path.startsWith(`${base}/`) || versions === undefined)
      return { status: 404, body: { error: { status: 'NOT_FOUND' } } }
    if (path.endsWith('/versions/latest:access')) {
      const latest = versions.at(-1)
      if (latest === undefined) return { status: 404, body: { error: { status: 'NOT_FOUND' } } }
      return { body: { payload: { data: Buffer.from(latest).toString('base64') } } }
    }
    if (path.endsWith(':addVersion')) {
      const { payload } = JSON.parse(request.body) as { payload: { data: string } }
      versions.push(Buffer.from(payload.data, 'base64').toString())
      return {}
    }
    secrets.delete(id)
    return {}
  }
  const server = await fakeServer(answer)
  const fake: FakeGoogle = Object.assign(server, {
    project,
    secrets,
    tokens,
    kmsKey,
    account: JSON.stringify({
      type: 'service_account',
      client_email: email,
      private_key: privateKey,
      private_key_id: 'key-1',
      token_uri: `${server.url}/token`,
    }),
    encrypt: (text: string) => Buffer.from(`kms:${text}`).toString('base64'),
  })
  return fake
}
