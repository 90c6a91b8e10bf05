import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import type { Call } from '../call.ts'
import { callFeatures } from '../features.ts'
import type { Gateway } from '../gateway.ts'
import { retryDecision } from '../routing/retry.ts'
import { RouteAttempt } from '../routing/router.ts'
import type { CallFeatures, ModelGroup } from '../routing/types.ts'
import { fallbacksAfter } from './call-fallbacks.ts'
import type { Outcome } from './outcome.ts'
import { tryDeployment } from './try-deployment.ts'

/** A group on the road of a call, and the request as it is put to it. */
export interface Stop {
  readonly group: ModelGroup
  readonly request: NativeRequest
}

const nobody: ReadonlySet<string> = new Set()

/** Tries one group: picks, calls, retries. @returns the failure when the group could not answer. */
export async function tryGroup(gateway: Gateway, call: Call, stop: Stop): Promise<Outcome | GatewayError> {
  const { group } = stop
  const { router, settings } = call.snapshot
  const features = callFeatures(call, stop.request)
  let failed = nobody
  let delay = 0
  for (let retries = 0; ; retries++) {
    let route: RouteAttempt
    try {
      route = choose(call, group, features, failed)
    } catch (error) {
      if (error instanceof GatewayError) return error
      throw error
    }
    const result = await tryDeployment(gateway, call, route, stop.request, delay)
    if (result.kind !== 'failed') return result
    const { failure } = result
    const { deployment } = route
    const tried = new Set([...failed, deployment.id])
    failed = tried
    const hasAlternative = group.deployments.some(other => !tried.has(other.id) && router.available(other))
    // Another vendor may know what this one's translation refused; asking it costs no retry.
    if (result.unsent && hasAlternative) {
      retries--
      continue
    }
    const decision = retryDecision({
      failure,
      attempt: retries,
      requested: call.options.numRetries,
      settings,
      deployment,
      group: group.name,
      hasAlternative,
      hasFallback: fallbacksAfter(call, group, failure, nobody).length > 0,
      random: gateway.random,
    })
    if (!decision.retry) return failure
    delay = decision.delay
    if (call.closed || (delay > 0 && !(await pause(call, delay)))) return { kind: 'aborted' }
    call.retries++
    gateway.metrics.retried(group.pattern ?? group.name, failure.kind)
  }
}

/**
 * Routes and takes the first planned deployment that still accepts the call. Deployments that failed in this call are
 * left out as long as another is left.
 * @throws GatewayError when nobody is left.
 */
function choose(call: Call, group: ModelGroup, features: CallFeatures, failed: ReadonlySet<string>): RouteAttempt {
  const { router } = call.snapshot
  let refused: ReadonlySet<string> = failed
  for (;;) {
    let plan: ReturnType<typeof router.plan>
    try {
      plan = router.plan(group, features, refused)
    } catch (error) {
      if (refused.size === 0 || refused !== failed || !(error instanceof GatewayError)) throw error
      plan = router.plan(group, features)
    }
    for (const deployment of plan.ranked) {
      // Only a token limit needs to know the prompt's size before the answer tells it.
      const promptTokens = deployment.tpm === undefined ? 0 : features.promptTokensMin
      const route = router.start(group, deployment, promptTokens)
      if (!(route instanceof RouteAttempt)) continue
      call.plans.push({
        group: group.name,
        strategy: plan.strategy,
        reason: plan.why(),
        considered: plan.considered,
        chosen: deployment.id,
      })
      return route
    }
    // Every planned one was taken by other calls in this very tick: plan again without them, which names the reason.
    refused = new Set([...refused, ...plan.ranked.map(({ id }) => id)])
  }
}

/** Waits unless the caller leaves first. @returns false when the caller left. */
function pause(call: Call, milliseconds: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(() => {
      call.onClose(undefined)
      resolve(true)
    }, milliseconds)
    call.onClose(() => {
      clearTimeout(timer)
      resolve(false)
    })
  })
}
