import type { Amounts } from '../../governance/limits/planned-limit.ts'
import { LimitExceeded } from '../../governance/limits/refusal.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Gateway } from '../gateway.ts'
import type { AttemptLease, OverLimit } from '../reservation/attempt-leases.ts'
import { estimate } from '../reservation/estimate.ts'
import { factsOf } from '../reservation/group-facts.ts'
import type { Reservation } from '../reservation/reservation.ts'
import { reserveServed } from '../reservation/reserve-call.ts'
import type { DeploymentLimits, DropReason, RoutePlan } from '../routing/types.ts'
import { begin, type Choice, type Chosen, planned } from './begin-attempt.ts'

/**
 * The same where limits are asked with each attempt: a deployment that is over its own, or that the caller's close to
 * it, is passed over, and the next best is asked.
 * @param served the group is a virtual name, and limits of the caller may speak of the models behind it
 * @throws GatewayError when nobody is left: the caller's own refusal, where that is why
 */
export function chooseLimited(
  gateway: Gateway,
  call: Call,
  request: NativeRequest,
  choice: Choice,
  served: boolean,
): Promise<Chosen> {
  return new LimitedChoice(gateway, call, request, choice, served).make()
}

class LimitedChoice {
  readonly #gateway: Gateway
  readonly #call: Call
  readonly #request: NativeRequest
  readonly #choice: Choice
  readonly #served: boolean
  readonly #limits: DeploymentLimits
  readonly #rates: boolean
  /** What a deployment's limits are asked for. */
  readonly #worst: Amounts
  /** Why limits of the caller close a deployment to it, by the deployment's id. */
  readonly #closed = new Map<string, GatewayError>()
  /** Ids of those that failed, or that other calls have taken meanwhile. */
  #refused: ReadonlySet<string>

  constructor(gateway: Gateway, call: Call, request: NativeRequest, choice: Choice, served: boolean) {
    this.#gateway = gateway
    this.#call = call
    this.#request = request
    this.#choice = choice
    this.#served = served
    this.#refused = choice.failed
    const { governed, router } = call.snapshot
    this.#rates = router.ratesAreLimits
    const known = gateway.reservations.attempts.known(governed.planner, this.#rates)
    this.#limits = {
      over: deployment => dropReasonOf(this.#closed.get(deployment.id)) ?? known.over(deployment),
      untilFree: known.untilFree,
    }
    const asked = { json: request.json, text: request.text, operation: call.door.operation, bodyBytes: undefined }
    this.#worst = call.reservation?.estimate ?? estimate(asked, factsOf(choice.group), governed.enforcement)
  }

  async make(): Promise<Chosen> {
    for (;;) {
      const chosen = await this.#take(this.#plan())
      if (chosen !== undefined) return chosen
    }
  }

  #plan(): RoutePlan {
    try {
      return planned(this.#call, this.#choice, this.#refused, this.#limits)
    } catch (error) {
      // A failure before this says more than that nothing else is open to the caller.
      throw this.#choice.failed.size > 0 ? error : (soonest([...this.#closed.values()]) ?? error)
    }
  }

  /** Undefined: the plan is to be made again without those that were refused, which names the reason. */
  async #take(plan: RoutePlan): Promise<Chosen | undefined> {
    const busy: string[] = []
    for (const deployment of plan.ranked) {
      const lease = await this.#lease(deployment)
      // What was refused is remembered by the leases.
      if (typeof lease === 'string') continue
      const served = this.#served ? await this.#reserve(deployment, lease) : undefined
      if (served instanceof GatewayError) {
        this.#closed.set(deployment.id, served)
        return undefined
      }
      const route = begin(this.#gateway, this.#call, this.#choice, plan, deployment)
      if (route !== undefined) return { route, lease, served, cascade: plan.ranking?.cascade }
      served?.refund()
      lease?.refund()
      busy.push(deployment.id)
    }
    if (busy.length > 0) this.#refused = new Set([...this.#refused, ...busy])
    return undefined
  }

  async #lease(deployment: Deployment): Promise<AttemptLease | OverLimit | undefined> {
    const { planner } = this.#call.snapshot.governed
    return this.#gateway.reservations.attempts.take(planner, this.#rates, deployment, this.#worst)
  }

  /**
   * @param lease of the deployment's own limits; goes back where this comes to nothing
   * @returns why limits of the caller close the model to it
   * @throws GatewayError when limits are out of reach
   */
  async #reserve(
    deployment: Deployment,
    lease: AttemptLease | undefined,
  ): Promise<Reservation | GatewayError | undefined> {
    try {
      return await reserveServed(this.#gateway, this.#call, deployment, this.#request)
    } catch (error) {
      lease?.refund()
      if (error instanceof LimitExceeded) return error
      if (error instanceof GatewayError && error.code === 'permission_denied') return error
      throw error
    }
  }
}

function dropReasonOf(refusal: GatewayError | undefined): DropReason | undefined {
  if (refusal === undefined) return undefined
  return refusal instanceof LimitExceeded ? 'caller_limit' : 'not_allowed'
}

/** Of several refusals the one that ends first: waiting helps, so that is what the caller is told. */
function soonest(refusals: readonly GatewayError[]): GatewayError | undefined {
  let first: GatewayError | undefined
  for (const refusal of refusals) {
    if (first === undefined || waitOf(refusal) < waitOf(first)) first = refusal
  }
  return first
}

const waitOf = ({ retryAfter = Number.POSITIVE_INFINITY }: GatewayError): number => retryAfter
