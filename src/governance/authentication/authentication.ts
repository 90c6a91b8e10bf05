import { hash } from 'node:crypto'
import type { AuthenticationConfig, AuthenticationServices } from './authentication-config.ts'
import { type ConfiguredWays, configureWays, principalOfKey } from './configured-ways.ts'
import { sessionPrefix } from './login/session.ts'
import type { LoginParts } from './login-parts.ts'
import type { PresentedRequest } from './presented.ts'
import type { Principal } from './principal.ts'

/** A configuration that is ready to be put in force. */
export interface Prepared {
  readonly ways: ConfiguredWays
  readonly fingerprint: string
}

const fingerprintOf = ({ general, litellm, env, directory }: AuthenticationConfig): string =>
  hash('sha256', JSON.stringify([general, litellm, Object.entries(env).sort(), directory]))

/** Modules are files: they may have changed while the configuration did not. */
const usesModules = ({ general }: AuthenticationConfig): boolean =>
  general['custom_auth'] !== undefined || JSON.stringify(general['litellm_jwtauth'] ?? {}).includes('custom_validate')

/**
 * All ways to prove who one is other than a key: sessions, JWTs, OAuth2 tokens, headers of a proxy, custom modules. One
 * object for the life of the process; a new configuration is prepared beside the one in force and taken over in one step.
 */
export class Authentication {
  readonly #services: AuthenticationServices
  readonly #unsubscribe: () => void
  #current: ConfiguredWays
  #fingerprint: string

  private constructor(services: AuthenticationServices, first: Prepared) {
    this.#services = services
    this.#current = first.ways
    this.#fingerprint = first.fingerprint
    this.#unsubscribe = services.plane.onNotice(notice => {
      this.#current.admission.invalidate(notice)
      this.#current.login.authenticator.invalidate(notice)
    })
  }

  /** @throws GatewayError `config_invalid` */
  static async start(config: AuthenticationConfig, services: AuthenticationServices): Promise<Authentication> {
    const ways = await configureWays(config, services)
    return new Authentication(services, { ways, fingerprint: fingerprintOf(config) })
  }

  /**
   * What a configuration means, without putting it in force. One that says the same as the one in force is that one, with
   * the tokens it has verified.
   * @throws GatewayError `config_invalid`
   */
  async prepare(config: AuthenticationConfig): Promise<Prepared> {
    const fingerprint = fingerprintOf(config)
    if (fingerprint === this.#fingerprint && !usesModules(config)) return { ways: this.#current, fingerprint }
    return { ways: await configureWays(config, this.#services), fingerprint }
  }

  adopt({ ways, fingerprint }: Prepared): void {
    this.#current = ways
    this.#fingerprint = fingerprint
  }

  get warnings(): readonly string[] {
    return this.#current.warnings
  }

  /** What routes of login and SCIM work with; ask for it in every call. */
  get login(): LoginParts {
    return this.#current.login
  }

  /** Cheap, synchronous: false for virtual keys, unless a custom module decides on them. */
  accepts(credential: string | undefined, request: PresentedRequest): boolean {
    return this.#current.ways.some(way => way.accepts(credential, request))
  }

  /** Undefined: nobody's. @throws GatewayError, StoreUnavailable */
  async authenticate(credential: string | undefined, request: PresentedRequest): Promise<Principal | undefined> {
    const { ways, elseKeys } = this.#current
    for (const way of ways) {
      if (!way.accepts(credential, request)) continue
      const principal = await way.authenticate(credential, request)
      if (principal !== undefined) return principal
      if (credential?.startsWith(sessionPrefix) === true) return undefined
    }
    if (!elseKeys || credential === undefined) return undefined
    return principalOfKey(this.#services.plane, this.#services.clock, credential)
  }

  /** The same bearer in the first of its teams for which `suits` holds; see `TokenAdmission.choose`. */
  choose(principal: Principal, suits: (candidate: Principal) => boolean): Promise<Principal> {
    return this.#current.admission.choose(principal, suits)
  }

  close(): void {
    this.#unsubscribe()
  }
}
