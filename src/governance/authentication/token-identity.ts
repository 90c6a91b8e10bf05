import { hash } from 'node:crypto'
import type { Role } from '../authorization/roles.ts'

/**
 * What a token says of its bearer, before the database is asked: the same for JWTs, introspected tokens, headers of a
 * trusted proxy and custom modules. `TokenAdmission` joins it with the rows it names into a `Principal`.
 */
export interface TokenIdentity {
  readonly proof: 'jwt' | 'oauth2' | 'custom'
  /** SHA-256 in hex of who issued the token for whom: names the bearer in shared state, whatever token it sends. */
  readonly subject: string
  readonly userId: string | undefined
  readonly userEmail: string | undefined
  /** False when the issuer says that it has not checked the address; such an address finds nobody. */
  readonly emailVerified: boolean
  /** What the token itself grants; undefined: the role of the user's row. */
  readonly role: Role | undefined
  /** The one team the token stands for, by id or by alias. */
  readonly teamId: string | undefined
  readonly teamAlias: string | undefined
  /** Teams the bearer may choose from; a request header or the model decides. */
  readonly teamIds: readonly string[]
  readonly organizationId: string | undefined
  readonly organizationAlias: string | undefined
  readonly endUserId: string | undefined
  readonly agentId: string | undefined
  /** Models granted by scope or role; undefined: no restriction from the token. */
  readonly models: readonly string[] | undefined
  /** `allowed_routes` of the token's role; empty: what the role allows. */
  readonly routes: readonly string[]
  readonly rules: AdmissionRules
  /** The claim that may stand for a virtual key. */
  readonly keyClaim: KeyClaim | undefined
  /** Fields of a key the identity brings along (limits, metadata, tags), under LiteLLM's names. */
  readonly keyFields: Readonly<Record<string, unknown>> | undefined
  /** Epoch ms; undefined: only the cache bounds it. */
  readonly expiresAt: number | undefined
}

/** What may be created, and what must exist, for a token to be let in. */
export interface AdmissionRules {
  /** Create the user, the team, when they do not exist. */
  readonly upsertUser: boolean
  readonly upsertTeam: boolean
  /** A user that does not exist is let in all the same: the token's role says enough (`enforce_rbac`). */
  readonly unknownUser: 'refuse' | 'admit'
  /** The token must lead to a team that exists. */
  readonly teamRequired: boolean
  /** Without a team in the token: take the user's membership if it has exactly one, or choose among all of them. */
  readonly memberships: 'never' | 'single' | 'any'
  /** The same when the teams of the token do not exist here. */
  readonly membershipsForUnknownTeam: boolean
  /** Make the user's role and memberships equal to what the token says. */
  readonly sync: { readonly role: Role | undefined; readonly teamIds: readonly string[] } | undefined
}

export interface KeyClaim {
  readonly name: string
  readonly value: string
  readonly unregistered: 'fallback_team_mapping' | 'reject' | 'auto_register'
}

export const noRules: AdmissionRules = {
  upsertUser: false,
  upsertTeam: false,
  unknownUser: 'refuse',
  teamRequired: false,
  memberships: 'never',
  membershipsForUnknownTeam: false,
  sync: undefined,
}

/** The parts are length-prefixed: no choice of names makes two bearers one. */
export const subjectOf = (...parts: readonly string[]): string =>
  hash('sha256', parts.map(part => `${part.length}:${part}`).join('|'))

/** An identity of which nothing is known but what is given. */
export function tokenIdentity(known: Pick<TokenIdentity, 'proof' | 'subject'> & Partial<TokenIdentity>): TokenIdentity {
  return {
    userId: undefined,
    userEmail: undefined,
    emailVerified: true,
    role: undefined,
    teamId: undefined,
    teamAlias: undefined,
    teamIds: [],
    organizationId: undefined,
    organizationAlias: undefined,
    endUserId: undefined,
    agentId: undefined,
    models: undefined,
    routes: [],
    rules: noRules,
    keyClaim: undefined,
    keyFields: undefined,
    expiresAt: undefined,
    ...known,
  }
}
