import { oneHeader, type PresentedRequest } from '../presented.ts'
import type { Principal } from '../principal.ts'
import type { TokenAdmission } from '../token-admission.ts'
import { tokenOf } from '../token-hash.ts'
import type { Introspector } from './introspector.ts'

/** `enable_oauth2_auth`: every bearer token that is no virtual key is introspected. */
export class OAuth2Authenticator {
  readonly #introspector: Introspector
  readonly #admission: TokenAdmission

  constructor(introspector: Introspector, admission: TokenAdmission) {
    this.#introspector = introspector
    this.#admission = admission
  }

  accepts(credential: string | undefined): boolean {
    return credential !== undefined && !credential.startsWith('sk-')
  }

  async authenticate(credential: string | undefined, { headers }: PresentedRequest): Promise<Principal | undefined> {
    if (credential === undefined) return undefined
    const identity = await this.#introspector.identify(credential)
    return this.#admission.admit({
      token: tokenOf(credential),
      identity,
      team: oneHeader(headers, 'x-litellm-team-id'),
    })
  }
}
