import type { Call } from '../call.ts'
import type { Gateway } from '../gateway.ts'
import { settleReservation } from '../reservation/settle-reservation.ts'
import { settleDecision } from '../routing/learned/note-decision.ts'
import { type Cost, costOf } from './cost.ts'
import { serviceTierOf } from './service-tier.ts'
import { spendRecord } from './spend-record.ts'
import { totalCost, totalUsage } from './total-usage.ts'

/** What the call cost, line by line; undefined when nothing was used. */
function costOfCall(call: Call): Cost | undefined {
  const { usage, deployment } = call
  if (usage === undefined || deployment === undefined) return totalCost(undefined, call)
  const own = costOf(usage, deployment.price, {
    serviceTier: serviceTierOf(usage, call.request, deployment),
    seconds: secondsOf(call),
    epoch: call.epoch,
  })
  return totalCost(own, call)
}

/** Duration of the hop that answered, for models priced by the second. */
const secondsOf = (call: Call): number => (call.hops[call.hops.length - 1]?.duration ?? 0) / 1000

/**
 * The call is over, but for its last byte: limits get back what was not used, the books get their record, and then the
 * rest is sent. Metrics, the log line and the explain record follow; none of them is in the caller's way.
 * @param send sends what is left, once the record is written; told the cost in nano-dollars, −1 without a known price,
 *   undefined when nothing was used
 */
export function settle(gateway: Gateway, call: Call, send?: (cost: number | undefined) => void): void {
  const duration = performance.now() - call.startedAt
  const cost = costOfCall(call)
  const nano = cost === undefined ? undefined : cost.priced ? cost.total : -1
  if (call.reservation !== undefined) {
    settleReservation(call.reservation, {
      error: call.error,
      usage: totalUsage(call),
      cost: nano,
      answered: call.response.headersSent,
    })
  }
  const record = spendRecord(call, cost, call.epoch + duration, duration)
  gateway.ledger.append(record, () => {
    send?.(nano)
    const { kept } = call
    if (kept !== undefined) {
      gateway.ledger.keepBodies(record, call.request.json, () => kept.read(call.stream), kept.options)
    }
    report(gateway, call, nano, performance.now() - call.startedAt)
  })
}

/** Metrics, the log line and the explain record. */
function report(gateway: Gateway, call: Call, cost: number | undefined, duration: number): void {
  const { usage, deployment } = call
  gateway.metrics
    .group(call.modelName, call.door.route)
    .finished(call.status, duration, Math.max(0, duration - call.upstreamTime), call.error)
  if (deployment !== undefined && call.error === undefined) {
    gateway.metrics.of(deployment).succeeded({
      latencyMs: call.hops[call.hops.length - 1]?.duration ?? 0,
      ttftMs: call.ttft,
      inputTokens: usage?.input ?? 0,
      cachedTokens: usage?.cacheRead ?? 0,
      outputTokens: usage?.output ?? 0,
      costNanoDollars: cost ?? 0,
    })
  }
  if (call.routed !== undefined && gateway.learned !== undefined) {
    settleDecision(gateway.learned, call, call.routed, cost, duration)
  }
  gateway.explain.record(call, call.startedAt + duration)
  const level = call.status >= 500 ? 'warn' : 'info'
  if (!gateway.log.isLevelEnabled(level)) return
  gateway.log[level](
    {
      request_id: call.id,
      operation: call.door.operation,
      model: call.model,
      deployment: deployment?.id,
      provider: deployment?.target.vendor.id,
      status: call.status,
      error: call.error,
      stream: call.stream,
      duration_ms: Math.round(duration * 1000) / 1000,
      ttft_ms: call.ttft === undefined ? undefined : Math.round(call.ttft * 1000) / 1000,
      attempts: call.hops.length,
      fallbacks: call.fallbacks,
      input_tokens: usage?.input,
      output_tokens: usage?.output,
      cost_nano_dollars: cost,
    },
    'call',
  )
}
