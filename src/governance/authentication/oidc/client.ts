import * as oidc from 'openid-client'
import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Outbound, OutboundInit } from '../../../platform/security/outbound.ts'
import type { Claims } from '../jwt/claims.ts'
import { identityUnavailable, tokenRejected } from '../token-errors.ts'
import type { SsoSettings } from './settings.ts'

/** What one login must have in common from its begin to its end. */
export interface LoginSecrets {
  readonly state: string
  readonly nonce: string
  /** PKCE, RFC 7636. */
  readonly verifier: string
}

export interface LoginResult {
  /** Claims of the ID token, with those of the user-info endpoint over them. */
  readonly claims: Claims
  readonly accessToken: string
}

/** Milliseconds a discovery document is used. */
const discoveryTtl = 3_600_000
const maxBytes = 262_144

/** The authorization code flow with PKCE against one provider (OpenID Connect Core §3.1, RFC 9700). */
export class OidcClient {
  readonly #settings: SsoSettings
  readonly #outbound: Outbound
  readonly #clock: Clock
  #known: { readonly configuration: oidc.Configuration; readonly at: number } | undefined

  constructor(settings: SsoSettings, outbound: Outbound, clock: Clock) {
    this.#settings = settings
    this.#outbound = outbound
    this.#clock = clock
  }

  /** Where to send the browser. @throws GatewayError `identity_unavailable` */
  async authorizationUrl(secrets: LoginSecrets, redirectUri: string): Promise<string> {
    const configuration = await this.#configuration()
    return oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: this.#settings.scope,
      state: secrets.state,
      code_challenge: await oidc.calculatePKCECodeChallenge(secrets.verifier),
      code_challenge_method: 'S256',
      ...(this.#settings.issuer === undefined ? {} : { nonce: secrets.nonce }),
    }).href
  }

  /**
   * The code in the provider's answer → who it is.
   * @param answer the redirect URI with the query the browser came back with
   * @throws GatewayError `invalid_api_key` for an answer that proves nothing, `identity_unavailable`
   */
  async exchange(secrets: LoginSecrets, answer: URL): Promise<LoginResult> {
    const configuration = await this.#configuration()
    const withIdToken = this.#settings.issuer !== undefined
    let tokens: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>
    try {
      tokens = await oidc.authorizationCodeGrant(configuration, answer, {
        pkceCodeVerifier: secrets.verifier,
        expectedState: secrets.state,
        ...(withIdToken ? { expectedNonce: secrets.nonce, idTokenExpected: true } : {}),
      })
    } catch (error) {
      throw verdict(error)
    }
    const idToken: Claims = (withIdToken ? tokens.claims() : undefined) ?? {}
    const { access_token: accessToken } = tokens
    const userInfo = await this.#userInfo(configuration, accessToken)
    const subjects = [idToken['sub'], userInfo['sub']].filter(sub => sub !== undefined)
    // OpenID Connect Core §5.3.2: otherwise the user info is that of somebody else.
    if (new Set(subjects).size > 1) throw tokenRejected('the user info belongs to another person than the ID token')
    return { claims: { ...idToken, ...userInfo }, accessToken }
  }

  /** GET with the access token; undefined when the provider does not let it. */
  async get(url: string, accessToken: string): Promise<unknown> {
    const answer = await this.#outbound
      .request('identity', url, {
        headers: { authorization: `Bearer ${accessToken}`, accept: 'application/json' },
        maxBytes: 1_048_576,
      })
      .catch((error: unknown) => {
        throw identityUnavailable('The identity provider', error)
      })
    return answer.status === 200 ? answer.json() : undefined
  }

  async #userInfo(configuration: oidc.Configuration, accessToken: string): Promise<Claims> {
    const url = this.#settings.endpoints.userInfo ?? configuration.serverMetadata().userinfo_endpoint
    if (url === undefined) return {}
    const claims = await this.get(url, accessToken)
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
      throw identityUnavailable('The user-info endpoint of the identity provider')
    }
    return claims as Claims
  }

  async #configuration(): Promise<oidc.Configuration> {
    const now = this.#clock.now()
    if (this.#known !== undefined && now - this.#known.at < discoveryTtl) return this.#known.configuration
    try {
      const configuration = await this.#discover()
      this.#known = { configuration, at: now }
      return configuration
    } catch (error) {
      if (this.#known !== undefined) return this.#known.configuration
      throw error instanceof GatewayError && error.code === 'identity_unavailable'
        ? error
        : identityUnavailable('The identity provider', error)
    }
  }

  async #discover(): Promise<oidc.Configuration> {
    const { issuer, endpoints, clientId, clientSecret } = this.#settings
    const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretPost(clientSecret.reveal())
    const metadata = { [oidc.clockTolerance]: 10 }
    let server: oidc.ServerMetadata
    if (issuer === undefined) server = { issuer: endpoints.token ?? '' }
    else {
      const discovered = await oidc.discovery(new URL(issuer), clientId, metadata, authentication, {
        [oidc.customFetch]: this.#fetch,
        execute: plain(issuer) ? [oidc.allowInsecureRequests] : [],
      })
      server = discovered.serverMetadata()
    }
    const configuration = new oidc.Configuration(
      {
        ...server,
        ...(endpoints.authorization === undefined ? {} : { authorization_endpoint: endpoints.authorization }),
        ...(endpoints.token === undefined ? {} : { token_endpoint: endpoints.token }),
      },
      clientId,
      metadata,
      authentication,
    )
    configuration[oidc.customFetch] = this.#fetch
    // The ID token comes over TLS from the provider itself; its signature is checked all the same.
    if (server.jwks_uri !== undefined) oidc.enableNonRepudiationChecks(configuration)
    if (plain(issuer ?? endpoints.token ?? '')) oidc.allowInsecureRequests(configuration)
    return configuration
  }

  readonly #fetch: oidc.CustomFetch = async (url, { method, headers, body, signal }) => {
    const init: OutboundInit = {
      method: method as NonNullable<OutboundInit['method']>,
      headers,
      maxBytes,
      ...(body == null ? {} : { body: body instanceof URLSearchParams ? body.toString() : (body as string) }),
      ...(signal === undefined ? {} : { signal }),
    }
    const answer = await this.#outbound.request('identity', url, init)
    const type = answer.headers['content-type']
    return new Response(this.#withoutIdToken(answer.body), {
      status: answer.status,
      headers: { 'content-type': typeof type === 'string' ? type : 'application/json' },
    })
  }

  /** Without a known issuer nothing in an ID token can be checked, so it is not looked at. */
  #withoutIdToken(body: Buffer): string {
    const text = body.toString('utf8')
    if (this.#settings.issuer !== undefined || !text.includes('"id_token"')) return text
    try {
      const { id_token: _, ...rest } = JSON.parse(text) as Record<string, unknown>
      return JSON.stringify(rest)
    } catch {
      return text
    }
  }
}

/** Plain HTTP is the operator's choice; which hosts may be reached at all is for the egress rules. */
const plain = (url: string): boolean => url.startsWith('http://')

function verdict(error: unknown): Error {
  if (error instanceof GatewayError) {
    return error.status >= 500 || error.code === 'egress_denied' || error.code === 'upstream_timeout'
      ? identityUnavailable('The identity provider', error)
      : error
  }
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) {
    return tokenRejected(`the identity provider answered '${error.error.slice(0, 100)}'`, error)
  }
  return tokenRejected('the answer of the identity provider does not fit the login that was begun', error)
}
