import type { TrustedProxies } from '../../authorization/trusted-proxies.ts'
import { oneHeader, type PresentedRequest } from '../presented.ts'
import type { Principal } from '../principal.ts'
import type { TokenAdmission } from '../token-admission.ts'
import { notAdmitted, settingInvalid, tokenRejected } from '../token-errors.ts'
import { noRules, subjectOf, type TokenIdentity, tokenIdentity } from '../token-identity.ts'

/** Who somebody is. Anything else (a role, a budget) would be a privilege that a header hands out. */
const mappable = ['user_id', 'user_email', 'team_id', 'team_alias', 'org_id', 'models'] as const
type Mappable = (typeof mappable)[number]

export type HeaderMappings = Readonly<Partial<Record<Mappable, string>>>

/** `general_settings.oauth2_config_mappings`: field → header. @throws GatewayError `config_invalid` */
export function readHeaderMappings(value: unknown): HeaderMappings {
  const at = 'general_settings.oauth2_config_mappings'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw settingInvalid(`${at}: say which header names the user, as in { user_id: x-forwarded-user }.`)
  }
  const mappings: Partial<Record<Mappable, string>> = {}
  for (const [field, header] of Object.entries(value)) {
    if (!(mappable as readonly string[]).includes(field)) {
      throw settingInvalid(`${at}.${field} cannot come from a header; only ${mappable.join(', ')} can.`)
    }
    if (typeof header !== 'string' || !/^[\w-]+$/.test(header)) {
      throw settingInvalid(`${at}.${field} must be the name of a header.`)
    }
    mappings[field as Mappable] = header.toLowerCase()
  }
  if (mappings.user_id === undefined && mappings.user_email === undefined && mappings.team_id === undefined) {
    throw settingInvalid(`${at} must map user_id, user_email or team_id.`)
  }
  return mappings
}

const maxLength = 512

/**
 * `enable_oauth2_proxy_auth`: an authenticating proxy in front of the gateway says who calls, in headers. Believed only
 * from the other end of the socket, and only when that is a trusted proxy: `X-Forwarded-For` has no say here.
 */
export class ProxyHeaderAuthenticator {
  readonly #mappings: HeaderMappings
  readonly #proxies: () => TrustedProxies
  readonly #admission: TokenAdmission

  constructor(mappings: HeaderMappings, proxies: () => TrustedProxies, admission: TokenAdmission) {
    this.#mappings = mappings
    this.#proxies = proxies
    this.#admission = admission
  }

  /** Applies when the caller brings no key and one of the identity headers. */
  accepts(credential: string | undefined, { headers }: PresentedRequest): boolean {
    if (credential?.startsWith('sk-') === true) return false
    const { user_id: id, user_email: email, team_id: team } = this.#mappings
    return [id, email, team].some(header => header !== undefined && headers[header] !== undefined)
  }

  async authenticate(_credential: string | undefined, request: PresentedRequest): Promise<Principal | undefined> {
    if (!this.#proxies().includes(request.peer)) {
      throw notAdmitted('Identity headers are believed only from the proxies in routeiq.trusted_proxies.')
    }
    const identity = this.#identity(request)
    return this.#admission.admit({ token: identity.subject, identity, team: undefined })
  }

  #identity({ headers }: PresentedRequest): TokenIdentity {
    const read = (field: Mappable): string | undefined => {
      const header = this.#mappings[field]
      const value = header === undefined ? undefined : oneHeader(headers, header)
      if (value !== undefined && value.length > maxLength) throw tokenRejected(`the header for ${field} is too long`)
      return value
    }
    const userEmail = read('user_email')
    const userId = read('user_id') ?? userEmail
    const teamId = read('team_id')
    const teamAlias = read('team_alias')
    const organizationId = read('org_id')
    const models = read('models')
    if (userId === undefined && teamId === undefined) throw tokenRejected('the proxy names neither a user nor a team')
    return tokenIdentity({
      proof: 'oauth2',
      // Everything the headers say is in the name: other headers are another bearer, never a cached one.
      subject: subjectOf(
        'proxy',
        userId ?? '',
        userEmail ?? '',
        teamId ?? '',
        teamAlias ?? '',
        organizationId ?? '',
        models ?? '',
      ),
      userId,
      userEmail,
      role: userId === undefined ? 'team' : undefined,
      teamId,
      teamAlias,
      organizationId,
      models: models
        ?.split(',')
        .map(model => model.trim())
        .filter(model => model !== ''),
      rules: { ...noRules, unknownUser: 'admit' },
    })
  }
}
