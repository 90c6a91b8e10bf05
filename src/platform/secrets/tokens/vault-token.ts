import { readFile } from 'node:fs/promises'
import type { EgressTls, OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, SecretUnavailable } from '../backend.ts'
import { callFor, fields, jsonOf, numberField, type SecretServices, textField } from '../call.ts'

/** How this gateway proves itself to Vault. https://developer.hashicorp.com/vault/api-docs/auth */
export type VaultLogin =
  | { readonly method: 'token'; readonly token: string }
  | { readonly method: 'approle'; readonly mount: string; readonly roleId: string; readonly secretId: string }
  | { readonly method: 'kubernetes'; readonly mount: string; readonly role: string; readonly tokenFile: string }
  | { readonly method: 'cert'; readonly role: string | undefined }

export interface VaultAddress {
  /** Without a trailing slash. */
  readonly address: string
  readonly namespace: string | undefined
  readonly tls: EgressTls | undefined
}

/** Part of a lease after which it is renewed. */
const renewAfter = 2 / 3
/** Milliseconds until a failed renewal is tried again. */
const retryAfter = 5000
const longestTimer = 2 ** 31 - 1

/**
 * The token for Vault's API: logged in when first needed, renewed for as long as Vault lets it, logged in anew when it
 * does not. A token given by the operator is renewed too, where it can be.
 */
export class VaultToken {
  readonly #login: VaultLogin
  readonly #at: VaultAddress
  readonly #services: SecretServices
  #token: string | undefined
  #getting: Promise<string> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(login: VaultLogin, at: VaultAddress, services: SecretServices) {
    this.#login = login
    this.#at = at
    this.#services = services
  }

  get(): Promise<string> {
    if (this.#token !== undefined) return Promise.resolve(this.#token)
    this.#getting ??= this.#obtain().finally(() => {
      this.#getting = undefined
    })
    return this.#getting
  }

  /** Vault refused this token. @returns whether asking again may give another one. */
  refused(token: string): boolean {
    if (this.#login.method === 'token') return false
    if (this.#token === token) this.#token = undefined
    return true
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #obtain(): Promise<string> {
    if (this.#login.method === 'token') {
      this.#token = this.#login.token
      await this.#lookUpOwnLease(this.#token)
      return this.#token
    }
    const { path, body } = await this.#loginRequest(this.#login)
    const response = await this.#post(path, body)
    if (response.status !== 200) {
      throw new SecretUnavailable(`hashicorp_vault: ${this.#login.method} login: ${refusedWith(response.status)}.`)
    }
    const { auth } = jsonOf('hashicorp_vault', response)
    const token = textField(auth, 'client_token')
    if (token === undefined) throw new SecretUnavailable('hashicorp_vault: the login brought no token.')
    this.#token = token
    this.#renewBefore(numberField(auth, 'lease_duration') ?? 0, fields(auth)['renewable'] === true)
    return token
  }

  async #loginRequest(login: Exclude<VaultLogin, { method: 'token' }>): Promise<{ path: string; body: object }> {
    switch (login.method) {
      case 'approle':
        return { path: `auth/${login.mount}/login`, body: { role_id: login.roleId, secret_id: login.secretId } }
      case 'cert':
        return { path: 'auth/cert/login', body: login.role === undefined ? {} : { name: login.role } }
      case 'kubernetes': {
        // Read for each login: Kubernetes replaces the file long before its token expires.
        const jwt = await readFile(login.tokenFile, 'utf8').catch(() => {
          throw new SecretUnavailable(`hashicorp_vault: the service account token ${login.tokenFile} cannot be read.`)
        })
        return { path: `auth/${login.mount}/login`, body: { role: login.role, jwt: jwt.trim() } }
      }
    }
  }

  /** A token without the right to look at itself is used as it is, and not renewed. */
  async #lookUpOwnLease(token: string): Promise<void> {
    const response = await callFor('hashicorp_vault', this.#services, `${this.#at.address}/v1/auth/token/lookup-self`, {
      headers: this.#headers(token),
      ...(this.#at.tls && { tls: this.#at.tls }),
    }).catch(() => undefined)
    if (response?.status !== 200) return
    const { data } = jsonOf('hashicorp_vault', response)
    this.#renewBefore(numberField(data, 'ttl') ?? 0, fields(data)['renewable'] === true)
  }

  #renewBefore(leaseSeconds: number, renewable: boolean): void {
    clearTimeout(this.#timer)
    if (this.#closed || leaseSeconds <= 0) return
    const wait = Math.min(leaseSeconds * 1000 * renewAfter, longestTimer)
    this.#timer = setTimeout(() => void (renewable ? this.#renew(leaseSeconds) : this.#expire()), wait)
    this.#timer.unref()
  }

  #expire(): void {
    if (this.#login.method !== 'token') this.#token = undefined
  }

  async #renew(leaseSeconds: number): Promise<void> {
    const token = this.#token
    if (token === undefined || this.#closed) return
    const response = await this.#post('auth/token/renew-self', {}, token).catch(() => undefined)
    if (response?.status === 200) {
      const { auth } = jsonOf('hashicorp_vault', response)
      const granted = numberField(auth, 'lease_duration') ?? 0
      // At its maximum life the lease gets shorter and shorter: a new login comes before the end.
      const renewable = fields(auth)['renewable'] === true && granted > leaseSeconds / 2
      this.#renewBefore(granted, renewable || this.#login.method === 'token')
    } else if (this.#login.method !== 'token') {
      this.#token = undefined
    } else if (!this.#closed) {
      this.#timer = setTimeout(() => void this.#renew(leaseSeconds), retryAfter)
      this.#timer.unref()
    }
  }

  #post(path: string, body: object, token?: string): Promise<OutboundResponse> {
    return callFor('hashicorp_vault', this.#services, `${this.#at.address}/v1/${path}`, {
      method: 'POST',
      headers: { ...this.#headers(token), 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(this.#at.tls && { tls: this.#at.tls }),
    })
  }

  #headers(token: string | undefined): Record<string, string> {
    return {
      'x-vault-request': 'true',
      ...(token === undefined ? {} : { 'x-vault-token': token }),
      ...(this.#at.namespace === undefined ? {} : { 'x-vault-namespace': this.#at.namespace }),
    }
  }
}
