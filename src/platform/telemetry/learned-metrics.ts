import type { Counter, CounterSeries, Histogram, HistogramSeries, MetricsRegistry } from './metrics.ts'

/** Upper edges of decision times, seconds: a decision should take a quarter of a millisecond. */
const edges = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025]

/** What learned routing tells Prometheus. */
export class LearnedMetrics {
  readonly #decisions: Counter
  readonly #passedOver: Counter
  readonly #seconds: Histogram
  readonly #artifacts: Counter
  readonly #dropped: Counter
  /** Handles by strategy and reason: both are few, and known when the configuration is compiled. */
  readonly #known = new Map<
    string,
    { readonly seconds: HistogramSeries; readonly reasons: Map<string, CounterSeries> }
  >()

  constructor(registry: MetricsRegistry) {
    this.#decisions = registry.counter('routeiq_learned_decisions_total', 'Calls decided by a learned route.', [
      'strategy',
      'reason',
    ])
    this.#passedOver = registry.counter(
      'routeiq_learned_passed_over_total',
      'Calls a learned route could not decide, which went by the classic order.',
      ['strategy', 'cause'],
    )
    this.#seconds = registry.histogram(
      'routeiq_learned_decision_seconds',
      'Time a learned decision took.',
      ['strategy'],
      edges,
    )
    this.#artifacts = registry.counter('routeiq_artifact_loads_total', 'Artifacts loaded and refused.', ['result'])
    this.#dropped = registry.counter(
      'routeiq_decision_log_dropped_total',
      'Decision events that were not written: the queue was full, or the disk.',
    )
  }

  decided(strategy: string, reason: string, microseconds: number): void {
    let known = this.#known.get(strategy)
    if (known === undefined) {
      known = { seconds: this.#seconds.labels(strategy), reasons: new Map() }
      this.#known.set(strategy, known)
    }
    let decisions = known.reasons.get(reason)
    if (decisions === undefined) {
      decisions = this.#decisions.labels(strategy, reason)
      known.reasons.set(reason, decisions)
    }
    decisions.inc()
    known.seconds.observe(microseconds / 1e6)
  }

  passedOver(strategy: string, cause: string): void {
    this.#passedOver.labels(strategy, cause).inc()
  }

  artifact(result: 'loaded' | 'refused'): void {
    this.#artifacts.labels(result).inc()
  }

  eventsDropped(count: number): void {
    this.#dropped.labels().inc(count)
  }
}
