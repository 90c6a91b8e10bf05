import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { type LoadedFunction, withinTime } from '../load-function.ts'
import type { PresentedRequest } from '../presented.ts'
import type { Principal } from '../principal.ts'
import type { TokenAdmission } from '../token-admission.ts'
import { identityUnavailable, tokenRejected } from '../token-errors.ts'
import { tokenOf } from '../token-hash.ts'
import { subjectOf, type TokenIdentity } from '../token-identity.ts'
import { customIdentity } from './identity.ts'

export interface CustomAuthOptions {
  /** `general_settings.custom_auth`, loaded. */
  readonly authenticate: LoadedFunction
  /** `custom_auth_settings.mode: auto`: what the module refuses may still be a virtual key. */
  readonly elseKeys: boolean
  /** `custom_auth_run_common_checks`: limits of the user and team it names apply; else only what it says itself. */
  readonly commonChecks: boolean
  readonly admission: TokenAdmission
  /** A virtual key that the module answers with. */
  readonly byKey: (key: string) => Principal | Promise<Principal>
  /** Milliseconds the module may take. Default 5000. */
  readonly timeout?: number
}

/** What a module sees of a request; a copy, so that it cannot change it. */
export interface CustomAuthRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly address: string
}

/** Authentication by a module of the operator's. */
export class CustomAuthenticator {
  readonly #options: CustomAuthOptions

  constructor(options: CustomAuthOptions) {
    this.#options = options
  }

  accepts(): boolean {
    return true
  }

  /** Undefined: not the module's caller, and others may look. @throws GatewayError */
  async authenticate(credential: string | undefined, presented: PresentedRequest): Promise<Principal | undefined> {
    const { admission, byKey, commonChecks, elseKeys } = this.#options
    const hash = tokenOf(credential ?? '')
    let said: TokenIdentity | { readonly key: string }
    try {
      said = customIdentity(await this.#ask(credential, presented), hash)
    } catch (error) {
      if (elseKeys && error instanceof GatewayError && error.status < 500 && error.code !== 'config_invalid') {
        return undefined
      }
      throw wrongModule(error)
    }
    if ('key' in said) return byKey(said.key)
    // What the module says may change from call to call: the whole of it is the name under which it is remembered.
    const principal = await admission.admit({
      token: subjectOf('custom', hash, JSON.stringify(said)),
      identity: said,
      team: undefined,
    })
    return commonChecks ? principal : { ...principal, limits: principal.limits.filter(rule => rule.scope === 'key') }
  }

  async #ask(credential: string | undefined, { method, headers, address }: PresentedRequest): Promise<unknown> {
    const request: CustomAuthRequest = { method, headers: structuredClone(headers), address }
    const answer = Promise.resolve()
      .then(() => this.#options.authenticate(request, credential ?? ''))
      .catch((error: unknown) => {
        throw refusal(error)
      })
    return withinTime(answer, this.#options.timeout ?? 5000, () => identityUnavailable('general_settings.custom_auth'))
  }
}

/** A thrown error refuses. Its message is shown only when the module says so (`expose: true`): it may hold secrets. */
function refusal(error: unknown): GatewayError {
  if (error instanceof Error && 'expose' in error && error.expose === true) {
    const forbidden = 'status' in error && error.status === 403
    return new GatewayError(forbidden ? 'permission_denied' : 'invalid_api_key', error.message.slice(0, 500), {
      cause: error,
    })
  }
  return tokenRejected('general_settings.custom_auth refuses it', error)
}

/** A module that answers nonsense is the operator's to mend: callers see an internal error, the log the reason. */
const wrongModule = (error: unknown): unknown =>
  error instanceof GatewayError && error.code === 'config_invalid'
    ? new GatewayError('internal_error', 'The custom authentication of this gateway does not work; its log says why.', {
        cause: error,
      })
    : error
