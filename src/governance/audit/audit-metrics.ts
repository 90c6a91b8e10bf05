import type { Counter, CounterSeries, Gauge, MetricsRegistry } from '../../platform/telemetry/metrics.ts'
import type { AuditContent } from './record.ts'

/** What the audit log tells Prometheus; the table is in docs/audit.md. Shown per process, added up over the fleet. */
export class AuditMetrics {
  readonly #records: Counter
  readonly #folded: CounterSeries
  readonly #backlogRecords: Gauge
  readonly #backlogAge: Gauge
  readonly #confirmed: Gauge
  readonly #shipped: Counter
  readonly #failures: Counter
  readonly #broken: CounterSeries

  constructor(registry: MetricsRegistry) {
    this.#records = registry.counter('routeiq_audit_records_total', 'Audit records written.', ['action', 'outcome'])
    this.#folded = registry
      .counter('routeiq_audit_denials_folded_total', 'Denials counted in a summary instead of a record each.')
      .labels()
    // Every process looks at the same queue: the highest is the truth, a sum would be wrong.
    const highest = { aggregation: 'max' } as const
    this.#backlogRecords = registry.gauge(
      'routeiq_audit_sink_backlog_records',
      'Audit records the sink has not confirmed.',
      ['sink'],
      highest,
    )
    this.#backlogAge = registry.gauge(
      'routeiq_audit_sink_backlog_seconds',
      'Age of the oldest audit record the sink has not confirmed.',
      ['sink'],
      highest,
    )
    this.#confirmed = registry.gauge(
      'routeiq_audit_sink_seq',
      'Number of the last audit record the sink has confirmed.',
      ['sink'],
      highest,
    )
    this.#shipped = registry.counter('routeiq_audit_sink_records_total', 'Audit records a sink has confirmed.', [
      'sink',
    ])
    this.#failures = registry.counter('routeiq_audit_sink_failures_total', 'Batches a sink did not confirm.', ['sink'])
    this.#broken = registry
      .counter('routeiq_audit_chain_breaks_total', 'Times the audit log was found not to be what it was before.')
      .labels()
  }

  recorded(contents: readonly AuditContent[]): void {
    for (const { action, outcome } of contents) this.#records.labels(action, outcome).inc()
  }

  folded(): void {
    this.#folded.inc()
  }

  backlog(sink: string, confirmed: number, records: number, seconds: number): void {
    this.#confirmed.labels(sink).set(confirmed)
    this.#backlogRecords.labels(sink).set(records)
    this.#backlogAge.labels(sink).set(seconds)
  }

  shipped(sink: string, records: number): void {
    this.#shipped.labels(sink).inc(records)
  }

  failed(sink: string): void {
    this.#failures.labels(sink).inc()
  }

  broken(): void {
    this.#broken.inc()
  }
}
