import type { TokenUsage } from '../../translate/token-usage.ts'
import { costNano } from '../accounting/cost.ts'
import { serviceTierOf } from '../accounting/service-tier.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import { settleReservation } from '../reservation/settle-reservation.ts'
import type { AttemptResult } from './attempt.ts'
import type { Chosen } from './begin-attempt.ts'

/** What the attempt used of the limits that were taken for it: nothing when it failed before anything came. */
export function settleAttempt({ lease, served, route }: Chosen, call: Call, result: AttemptResult): void {
  if (lease === undefined && served === undefined) return
  if (result.kind === 'failed') {
    lease?.refund()
    served?.refund()
    return
  }
  const { usage } = call
  const cost = usage === undefined ? 0 : costOf(call, route.deployment, usage)
  if (lease !== undefined) {
    if (usage !== undefined) lease.settle({ inputTokens: usage.input, outputTokens: usage.output, cost })
    else if (result.kind === 'aborted') lease.refund()
    else lease.settle({ inputTokens: 0, outputTokens: 0, cost: 0 })
  }
  if (served !== undefined) {
    const error = result.kind === 'aborted' ? 'client_disconnected' : undefined
    settleReservation(served, { error, usage, cost, answered: call.response.headersSent })
  }
}

/** The attempt came to nothing that anybody would pay for. */
export function refundAttempt({ lease, served }: Chosen): void {
  lease?.refund()
  served?.refund()
}

/** Nano-dollars; 0 without a known price. */
function costOf(call: Call, deployment: Deployment, usage: TokenUsage): number {
  const seconds = (call.hops[call.hops.length - 1]?.duration ?? 0) / 1000
  const cost = costNano(usage, deployment.price, serviceTierOf(usage, call.request, deployment), seconds, call.epoch)
  return Math.max(0, Math.round(cost))
}
