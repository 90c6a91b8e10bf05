import type { Sums } from './sums.ts'

/** Numbers of a group of calls, as LiteLLM's reports show them. */
export interface SpendMetrics {
  /** Dollars. */
  spend: number
  prompt_tokens: number
  completion_tokens: number
  cache_read_input_tokens: number
  cache_creation_input_tokens: number
  total_tokens: number
  successful_requests: number
  failed_requests: number
  api_requests: number
  total_response_time_ms: number
  timed_requests: number
}

/** The sums that metrics are made of. */
export const shownSums = [
  'requests',
  'failed_requests',
  'cost',
  'input_tokens',
  'output_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'duration_ms',
] as const satisfies readonly (keyof Sums)[]

export const noMetrics = (): SpendMetrics => ({
  spend: 0,
  prompt_tokens: 0,
  completion_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  total_tokens: 0,
  successful_requests: 0,
  failed_requests: 0,
  api_requests: 0,
  total_response_time_ms: 0,
  timed_requests: 0,
})

/** Adds sums of nano-dollars to metrics in dollars; rounded to a nano-dollar, so that adding leaves no float dust. */
export function addSums(metrics: SpendMetrics, sums: Sums): SpendMetrics {
  metrics.spend = addDollars(metrics.spend, sums.cost)
  metrics.prompt_tokens += sums.input_tokens
  metrics.completion_tokens += sums.output_tokens
  metrics.cache_read_input_tokens += sums.cache_read_tokens
  metrics.cache_creation_input_tokens += sums.cache_write_tokens
  metrics.total_tokens += sums.input_tokens + sums.output_tokens
  metrics.successful_requests += sums.requests - sums.failed_requests
  metrics.failed_requests += sums.failed_requests
  metrics.api_requests += sums.requests
  metrics.total_response_time_ms += sums.duration_ms
  metrics.timed_requests += sums.requests
  return metrics
}

export const metricsOf = (sums: Sums): SpendMetrics => addSums(noMetrics(), sums)

export const dollars = (nano: number): number => nano / 1e9

export const addDollars = (sum: number, nano: number): number => (Math.round(sum * 1e9) + nano) / 1e9
