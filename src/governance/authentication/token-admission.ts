import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { Recent } from '../../platform/recent.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import type { ChangeNotice } from '../management/change.ts'
import { type Admitted, admitIdentity } from './admit-identity.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Newcomers } from './people.ts'
import type { Principal } from './principal.ts'
import { tokenExpired } from './token-errors.ts'
import { subjectOf, type TokenIdentity } from './token-identity.ts'

export interface TokenAdmissionOptions {
  readonly plane: ControlPlane
  readonly clock: Clock
  readonly newcomers: Newcomers
  /** Milliseconds an admitted bearer is fresh; a change that is pushed drops it earlier. */
  readonly ttl: number
  /** Milliseconds it stays admitted while the store cannot be asked. */
  readonly staleFor: number
  readonly maxEntries: number
}

/** Milliseconds a refusal is repeated without asking again. */
const refusalTtl = 5000

interface Entry {
  readonly outcome: Admitted | GatewayError
  /** Monotonic ms. */
  readonly at: number
}

/** Turns what a token says into a caller, by the rows it names, and remembers the answer by the whole token's hash. */
export class TokenAdmission {
  readonly #options: TokenAdmissionOptions
  readonly #entries: Recent<Entry>
  readonly #loading = new Map<string, Promise<Entry>>()
  /** For callers that may act for several teams: how to become the same bearer in another one. */
  readonly #choices = new WeakMap<Principal, { readonly bearer: Bearer; readonly teams: readonly string[] }>()
  /** Grows with every change: what was looked up before it is not kept. */
  #generation = 0

  constructor(options: TokenAdmissionOptions) {
    this.#options = options
    this.#entries = new Recent(options.maxEntries)
  }

  /**
   * @throws GatewayError `permission_denied`, `key_blocked`, `expired_key`; StoreUnavailable when it cannot be decided
   */
  async admit(bearer: Bearer): Promise<Principal> {
    const { identity } = bearer
    if (identity.expiresAt !== undefined && identity.expiresAt <= this.#options.clock.epoch()) throw tokenExpired()
    const { outcome } = await this.#find(bearer)
    if (outcome instanceof GatewayError) throw outcome
    const { principal, otherTeams } = outcome
    if (otherTeams.length > 0) this.#choices.set(principal, { bearer, teams: otherTeams })
    return principal
  }

  /**
   * The same bearer in the first of its teams for which `suits` holds: how a token with several teams finds the one that
   * may use a model. The caller itself when it suits, or when no team does.
   */
  async choose(principal: Principal, suits: (candidate: Principal) => boolean): Promise<Principal> {
    const choice = this.#choices.get(principal)
    if (choice === undefined || suits(principal)) return principal
    for (const team of choice.teams) {
      try {
        const candidate = await this.admit({ ...choice.bearer, team })
        if (suits(candidate)) return candidate
      } catch (error) {
        // A blocked team is passed over; an outage is not an answer.
        if (!(error instanceof GatewayError) || error.status >= 500) throw error
      }
    }
    return principal
  }

  /** To be called for every change of the control plane. */
  invalidate(notice: ChangeNotice): void {
    if (notice.kind === 'models' || notice.kind === 'policies') return
    this.#generation++
    for (const [key, { outcome }] of this.#entries.entries()) {
      if (outcome instanceof GatewayError || concerns(outcome.principal, notice)) this.#entries.delete(key)
    }
  }

  async #find(bearer: Bearer): Promise<Entry> {
    const { clock, ttl, staleFor } = this.#options
    const key = bearer.team === undefined ? bearer.token : subjectOf(bearer.token, bearer.team)
    const now = clock.now()
    const known = this.#entries.get(key)
    if (known !== undefined && now - known.at < (known.outcome instanceof GatewayError ? refusalTtl : ttl)) return known
    try {
      return await this.#load(key, bearer)
    } catch (error) {
      const usable = known !== undefined && !(known.outcome instanceof GatewayError) && now - known.at < staleFor
      if (error instanceof StoreUnavailable && usable) return known
      throw error
    }
  }

  #load(key: string, bearer: Bearer): Promise<Entry> {
    const under = this.#loading.get(key)
    if (under !== undefined) return under
    const generation = this.#generation
    const loading = this.#ask(bearer)
      .then(entry => {
        if (generation === this.#generation) this.#entries.set(key, entry)
        return entry
      })
      .finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return loading
  }

  async #ask({ identity, team }: Bearer): Promise<Entry> {
    const { plane, clock, newcomers } = this.#options
    const at = clock.now()
    try {
      return { outcome: await admitIdentity({ plane, newcomers, now: clock.epoch() }, identity, team), at }
    } catch (error) {
      if (error instanceof GatewayError && error.status < 500) return { outcome: error, at }
      throw error
    }
  }
}

export interface Bearer {
  /** SHA-256 of the whole token, in hex; never a part of it (CVE-2026-35030). */
  readonly token: string
  readonly identity: TokenIdentity
  /** What the caller asked for in `x-litellm-team-id`: an id or an alias. */
  readonly team: string | undefined
}

function concerns(principal: Principal, { kind, id }: ChangeNotice): boolean {
  switch (kind) {
    case 'user':
      return principal.userId === id
    case 'team':
      return principal.teamId === id || principal.memberOfTeams.has(id)
    case 'organization':
      return principal.organizationId === id || principal.adminOfOrganizations.includes(id)
    case 'project':
      return principal.projectId === id
    case 'key':
      return principal.token === id
    default:
      return true
  }
}
