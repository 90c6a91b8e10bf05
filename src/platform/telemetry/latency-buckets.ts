/** Seconds. The edges of LiteLLM's latency histograms, so that its dashboards and recording rules keep their meaning. */
export const latencyEdges: readonly number[] = [
  ...[0.005, 0.00625, 0.0125, 0.025, 0.05, 0.1, 0.5],
  ...Array.from({ length: 19 }, (_, step) => 1 + step / 2),
  ...[15, 20, 25, 30, 60, 120, 180, 240, 300],
]

/** Seconds. What the gateway itself adds is far below the first edge above. */
export const overheadEdges: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5,
]
