import { randomUUID } from 'node:crypto'
import { type FakeAnswer, type FakeRequest, type FakeServer, fakeServer } from '../fake-server.fixtures.ts'

interface Lease {
  readonly namespace: string
  readonly renewable: boolean
  readonly ttl: number
  expires: number
  renewals: number
}

export interface FakeVault extends FakeServer {
  /** `namespace/mount/path` → versions, the newest last; null: deleted. */
  readonly secrets: Map<string, (Readonly<Record<string, string>> | null)[]>
  readonly tokens: Map<string, Lease>
  /** Accepts this root token. */
  readonly rootToken: string
  readonly roleId: string
  readonly secretId: string
  /** Seconds a login's token lives. */
  leaseSeconds: number
  put(path: string, data: Readonly<Record<string, string>>, namespace?: string): void
  revokeAll(): void
}

/**
 * What a Vault dev server says to the calls a client of KV version 2 makes: AppRole, Kubernetes and token logins,
 * renewal, namespaces, versions, deletions, and its error bodies. https://developer.hashicorp.com/vault/api-docs
 */
export async function fakeVault(options: { readonly tls?: boolean } = {}): Promise<FakeVault> {
  const secrets: FakeVault['secrets'] = new Map()
  const tokens: FakeVault['tokens'] = new Map()
  const identity = { rootToken: `hvs.${randomUUID()}`, roleId: randomUUID(), secretId: randomUUID() }

  const grant = (namespace: string): FakeAnswer => {
    const token = `hvs.${randomUUID()}`
    const ttl = fake.leaseSeconds
    tokens.set(token, { namespace, renewable: true, ttl, expires: Date.now() + ttl * 1000, renewals: 0 })
    return { body: { request_id: randomUUID(), auth: authOf(token, ttl) } }
  }
  const login = (request: FakeRequest, namespace: string): FakeAnswer => {
    const { role_id, secret_id, role, jwt } = JSON.parse(request.body) as Record<string, string>
    if (request.path.startsWith('/v1/auth/approle/')) {
      if (role_id === identity.roleId && secret_id === identity.secretId) return grant(namespace)
      return { status: 400, body: { errors: ['invalid role or secret ID'] } }
    }
    if (request.path === '/v1/auth/cert/login') {
      const { name } = JSON.parse(request.body) as { name?: string }
      if (request.certified && (name === undefined || name === 'gateway')) return grant(namespace)
      return { status: 400, body: { errors: ['invalid certificate or no client certificate supplied'] } }
    }
    if (role === 'routeiq' && jwt === 'service-account-jwt') return grant(namespace)
    return { status: 403, body: { errors: ['permission denied'] } }
  }
  const denied: FakeAnswer = { status: 403, body: { errors: ['permission denied'] } }
  const leaseOf = (token: unknown): Lease | 'root' | undefined => {
    if (token === identity.rootToken) return 'root'
    const lease = typeof token === 'string' ? tokens.get(token) : undefined
    return lease !== undefined && lease.expires > Date.now() ? lease : undefined
  }

  const answer = (request: FakeRequest): FakeAnswer => {
    const namespace = String(request.headers['x-vault-namespace'] ?? '')
    if (request.headers['x-vault-request'] !== 'true')
      return { status: 412, body: { errors: ['missing X-Vault-Request'] } }
    if (/^\/v1\/auth\/[\w-]+\/login$/.test(request.path)) return login(request, namespace)
    const token = request.headers['x-vault-token']
    const lease = leaseOf(token)
    if (lease === undefined) return denied
    if (request.path === '/v1/auth/token/lookup-self') {
      return { body: { data: lease === 'root' ? { ttl: 0, renewable: false } : { ttl: lease.ttl, renewable: true } } }
    }
    if (request.path === '/v1/auth/token/renew-self') {
      if (lease === 'root') return { status: 400, body: { errors: ['lease is not renewable'] } }
      lease.renewals++
      lease.expires = Date.now() + lease.ttl * 1000
      return { body: { auth: authOf(String(token), lease.ttl) } }
    }
    const match = /^\/v1\/([\w-]+)\/data\/(.+)$/.exec(request.path)
    if (match === null) return { status: 404, body: { errors: ['no handler for route'] } }
    const path = `${namespace}/${match[1]}/${decodeURIComponent(match[2] ?? '')}`
    const versions = secrets.get(path)
    switch (request.method) {
      case 'GET': {
        if (versions === undefined) return { status: 404, body: { errors: [] } }
        const data = versions.at(-1) ?? null
        const metadata = { version: versions.length, destroyed: false, deletion_time: data === null ? 'now' : '' }
        return { status: data === null ? 404 : 200, body: { data: { data, metadata }, lease_duration: 0 } }
      }
      case 'POST': {
        const { data } = JSON.parse(request.body) as { data: Record<string, string> }
        secrets.set(path, [...(versions ?? []), data])
        return { body: { data: { version: (versions?.length ?? 0) + 1 } } }
      }
      case 'DELETE':
        if (versions !== undefined) versions.push(null)
        return { status: 204 }
      default:
        return { status: 405, body: { errors: ['unsupported operation'] } }
    }
  }
  const server = await fakeServer(answer, options)
  const fake: FakeVault = Object.assign(server, {
    ...identity,
    secrets,
    tokens,
    leaseSeconds: 3600,
    put(path: string, data: Readonly<Record<string, string>>, namespace = '') {
      const whole = `${namespace}/${path}`
      secrets.set(whole, [...(secrets.get(whole) ?? []), data])
    },
    revokeAll: () => tokens.clear(),
  })
  return fake
}

const authOf = (token: string, ttl: number) => ({
  client_token: token,
  accessor: randomUUID(),
  policies: ['default'],
  lease_duration: ttl,
  renewable: true,
})
