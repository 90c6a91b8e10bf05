import { latencyEdges, overheadEdges } from './latency-buckets.ts'
import type { Counter, CounterSeries, Histogram, HistogramSeries, MetricsRegistry } from './metrics.ts'

export interface GroupFamilies {
  readonly total: Counter
  readonly failed: Counter
  readonly latency: Histogram
  readonly overhead: Histogram
}

export function groupFamilies(registry: MetricsRegistry): GroupFamilies {
  return {
    total: registry.counter('litellm_proxy_total_requests_metric_total', 'Calls answered, by status.', [
      'requested_model',
      'status_code',
      'route',
    ]),
    failed: registry.counter('litellm_proxy_failed_requests_metric_total', 'Calls answered with an error.', [
      'requested_model',
      'exception_status',
      'exception_class',
      'route',
    ]),
    latency: registry.histogram(
      'litellm_request_total_latency_metric',
      'Arrival of a call to its last byte, seconds.',
      ['requested_model'],
      latencyEdges,
    ),
    overhead: registry.histogram(
      'litellm_overhead_latency_metric',
      'The part of a call that was not spent waiting for an upstream, seconds.',
      ['requested_model'],
      overheadEdges,
    ),
  }
}

/** Handles of one model group on one route. */
export class GroupMetrics {
  readonly #families: GroupFamilies
  readonly #name: string
  readonly #route: string
  readonly #latency: HistogramSeries
  readonly #overhead: HistogramSeries
  readonly #byStatus = new Map<number, CounterSeries>()

  constructor(families: GroupFamilies, name: string, route: string) {
    this.#families = families
    this.#name = name
    this.#route = route
    this.#latency = families.latency.labels(name)
    this.#overhead = families.overhead.labels(name)
  }

  /** A call has ended. Times in milliseconds; `errorCode` is the catalogue's, for a status from 400 on. */
  finished(status: number, totalMs: number, overheadMs: number, errorCode = 'unknown'): void {
    let counter = this.#byStatus.get(status)
    if (counter === undefined) {
      counter = this.#families.total.labels(this.#name, String(status), this.#route)
      this.#byStatus.set(status, counter)
    }
    counter.inc()
    if (status >= 400) this.#families.failed.labels(this.#name, String(status), errorCode, this.#route).inc()
    this.#latency.observe(totalMs / 1000)
    this.#overhead.observe(overheadMs / 1000)
  }
}
