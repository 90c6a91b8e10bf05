import type { FailureKind } from '../errors/gateway-error.ts'
import { latencyEdges } from './latency-buckets.ts'
import type { Counter, CounterSeries, Histogram, HistogramSeries, MetricsRegistry } from './metrics.ts'

/** The part of a deployment that its series are labelled with. */
export interface MeteredDeployment {
  readonly id: string
  readonly group: string
  readonly target: { readonly model: string; readonly vendor: { readonly id: string } }
}

export interface SucceededCall {
  readonly latencyMs: number
  readonly ttftMs?: number | undefined
  readonly inputTokens: number
  /** Part of the input tokens that the vendor read from its cache. */
  readonly cachedTokens?: number
  readonly outputTokens: number
  /** Negative: the price is not known; counted as an unpriced call, never as a free one. */
  readonly costNanoDollars: number
}

export interface DeploymentFamilies {
  readonly spend: Counter
  readonly totalTokens: Counter
  readonly inputTokens: Counter
  readonly outputTokens: Counter
  readonly cachedTokens: Counter
  readonly unpriced: Counter
  readonly latency: Histogram
  readonly ttft: Histogram
  readonly attempts: Counter
  readonly successes: Counter
  readonly failures: Counter
  readonly cooledDown: Counter
  readonly fallbackSuccesses: Counter
  readonly fallbackFailures: Counter
}

/** LiteLLM calls the vendor's model `model` in metrics of calls and `litellm_model_name` in metrics of deployments. */
const callLabels = ['requested_model', 'model', 'model_id', 'api_provider']
const deploymentLabels = ['requested_model', 'litellm_model_name', 'model_id', 'api_provider']

export function deploymentFamilies(registry: MetricsRegistry): DeploymentFamilies {
  const ofCalls = (name: string, help: string, scale = 1) => registry.counter(name, help, callLabels, { scale })
  const ofAttempts = (name: string, help: string, more: readonly string[] = []) =>
    registry.counter(name, help, [...deploymentLabels, ...more])
  const ofFallbacks = (name: string, help: string) =>
    registry.counter(name, help, ['requested_model', 'fallback_model'])
  return {
    // Counted in nano-dollars: integers add without error.
    spend: ofCalls('litellm_spend_metric_total', 'Cost of answered calls, US dollars.', 1e-9),
    totalTokens: ofCalls('litellm_total_tokens_metric_total', 'Input and output tokens.'),
    inputTokens: ofCalls('litellm_input_tokens_metric_total', 'Input tokens, cached ones included.'),
    outputTokens: ofCalls('litellm_output_tokens_metric_total', 'Output tokens, reasoning included.'),
    cachedTokens: ofCalls('litellm_cached_tokens_metric_total', 'Input tokens read from the vendor’s cache.'),
    unpriced: ofCalls('routeiq_unpriced_calls_total', 'Answered calls whose price is not known.'),
    latency: registry.histogram(
      'litellm_llm_api_latency_metric',
      'Duration of a successful attempt, seconds.',
      callLabels,
      latencyEdges,
    ),
    ttft: registry.histogram(
      'litellm_llm_api_time_to_first_token_metric',
      'Start of a successful streamed attempt to its first content, seconds.',
      callLabels,
      latencyEdges,
    ),
    attempts: ofAttempts('litellm_deployment_total_requests_total', 'Attempts that ended.'),
    successes: ofAttempts('litellm_deployment_success_responses_total', 'Attempts that succeeded.'),
    failures: ofAttempts('litellm_deployment_failure_responses_total', 'Attempts that failed, by kind.', [
      'exception_class',
    ]),
    cooledDown: ofAttempts('litellm_deployment_cooled_down_total', 'Times taken out of rotation.'),
    fallbackSuccesses: ofFallbacks(
      'litellm_deployment_successful_fallbacks_total',
      'Calls that left their model group and were answered by the fallback.',
    ),
    fallbackFailures: ofFallbacks(
      'litellm_deployment_failed_fallbacks_total',
      'Calls that left their model group and failed there too.',
    ),
  }
}

/** Handles of one deployment. */
export class DeploymentMetrics {
  readonly #families: DeploymentFamilies
  readonly #labels: readonly string[]
  readonly #spend: CounterSeries
  readonly #totalTokens: CounterSeries
  readonly #inputTokens: CounterSeries
  readonly #outputTokens: CounterSeries
  readonly #cachedTokens: CounterSeries
  readonly #latency: HistogramSeries
  readonly #ttft: HistogramSeries
  readonly #attempts: CounterSeries
  readonly #successes: CounterSeries
  readonly #group: string

  constructor(families: DeploymentFamilies, { id, group, target }: MeteredDeployment) {
    const labels = [group, target.model, id, target.vendor.id]
    this.#families = families
    this.#labels = labels
    this.#group = group
    this.#spend = families.spend.labels(...labels)
    this.#totalTokens = families.totalTokens.labels(...labels)
    this.#inputTokens = families.inputTokens.labels(...labels)
    this.#outputTokens = families.outputTokens.labels(...labels)
    this.#cachedTokens = families.cachedTokens.labels(...labels)
    this.#latency = families.latency.labels(...labels)
    this.#ttft = families.ttft.labels(...labels)
    this.#attempts = families.attempts.labels(...labels)
    this.#successes = families.successes.labels(...labels)
  }

  /** The attempt that answered a call. 24 ns (10⁶ calls, Node 24). */
  succeeded(call: SucceededCall): void {
    this.#attempts.inc()
    this.#successes.inc()
    this.#latency.observe(call.latencyMs / 1000)
    if (call.ttftMs !== undefined) this.#ttft.observe(call.ttftMs / 1000)
    this.#inputTokens.inc(call.inputTokens)
    this.#outputTokens.inc(call.outputTokens)
    this.#totalTokens.inc(call.inputTokens + call.outputTokens)
    if (call.cachedTokens !== undefined) this.#cachedTokens.inc(call.cachedTokens)
    if (call.costNanoDollars >= 0) this.#spend.inc(call.costNanoDollars)
    else this.#families.unpriced.labels(...this.#labels).inc()
  }

  failed(kind: FailureKind): void {
    this.#attempts.inc()
    this.#families.failures.labels(...this.#labels, kind).inc()
  }

  cooledDown(): void {
    this.#families.cooledDown.labels(...this.#labels).inc()
  }

  /** A call left this deployment's group for another one, which answered it or did not. */
  fellBack(answered: boolean, to = 'unknown'): void {
    const family = answered ? this.#families.fallbackSuccesses : this.#families.fallbackFailures
    family.labels(this.#group, to).inc()
  }
}
