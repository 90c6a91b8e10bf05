import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mergeMetrics, renderMetrics } from './exposition.ts'
import { GatewayMetrics } from './gateway-metrics.ts'

const deployment = { id: 'd1', group: 'gpt', target: { model: 'gpt-4o', vendor: { id: 'openai' } } }
const call = '{requested_model="gpt",model="gpt-4o",model_id="d1",api_provider="openai"}'
const attempt = '{requested_model="gpt",litellm_model_name="gpt-4o",model_id="d1",api_provider="openai"'

let metrics: GatewayMetrics
beforeEach(() => {
  metrics = new GatewayMetrics()
})
afterEach(() => metrics.close())

const has = (sample: string) => expect(metrics.render().split('\n')).toContain(sample)

describe('a deployment', () => {
  it('counts answered calls, their tokens, cost and times', () => {
    const handles = metrics.of(deployment)
    handles.succeeded({
      latencyMs: 700,
      ttftMs: 40,
      inputTokens: 100,
      cachedTokens: 60,
      outputTokens: 20,
      costNanoDollars: 2_500_000,
    })
    handles.succeeded({ latencyMs: 300, inputTokens: 1, outputTokens: 2, costNanoDollars: 0 })
    has(`litellm_spend_metric_total${call} 0.0025`)
    has(`litellm_input_tokens_metric_total${call} 101`)
    has(`litellm_output_tokens_metric_total${call} 22`)
    has(`litellm_total_tokens_metric_total${call} 123`)
    has(`litellm_cached_tokens_metric_total${call} 60`)
    has(`litellm_llm_api_latency_metric_sum${call} 1`)
    has(`litellm_llm_api_latency_metric_bucket${call.slice(0, -1)},le="0.5"} 1`)
    has(`litellm_llm_api_time_to_first_token_metric_count${call} 1`)
    has(`litellm_llm_api_time_to_first_token_metric_sum${call} 0.04`)
    has(`litellm_deployment_success_responses_total${attempt}} 2`)
    has(`litellm_deployment_total_requests_total${attempt}} 2`)
    expect(metrics.render()).not.toMatch(/^routeiq_unpriced_calls_total\{/m)
  })

  it('counts a call of unknown price as unpriced, not as a refund', () => {
    metrics.of(deployment).succeeded({ latencyMs: 1, inputTokens: 1, outputTokens: 1, costNanoDollars: -1 })
    has(`routeiq_unpriced_calls_total${call} 1`)
    has(`litellm_spend_metric_total${call} 0`)
  })

  it('counts failures by kind, cooldowns and fallbacks', () => {
    const handles = metrics.of(deployment)
    handles.failed('rate_limit')
    handles.failed('rate_limit')
    handles.failed('timeout')
    handles.cooledDown()
    handles.fellBack(true, 'claude')
    handles.fellBack(false, 'claude')
    has(`litellm_deployment_failure_responses_total${attempt},exception_class="rate_limit"} 2`)
    has(`litellm_deployment_failure_responses_total${attempt},exception_class="timeout"} 1`)
    has(`litellm_deployment_total_requests_total${attempt}} 3`)
    has(`litellm_deployment_cooled_down_total${attempt}} 1`)
    has('litellm_deployment_successful_fallbacks_total{requested_model="gpt",fallback_model="claude"} 1')
    has('litellm_deployment_failed_fallbacks_total{requested_model="gpt",fallback_model="claude"} 1')
  })

  it('keeps counting over a reload that compiles it anew, and is forgotten when it is gone', () => {
    metrics.of(deployment).failed('timeout')
    const anew = { ...deployment }
    metrics.configured(2, [anew])
    metrics.of(anew).failed('timeout')
    has(`litellm_deployment_failure_responses_total${attempt},exception_class="timeout"} 2`)
    metrics.group('gpt').finished(200, 1, 1)
    metrics.configured(3, [])
    expect(metrics.render()).not.toContain('model_id="d1"')
    expect(metrics.render()).toContain('requested_model="gpt"')
  })
})

describe('a group', () => {
  it('counts answers by status and errors by code', () => {
    metrics.group('gpt', '/v1/messages').finished(200, 250, 0.2)
    metrics.group('gpt', '/v1/messages').finished(200, 250, 0.2)
    metrics.group('gpt', '/v1/messages').finished(429, 5, 5, 'rate_limit_exceeded')
    has('litellm_proxy_total_requests_metric_total{requested_model="gpt",status_code="200",route="/v1/messages"} 2')
    has('litellm_proxy_total_requests_metric_total{requested_model="gpt",status_code="429",route="/v1/messages"} 1')
    has(
      'litellm_proxy_failed_requests_metric_total{requested_model="gpt",exception_status="429",exception_class="rate_limit_exceeded",route="/v1/messages"} 1',
    )
    has('litellm_request_total_latency_metric_count{requested_model="gpt"} 3')
    has('litellm_request_total_latency_metric_sum{requested_model="gpt"} 0.505')
    has('litellm_overhead_latency_metric_bucket{requested_model="gpt",le="0.00025"} 2')
  })

  it('does not name models that are not configured', () => {
    metrics.group(undefined).finished(404, 1, 1, 'model_not_found')
    expect(metrics.render()).toContain('litellm_proxy_total_requests_metric_total{requested_model="unknown"')
  })

  it('is bounded in number', () => {
    for (let n = 0; n < 1500; n++) metrics.group(`model-${n}`).finished(200, 1, 1)
    expect(metrics.group('model-1400')).toBe(metrics.group('other'))
    expect(metrics.group('model-400')).not.toBe(metrics.group('other'))
    const names = new Set(metrics.render().match(/litellm_request_total_latency_metric_count\{[^}]*\}/g))
    expect(names.size).toBe(1001)
    has('litellm_request_total_latency_metric_count{requested_model="other"} 500')
  })
})

it('reads live state when it is scraped', () => {
  let coolingDown = false
  metrics.watch({
    inFlight: () => 7,
    queued: () => 3,
    deployments: () => [{ deployment, inFlight: 5, coolingDown }],
  })
  const labels = '{litellm_model_name="gpt-4o",model_id="d1",api_provider="openai"}'
  has('litellm_in_flight_requests 7')
  has('routeiq_queued_requests 3')
  has(`litellm_deployment_state${labels} 0`)
  has(`routeiq_deployment_in_flight_requests${attempt}} 5`)
  coolingDown = true
  has(`litellm_deployment_state${labels} 2`)
})

it('counts retries, refused connections and configurations', () => {
  metrics.retried()
  metrics.retried('gpt', 'timeout')
  metrics.egressDenied('private', 'providers')
  metrics.configured(3)
  metrics.configured(4)
  metrics.configRefused()
  has('routeiq_retries_total{requested_model="unknown",exception_class="unknown"} 1')
  has('routeiq_retries_total{requested_model="gpt",exception_class="timeout"} 1')
  has('routeiq_egress_denials_total{address_class="private",purpose="providers"} 1')
  has('routeiq_config_version 4')
  has('routeiq_config_reloads_total{result="applied"} 1')
  has('routeiq_config_reloads_total{result="refused"} 1')
})

it('tells of the process', () => {
  const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, 'm').exec(metrics.render())?.[1])
  expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e7)
  expect(value('process_cpu_seconds_total')).toBeGreaterThan(0)
  expect(
    Math.abs(value('process_start_time_seconds') + value('routeiq_uptime_seconds') - Date.now() / 1000),
  ).toBeLessThan(5)
  expect(value('routeiq_event_loop_lag_seconds\\{quantile="1"\\}')).toBeGreaterThanOrEqual(0)
})

it('is summed over worker processes', () => {
  const other = new GatewayMetrics()
  metrics.of(deployment).succeeded({ latencyMs: 1, inputTokens: 10, outputTokens: 1, costNanoDollars: 1 })
  other.of(deployment).succeeded({ latencyMs: 1, inputTokens: 20, outputTokens: 1, costNanoDollars: 2 })
  metrics.configured(2)
  other.configured(3)
  const text = renderMetrics(mergeMetrics([metrics.snapshot(), other.snapshot()]))
  expect(text).toContain(`litellm_input_tokens_metric_total${call} 30\n`)
  expect(text).toContain('routeiq_config_version 3\n')
  other.close()
})

it('is well-formed throughout', () => {
  metrics.of({ id: 'a"b\n', group: 'g\\', target: { model: 'm', vendor: { id: 'v' } } }).failed('timeout')
  metrics.group('x').finished(500, 1, 1)
  const sample =
    /^[a-z_]+(\{[a-z_]+="([^"\\\n]|\\[\\n"])*"(,[a-z_]+="([^"\\\n]|\\[\\n"])*")*\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/
  for (const line of metrics.render().trimEnd().split('\n')) {
    if (!line.startsWith('# ')) expect(line).toMatch(sample)
  }
})
