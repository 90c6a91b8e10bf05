import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { MetricsRegistry } from './metrics.ts'

/** Milliseconds between the probes of the event loop. */
const resolution = 20

/** Memory, CPU, uptime and event-loop lag of this process. Returns the function that stops the lag probe. */
export function registerProcessMetrics(registry: MetricsRegistry): () => void {
  const value = (read: () => number) => () => [[[], read()] as const]
  registry.collected(
    'gauge',
    'process_resident_memory_bytes',
    'Resident memory, bytes.',
    [],
    value(process.memoryUsage.rss),
  )
  registry.collected('counter', 'process_cpu_seconds_total', 'User and system CPU time, seconds.', [], () => {
    const { user, system } = process.cpuUsage()
    return [[[], (user + system) / 1e6]]
  })
  const startTime = performance.timeOrigin / 1000
  registry.collected(
    'gauge',
    'process_start_time_seconds',
    'Start of the process, Unix time.',
    [],
    value(() => startTime),
    {
      aggregation: 'max',
    },
  )
  registry.collected('gauge', 'routeiq_uptime_seconds', 'Time since the process started.', [], value(process.uptime), {
    aggregation: 'max',
  })

  const delay = monitorEventLoopDelay({ resolution })
  delay.enable()
  registry.collected(
    'gauge',
    'routeiq_event_loop_lag_seconds',
    'How late the event loop ran its timers since the last look; quantile 1 is the longest.',
    ['quantile'],
    () => readLag(delay),
    { aggregation: 'max' },
  )
  return () => delay.disable()
}

function readLag(delay: ReturnType<typeof monitorEventLoopDelay>): [string[], number][] {
  const read: [string[], number][] = ['0.5', '0.99', '1'].map(quantile => {
    // The probe records whole intervals; what exceeds the interval is the lag. Zero before the first probe.
    const nanoseconds = delay.count === 0 ? 0 : delay.percentile(Number(quantile) * 100)
    return [[quantile], Math.max(0, nanoseconds / 1e9 - resolution / 1000)]
  })
  delay.reset()
  return read
}
