import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { Clock } from '../../platform/clock.ts'
import { EgressDoors } from '../../platform/security/egress-doors.ts'
import { egressConfiguration } from '../../platform/security/egress-policies.ts'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { openStore } from '../../platform/store/open-store.ts'
import type { AuditEvent } from '../audit/audit-log.ts'
import { Governance } from '../governance.ts'
import type { Newcomers } from './people.ts'

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  ms: number
  constructor(ms = Date.parse('2026-03-01T12:00:00Z')) {
    this.ms = ms
  }
  now(): number {
    return this.ms
  }
  epoch(): number {
    return this.ms
  }
  get seconds(): number {
    return Math.floor(this.ms / 1000)
  }
  pass(milliseconds: number): void {
    this.ms += milliseconds
  }
}

/** An outbound door that reaches this machine for identity providers, and nothing else. */
export const loopbackDoors = (): EgressDoors =>
  new EgressDoors(egressConfiguration({ identity: { allow_cidrs: ['127.0.0.0/8', '::1/128'] } }))

export const newcomers: Newcomers = { userRole: 'internal_user_viewer', userSettings: {}, teamSettings: {} }

export interface TestPlane {
  readonly plane: Governance
  readonly audit: AuditEvent[]
  close(): Promise<void>
}

/** The real control plane over SQLite in memory. */
export async function openPlane(clock: Clock): Promise<TestPlane> {
  const store = await openStore({ kind: 'memory' })
  const state = new MemoryState({ clock })
  const audit: AuditEvent[] = []
  const plane = new Governance({
    store,
    state,
    clock,
    recordIn: async (_trx, event) => void audit.push(event),
    cache: { ttl: 60_000, maxEntries: 1000, staleFor: 60_000 },
  })
  return {
    plane,
    audit,
    async close() {
      plane.close()
      await state.close()
      await store.close()
    },
  }
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

/** A small HTTP server on loopback that counts what it is asked. */
export class LoopbackServer {
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = []
  readonly #server: Server
  handler: Handler

  constructor(handler: Handler) {
    this.handler = handler
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => {
        this.requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
        this.handler(request, response, body)
      })
    })
  }

  async listen(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`
  }

  asked(path: string): number {
    return this.requests.filter(request => request.url.split('?')[0] === path).length
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

export const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

/** An issuer with real keys. */
export interface TestIssuer {
  readonly kid: string
  readonly publicJwk: JWK
  readonly privateKey: CryptoKey
  /** A token whose claims are given; header fields go over the defaults. */
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
}

export async function testIssuer(kid: string, alg = 'RS256'): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  return {
    kid,
    publicJwk,
    privateKey,
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT', ...header }).sign(privateKey),
  }
}
