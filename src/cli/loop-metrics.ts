import type { Captures } from '../learning/decisions/captures.ts'
import type { DecisionRecorder } from '../learning/decisions/recorder.ts'
import type { DriftAlarm } from '../learning/drift/drift-state.ts'
import type { RouterDirectory } from '../learning/registry/directory.ts'
import { shareOf } from '../learning/rollout/state.ts'
import type { RouterTransitionRow } from '../platform/store/learning-tables.ts'
import type { MetricsRegistry } from '../platform/telemetry/metrics.ts'

interface Watched {
  readonly recorder: DecisionRecorder
  readonly captures: Captures
  readonly directory: RouterDirectory
}

export interface LoopMetrics {
  readonly transition: (transition: RouterTransitionRow) => void
  readonly drift: (router: string, alarm: DriftAlarm) => void
}

/** What the loop tells Prometheus; the table is in docs/observability.md. */
export function loopMetrics(registry: MetricsRegistry, { recorder, captures, directory }: Watched): LoopMetrics {
  registry.collected(
    'counter',
    'routeiq_router_decisions_recorded_total',
    'Routing decisions by what became of their record.',
    ['outcome'],
    () => {
      const { written, dropped, unsettled, thinned } = recorder.counts
      return [
        [['written'], written],
        [['dropped'], dropped],
        [['unsettled'], unsettled],
        [['thinned'], thinned],
      ]
    },
  )
  registry.collected(
    'counter',
    'routeiq_router_captures_total',
    'Captured texts by what became of them.',
    ['outcome'],
    () => [
      [['written'], captures.written],
      [['dropped'], captures.dropped],
    ],
  )
  registry.collected(
    'gauge',
    'routeiq_router_canary_share',
    'Share of calls that the candidate of a rollout decides.',
    ['router'],
    () =>
      [...directory.routers].map(([router, { state }]) => [
        [router],
        state.rollout === null ? 0 : shareOf(state.rollout),
      ]),
    { aggregation: 'max' },
  )
  registry.collected(
    'gauge',
    'routeiq_router_promotions_frozen',
    '1 while drift has frozen promotions of a router.',
    ['router'],
    () => [...directory.routers].map(([router, { state }]) => [[router], Number(state.frozen !== null)]),
    { aggregation: 'max' },
  )
  registry.collected(
    'gauge',
    'routeiq_router_artifact_problems',
    'Artifacts that this gateway was told to use and refuses.',
    [],
    () => [[[], directory.artifacts.problems.size]],
    { aggregation: 'max' },
  )
  const transitions = registry.counter(
    'routeiq_router_transitions_total',
    'Changes of what decides, made by rollouts and drift.',
    ['router', 'to'],
  )
  const drift = registry.counter('routeiq_router_drift_total', 'Drift alarms.', ['router', 'signal'])
  return {
    transition: ({ router, to_stage, from_stage }) => {
      if (to_stage !== from_stage) transitions.labels(router, to_stage).inc()
    },
    drift: (router, { signal }) => drift.labels(router, signal).inc(),
  }
}
