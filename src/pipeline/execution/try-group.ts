import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import type { Call } from '../call.ts'
import { callFeatures } from '../features.ts'
import type { Gateway } from '../gateway.ts'
import { retryDecision } from '../routing/retry.ts'
import type { ModelGroup } from '../routing/types.ts'
import type { AttemptResult } from './attempt.ts'
import type { Chosen } from './begin-attempt.ts'
import { fallbacksAfter } from './call-fallbacks.ts'
import { failedCheck, type Kept, mayEscalate, setAside, takeBack } from './cascade.ts'
import { chooseDeployment } from './choose-deployment.ts'
import type { Outcome } from './outcome.ts'
import { refundAttempt, settleAttempt } from './settle-attempt.ts'
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
  let rungs = 0
  let kept: Kept | undefined
  for (let retries = 0; ; retries++) {
    let chosen: Chosen
    rungs++
    try {
      const choice = chooseDeployment(gateway, call, stop.request, {
        group,
        features,
        failed,
        again: kept === undefined,
      })
      chosen = choice instanceof Promise ? await choice : choice
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      return kept === undefined ? error : takeBack(call, kept)
    }
    const { route } = chosen
    let result: AttemptResult
    try {
      const tried = tryDeployment(gateway, call, route, stop.request, delay)
      result = tried instanceof Promise ? await tried : tried
    } catch (error) {
      route.aborted()
      refundAttempt(chosen)
      throw error
    }
    settleAttempt(chosen, call, result)
    const { deployment } = route
    if (result.kind === 'answer' && chosen.cascade !== undefined) {
      const check = failedCheck(call.inspected, chosen.cascade)
      if (check === undefined || !mayEscalate(call, chosen.cascade, rungs)) return result
      const more = new Set([...failed, deployment.id])
      if (!group.deployments.some(other => !more.has(other.id) && router.available(other))) return result
      // The latest that answered: models are asked from cheap to strong.
      kept = setAside(call, deployment, result, check) ?? kept
      failed = more
      retries--
      continue
    }
    if (result.kind !== 'failed') return result
    const { failure } = result
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
    if (!decision.retry) return kept === undefined ? failure : takeBack(call, kept)
    delay = decision.delay
    if (call.closed || (delay > 0 && !(await pause(call, delay)))) return { kind: 'aborted' }
    call.retries++
    gateway.metrics.retried(group.pattern ?? group.name, failure.kind)
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
