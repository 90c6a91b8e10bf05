import { describe, expect, it } from 'vitest'
import { GatewayMetrics } from '../../platform/telemetry/gateway-metrics.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import type { Call } from '../call.ts'
import type { Books, Gateway } from '../gateway.ts'
import { deployment, price } from '../routing/routing.fixtures.ts'
import { finishedCall, hop, tokens } from './accounting.fixtures.ts'
import { ExplainLog } from './explain.ts'
import { settle } from './settle.ts'

const own = deployment('d1', { price: price(3_000_000, 15_000_000) })

function settled(call: Call): { metrics: string; lines: Record<string, unknown>[]; explain: ExplainLog } {
  const lines: Record<string, unknown>[] = []
  const metrics = new GatewayMetrics()
  const log = createLogger({ stream: { write: line => void lines.push(JSON.parse(line) as Record<string, unknown>) } })
  const explain = new ExplainLog(10)
  const ledger: Books = { accepting: true, append: (_record, done) => done?.(true), keepBodies: () => undefined }
  settle({ metrics, log, explain, ledger } as unknown as Gateway, call)
  const text = metrics.render()
  metrics.close()
  return { metrics: text, lines, explain }
}

describe('settle', () => {
  it('books tokens and cost, logs one line and keeps the explanation', () => {
    const { metrics, lines, explain } = settled(
      finishedCall('a', { deployment: own, usage: tokens(3, 4), hops: [hop(own)], ttft: 12.3456 }),
    )
    expect(metrics).toMatch(
      /litellm_spend_metric_total\{[^}]*model_id="d1"[^}]*\} (0\.000069|0\.0000690*1|0.00006899*)\n/,
    )
    expect(metrics).toMatch(/litellm_total_tokens_metric_total\{[^}]*\} 7\n/)
    expect(metrics).toMatch(
      /litellm_proxy_total_requests_metric_total\{requested_model="group",status_code="200",route="\/v1\/chat\/completions"\} 1\n/,
    )
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'info',
        request_id: 'a',
        deployment: 'd1',
        status: 200,
        input_tokens: 3,
        cost_nano_dollars: 69_000,
        ttft_ms: 12.346,
        msg: 'call',
      }),
    ])
    expect(explain.find('a', 'owner')).toBeDefined()
  })

  it('books nothing for a call that failed, and warns from 500 on', () => {
    const failed = settled(
      finishedCall('b', { deployment: own, status: 503, error: 'overloaded', usage: tokens(3, 4) }),
    )
    expect(failed.metrics).not.toMatch(/litellm_spend_metric_total\{/)
    expect(failed.metrics).toMatch(
      /litellm_proxy_failed_requests_metric_total\{requested_model="group",exception_status="503",exception_class="overloaded"/,
    )
    expect(failed.lines[0]).toMatchObject({ level: 'warn', error: 'overloaded' })
    expect(settled(finishedCall('c', { status: 429, error: 'rate_limit_exceeded' })).lines[0]).toMatchObject({
      level: 'info',
    })
  })

  it('counts a call under the model that was asked for, whoever answered', () => {
    const spare = deployment('d2', { group: 'spare' })
    const { metrics } = settled(
      finishedCall('d', { deployment: spare, usage: tokens(1, 1), hops: [hop(spare)], fallbacks: 1 }),
    )
    expect(metrics).toMatch(/litellm_proxy_total_requests_metric_total\{requested_model="group"/)
    expect(metrics).toMatch(/litellm_total_tokens_metric_total\{requested_model="spare"/)
    expect(metrics).toMatch(/routeiq_unpriced_calls_total\{[^}]*model_id="d2"[^}]*\} 1\n/)
    const unknown = settled(finishedCall('e', { modelName: undefined, status: 404, error: 'model_not_found' }))
    expect(unknown.metrics).toMatch(
      /litellm_proxy_total_requests_metric_total\{requested_model="unknown",status_code="404"/,
    )
  })
})
