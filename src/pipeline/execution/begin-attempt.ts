import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Call, PlanRecord } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Gateway } from '../gateway.ts'
import type { AttemptLease } from '../reservation/attempt-leases.ts'
import type { Reservation } from '../reservation/reservation.ts'
import { noteDecision } from '../routing/learned/note-decision.ts'
import type { CascadePolicy } from '../routing/learned/route-policy.ts'
import { RouteAttempt } from '../routing/router.ts'
import type { CallFeatures, DeploymentLimits, ModelGroup, RoutePlan } from '../routing/types.ts'

/** A deployment that takes the call, and what was taken of limits for this one attempt. */
export interface Chosen {
  readonly route: RouteAttempt
  /** Of the deployment's own limits and its vendor's. */
  readonly lease: AttemptLease | undefined
  /** Of the caller's limits for this very model, where a virtual name was asked. */
  readonly served: Reservation | undefined
  /** The answer is to be checked, and another model asked where it does not pass. */
  readonly cascade: CascadePolicy | undefined
}

/** A group on the road of a call, with what has been tried of it. */
export interface Choice {
  readonly group: ModelGroup
  readonly features: CallFeatures
  /** Ids of deployments that failed in this call. */
  readonly failed: ReadonlySet<string>
  /** Those that failed may be asked again when nobody else is left: there is no answer at hand. */
  readonly again: boolean
}

/**
 * @param refused ids that are left out: those that failed, and more
 * @throws GatewayError when nobody is left
 */
export function planned(
  { snapshot: { router } }: Call,
  { group, features, failed, again }: Choice,
  refused: ReadonlySet<string>,
  shared: DeploymentLimits | undefined,
): RoutePlan {
  try {
    return router.plan(group, features, refused, shared)
  } catch (error) {
    if (!again || refused.size === 0 || refused !== failed || !(error instanceof GatewayError)) throw error
    return router.plan(group, features, undefined, shared)
  }
}

/** Undefined: another call has taken the deployment's last place since the plan was made. */
export function begin(
  gateway: Gateway,
  call: Call,
  { group, features }: Choice,
  plan: RoutePlan,
  deployment: Deployment,
): RouteAttempt | undefined {
  // Only a token limit needs to know the prompt's size before the answer tells it.
  const promptTokens = deployment.tpm === undefined ? 0 : features.promptTokensMin
  const route = call.snapshot.router.start(group, deployment, promptTokens)
  if (!(route instanceof RouteAttempt)) return undefined
  const { ranking } = plan
  if (ranking !== undefined) noteDecision(gateway.learned, call, ranking, features.routing)
  const record: PlanRecord = {
    group: group.name,
    strategy: plan.strategy,
    reason: plan.why(),
    considered: plan.considered,
    chosen: deployment.id,
    decision: ranking?.decision,
    answering: ranking?.modelOf(deployment),
  }
  if (call.plans.length === 0) call.plans = [record]
  else call.plans.push(record)
  return route
}
