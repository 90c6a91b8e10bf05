import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Principal } from '../../authentication/principal.ts'
import type { GuardedRoute } from '../permission.ts'
import { routeAllowed } from '../route-groups.ts'
import { type AccessSettings, openAccess } from './access-settings.ts'
import type { AddressList } from './address-list.ts'
import type { AccessQuestion, CallFacts } from './conditions.ts'
import { type CompiledPolicy, decide, type Explained, explain } from './policy-set.ts'

/** What is kept in the database, compiled. */
export interface StoredAccess {
  readonly policies: readonly CompiledPolicy[]
  /** Undefined: no list. */
  readonly addresses: AddressList | undefined
}

export interface AccessControlOptions {
  readonly clock: Clock
  /** Reads what is kept in the database. Absent: nothing is kept anywhere. @throws when it cannot be read or understood */
  readonly load?: () => Promise<StoredAccess>
  /** Told of every call that a policy refused, or would have decided on dry run. */
  readonly onPolicy?: (policy: CompiledPolicy, question: AccessQuestion) => void
  /** Told when what is kept in the database could not be read. */
  readonly onStale?: (error: unknown) => void
}

/** Where a route may be used from although its caller's address is on no list. */
export type Reach = 'everybody' | 'master_key'

/** A route as this is asked about it. */
export interface ReachedRoute extends GuardedRoute {
  readonly anywhere?: Reach | undefined
}

const nothing: StoredAccess = { policies: [], addresses: undefined }

/**
 * What stands between a caller and a route beyond its key and role: lists of addresses and routes, and policies. One per
 * process; the configuration and the database each have their part. While neither says anything, `active` is false and
 * nobody asks.
 */
export class AccessControl {
  readonly #options: AccessControlOptions
  #settings: AccessSettings = openAccess
  #stored: StoredAccess | undefined
  #policies: readonly CompiledPolicy[] = []
  #refreshing: Promise<boolean> | undefined
  #active = false

  constructor(options: AccessControlOptions) {
    this.#options = options
    if (options.load === undefined) this.#stored = nothing
    this.#combine()
  }

  /** Whether there is anything to ask before a call is let in. */
  get active(): boolean {
    return this.#active
  }

  get policies(): readonly CompiledPolicy[] {
    return this.#policies
  }

  /** The lists a caller's address must be on, in either of them. Undefined: every address is. */
  get addresses(): readonly string[] | undefined {
    const lists = [this.#settings.addresses, this.#stored?.addresses].filter(list => list !== undefined)
    return lists.length === 0 ? undefined : lists.flatMap(list => list.entries)
  }

  configure(settings: AccessSettings): void {
    this.#settings = settings
    this.#combine()
  }

  /** Reads the database anew; while that fails, the last known stays. @returns whether it was read */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  /** Whether a route is open to callers without a key (`public_routes`). */
  isPublic(route: GuardedRoute): boolean {
    const { publicRoutes } = this.#settings
    return publicRoutes.length > 0 && routeAllowed(publicRoutes, route)
  }

  /** Before anything is known but the route and the address. */
  atDoor(route: ReachedRoute, address: string): GatewayError | undefined {
    if (route.anywhere === undefined && !this.#mayComeFrom(address)) return wrongAddress(address)
    return undefined
  }

  /** The caller is known, its body is not. @returns why it may not use the route */
  atRoute(principal: Principal, route: ReachedRoute, address: string): GatewayError | undefined {
    const breakGlass = principal.proof === 'master_key'
    if (route.anywhere === 'master_key' && !breakGlass && !this.#mayComeFrom(address)) return wrongAddress(address)
    const refused = this.listed(principal, route)
    if (refused !== undefined || breakGlass) return refused
    if (this.#stored === undefined) {
      // What is kept in the database may forbid it; as long as that is not known, only the master key comes in.
      void this.refresh()
      return new GatewayError(
        'identity_unavailable',
        'The policies of this gateway cannot be read at the moment; try again shortly.',
        { retryAfter: 1 },
      )
    }
    const ahead = route.permission === 'llm' && route.body === true
    return this.#decide(principal, route, address, ahead ? 'ahead' : 'none')
  }

  /** What the configuration's lists of routes say. */
  listed(principal: Principal, route: GuardedRoute): GatewayError | undefined {
    const { allowedRoutes, adminOnlyRoutes } = this.#settings
    if (!routeAllowed(allowedRoutes, route)) {
      return new GatewayError('permission_denied', 'This route is switched off here (general_settings.allowed_routes).')
    }
    if (adminOnlyRoutes.length > 0 && !principal.admin && routeAllowed(adminOnlyRoutes, route)) {
      return new GatewayError(
        'permission_denied',
        'This route is for administrators only (general_settings.admin_only_routes).',
      )
    }
    return undefined
  }

  /** The body is read. @throws GatewayError `policy_denied` */
  atCall(principal: Principal, route: GuardedRoute, address: string, call: () => CallFacts): void {
    if (this.#policies.length === 0 || principal.proof === 'master_key') return
    const refused = this.#decide(principal, route, address, call())
    if (refused !== undefined) throw refused
  }

  /** What every policy says to a question, and what comes of it. */
  explain(question: AccessQuestion): {
    readonly effect: 'allow' | 'deny'
    readonly policy: string | undefined
    readonly policies: readonly Explained[]
  } {
    const { effect, policy } = decide(this.#policies, question)
    return {
      effect: effect === 'deny' ? 'deny' : 'allow',
      policy: policy?.name,
      policies: explain(this.#policies, question),
    }
  }

  #decide(
    principal: Principal,
    route: GuardedRoute,
    address: string,
    call: AccessQuestion['call'],
  ): GatewayError | undefined {
    if (this.#policies.length === 0) return undefined
    const question = { principal, route, address, call, at: this.#options.clock.epoch() }
    const { effect, policy, dryRuns } = decide(this.#policies, question)
    const last = call !== 'ahead' || effect === 'deny'
    // What is asked again with the body is counted then.
    if (last) for (const dry of dryRuns) this.#options.onPolicy?.(dry, question)
    if (effect !== 'deny' || policy === undefined) return undefined
    this.#options.onPolicy?.(policy, question)
    return new GatewayError(
      'policy_denied',
      `The access policy '${policy.name}' refuses this call. Ask the operator of this gateway, or call what it allows.`,
      { details: { policy: policy.name } },
    )
  }

  #mayComeFrom(address: string): boolean {
    const configured = this.#settings.addresses
    const stored = this.#stored?.addresses
    if (configured === undefined && stored === undefined) return true
    return configured?.includes(address) === true || stored?.includes(address) === true
  }

  async #read(): Promise<boolean> {
    const { load, onStale } = this.#options
    if (load === undefined) return true
    try {
      this.#stored = await load()
      this.#combine()
      return true
    } catch (error) {
      onStale?.(error)
      return false
    }
  }

  #combine(): void {
    const { policies, addresses, allowedRoutes, adminOnlyRoutes, publicRoutes } = this.#settings
    this.#policies = [...policies, ...(this.#stored?.policies ?? [])]
    this.#active =
      this.#stored === undefined ||
      this.#policies.length + allowedRoutes.length + adminOnlyRoutes.length + publicRoutes.length > 0 ||
      addresses !== undefined ||
      this.#stored.addresses !== undefined
  }
}

const wrongAddress = (address: string): GatewayError =>
  new GatewayError('permission_denied', `Calls from ${address} are not allowed here (allowed_ips).`)
