import type { Call } from '../call.ts'
import type { Gateway } from '../gateway.ts'
import { costNano } from './cost.ts'
import { serviceTierOf } from './service-tier.ts'

/** Cost of a call so far, nano-dollars; -1 when its model has no known price, undefined when nothing was used. */
export function costOfCall(call: Call): number | undefined {
  const { usage, deployment } = call
  if (usage === undefined || deployment === undefined) return undefined
  return costNano(usage, deployment.price, serviceTierOf(usage, call.request, deployment), secondsOf(call), call.epoch)
}

/** Duration of the hop that answered, for models priced by the second. */
const secondsOf = (call: Call): number => (call.hops[call.hops.length - 1]?.duration ?? 0) / 1000

/** After the last byte: cost, metrics, the log line and the explain record. Never in the caller's way. */
export function settle(gateway: Gateway, call: Call): void {
  const finishedAt = performance.now()
  const duration = finishedAt - call.startedAt
  const { usage, deployment } = call
  const cost = call.error === undefined ? costOfCall(call) : undefined
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
  gateway.explain.record(call, finishedAt)
  const level = call.status >= 500 ? 'warn' : 'info'
  if (gateway.log.isLevelEnabled(level)) {
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
}
