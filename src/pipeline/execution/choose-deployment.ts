import type { Amounts } from '../../governance/limits/planned-limit.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import { costNano } from '../accounting/cost.ts'
import { serviceTierOf } from '../accounting/service-tier.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Gateway } from '../gateway.ts'
import type { AttemptLease } from '../reservation/attempt-leases.ts'
import { estimate } from '../reservation/estimate.ts'
import { factsOf } from '../reservation/group-facts.ts'
import { noteDecision } from '../routing/learned/note-decision.ts'
import type { CascadePolicy } from '../routing/learned/route-policy.ts'
import { RouteAttempt } from '../routing/router.ts'
import type { CallFeatures, DeploymentLimits, ModelGroup, RoutePlan } from '../routing/types.ts'
import type { AttemptResult } from './attempt.ts'

/** A deployment that takes the call, and what was taken of its own limits, where it has any. */
export interface Chosen {
  readonly route: RouteAttempt
  readonly lease: AttemptLease | undefined
  /** The answer is to be checked, and another model asked where it does not pass. */
  readonly cascade: CascadePolicy | undefined
}

/**
 * Routes and takes the first planned deployment that still accepts the call. Deployments that failed in this call are
 * left out as long as another is left. At once, unless limits of deployments have to be asked for.
 * @throws GatewayError when nobody is left.
 */
export function chooseDeployment(
  gateway: Gateway,
  call: Call,
  group: ModelGroup,
  request: NativeRequest,
  features: CallFeatures,
  failed: ReadonlySet<string>,
): Chosen | Promise<Chosen> {
  const { governed, router } = call.snapshot
  const limited = group.deployments.some(
    deployment => governed.planner.ofDeployment(deployment, router.ratesAreLimits).length > 0,
  )
  if (limited) return chooseLimited(gateway, call, group, request, features, failed)
  let refused = failed
  for (;;) {
    const plan = planned(call, group, features, refused, failed, undefined)
    for (const deployment of plan.ranked) {
      const route = begin(gateway, call, group, plan, deployment, features)
      if (route !== undefined) return { route, lease: undefined, cascade: plan.ranking?.cascade }
    }
    // Every planned one was taken by other calls in this very tick: plan again without them, which names the reason.
    refused = new Set([...refused, ...plan.ranked.map(({ id }) => id)])
  }
}

async function chooseLimited(
  gateway: Gateway,
  call: Call,
  group: ModelGroup,
  request: NativeRequest,
  features: CallFeatures,
  failed: ReadonlySet<string>,
): Promise<Chosen> {
  const { governed, router } = call.snapshot
  const { attempts } = gateway.reservations
  const rates = router.ratesAreLimits
  const shared = attempts.known(governed.planner, rates)
  const asked = { json: request.json, text: request.text, operation: call.door.operation, bodyBytes: undefined }
  const worst = call.reservation?.estimate ?? estimate(asked, factsOf(group), governed.enforcement)
  let refused = failed
  for (;;) {
    const plan = planned(call, group, features, refused, failed, shared)
    const busy: string[] = []
    for (const deployment of plan.ranked) {
      const taken = attempts.take(governed.planner, rates, deployment, worst)
      const lease = taken instanceof Promise ? await taken : taken
      // What was refused is remembered: planning again leaves it out, and names it.
      if (typeof lease === 'string') continue
      const route = begin(gateway, call, group, plan, deployment, features)
      if (route !== undefined) return { route, lease, cascade: plan.ranking?.cascade }
      lease?.refund()
      busy.push(deployment.id)
    }
    refused = new Set([...refused, ...busy])
  }
}

function planned(
  { snapshot: { router } }: Call,
  group: ModelGroup,
  features: CallFeatures,
  refused: ReadonlySet<string>,
  failed: ReadonlySet<string>,
  shared: DeploymentLimits | undefined,
): RoutePlan {
  try {
    return router.plan(group, features, refused, shared)
  } catch (error) {
    if (refused.size === 0 || refused !== failed || !(error instanceof GatewayError)) throw error
    return router.plan(group, features, undefined, shared)
  }
}

function begin(
  gateway: Gateway,
  call: Call,
  group: ModelGroup,
  plan: RoutePlan,
  deployment: Deployment,
  features: CallFeatures,
): RouteAttempt | undefined {
  // Only a token limit needs to know the prompt's size before the answer tells it.
  const promptTokens = deployment.tpm === undefined ? 0 : features.promptTokensMin
  const route = call.snapshot.router.start(group, deployment, promptTokens)
  if (!(route instanceof RouteAttempt)) return undefined
  const { ranking } = plan
  if (ranking !== undefined) noteDecision(gateway.learned, call, ranking, features.routing)
  call.plans.push({
    group: group.name,
    strategy: plan.strategy,
    reason: plan.why(),
    considered: plan.considered,
    chosen: deployment.id,
    ...(ranking === undefined ? {} : { decision: ranking.decision, answering: ranking.modelOf(deployment) }),
  })
  return route
}

/** What the attempt used of the deployment's limits: nothing when it failed before anything came. */
export function settleAttempt(lease: AttemptLease, call: Call, deployment: Deployment, result: AttemptResult): void {
  const { usage } = call
  const worked = result.kind === 'answer' || result.kind === 'streamed' || usage !== undefined
  if (result.kind === 'failed' || !worked) {
    lease.refund()
    return
  }
  if (usage === undefined) {
    lease.settle({ inputTokens: 0, outputTokens: 0, cost: 0 })
    return
  }
  const seconds = (call.hops[call.hops.length - 1]?.duration ?? 0) / 1000
  const cost = costNano(usage, deployment.price, serviceTierOf(usage, call.request, deployment), seconds, call.epoch)
  const actual: Amounts = { inputTokens: usage.input, outputTokens: usage.output, cost: Math.max(0, Math.round(cost)) }
  lease.settle(actual)
}
