import type { NativeRequest } from '../../providers/wire.ts'
import type { Call } from '../call.ts'
import type { Gateway } from '../gateway.ts'
import { servedIsLimited } from '../reservation/reserve-call.ts'
import { begin, type Choice, type Chosen, planned } from './begin-attempt.ts'
import { chooseLimited } from './choose-limited.ts'

/**
 * Routes and takes the first planned deployment that still accepts the call. Deployments that failed in this call are
 * left out as long as another is left. At once, unless limits have to be asked for that only the choice tells: those of
 * deployments, and those of models behind a virtual name.
 * @throws GatewayError when nobody is left.
 */
export function chooseDeployment(
  gateway: Gateway,
  call: Call,
  request: NativeRequest,
  choice: Choice,
): Chosen | Promise<Chosen> {
  const { governed, router } = call.snapshot
  const { group, failed } = choice
  const limited = group.deployments.some(
    deployment => governed.planner.ofDeployment(deployment, router.ratesAreLimits).length > 0,
  )
  const servedLimited = servedIsLimited(call, group)
  if (limited || servedLimited) return chooseLimited(gateway, call, request, choice, servedLimited)
  let refused = failed
  for (;;) {
    const plan = planned(call, choice, refused, undefined)
    for (const deployment of plan.ranked) {
      const route = begin(gateway, call, choice, plan, deployment)
      if (route !== undefined) {
        return { route, lease: undefined, served: undefined, cascade: plan.ranking?.cascade }
      }
    }
    // Every planned one was taken by other calls in this very tick: plan again without them, which names the reason.
    refused = new Set([...refused, ...plan.ranked.map(({ id }) => id)])
  }
}
