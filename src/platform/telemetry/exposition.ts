import type { HistogramValue, MetricSnapshot, MetricsSnapshot } from './metrics.ts'

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export const expositionContentType = 'text/plain; version=0.0.4; charset=utf-8'

/** The text a Prometheus server scrapes. */
export function renderMetrics(snapshot: MetricsSnapshot): string {
  const out: string[] = []
  for (const metric of snapshot) {
    out.push(`# HELP ${metric.name} ${escapeHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n`)
    const names = metric.labelNames.map((name, index) => `${index === 0 ? '' : ','}${name}="`)
    const edges = [...(metric.edges ?? []).map(numberText), '+Inf'].map(edge => `le="${edge}"} `)
    for (const [values, value] of metric.series) {
      let labels = ''
      for (let index = 0; index < names.length; index++) labels += `${names[index]}${escapeLabel(values[index] ?? '')}"`
      const set = labels && `{${labels}}`
      if (typeof value === 'number') out.push(`${metric.name}${set} ${numberText(value * metric.scale)}\n`)
      else out.push(histogramText(metric, edges, labels, set, value))
    }
  }
  return out.join('')
}

function histogramText(
  { name, scale }: MetricSnapshot,
  edges: readonly string[],
  labels: string,
  set: string,
  { counts, sum }: HistogramValue,
): string {
  const prefix = `${name}_bucket{${labels}${labels && ','}`
  let text = ''
  let total = 0
  for (let index = 0; index < edges.length; index++) {
    total += counts[index] ?? 0
    text += `${prefix}${edges[index]}${total}\n`
  }
  return `${text}${name}_sum${set} ${numberText(sum * scale)}\n${name}_count${set} ${total}\n`
}

const escapeHelp = (text: string): string => text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')

const escapeLabel = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') : text

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  if (Number.isNaN(value)) return 'NaN'
  return value > 0 ? '+Inf' : '-Inf'
}

/**
 * One snapshot of several processes: counters and histograms are added, gauges too unless they say `max`. A histogram
 * whose buckets differ from the first one's (a worker that still runs the configuration before) is left out.
 */
export function mergeMetrics(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const merged = new Map<string, { readonly metric: MetricSnapshot; readonly series: Map<string, MergedSeries> }>()
  for (const metric of snapshots.flat()) {
    let into = merged.get(metric.name)
    if (into === undefined) {
      into = { metric, series: new Map() }
      merged.set(metric.name, into)
    }
    if (into.metric.type !== metric.type || into.metric.edges?.join() !== metric.edges?.join()) continue
    for (const [labels, value] of metric.series) {
      const key = labels.join('\0')
      const known = into.series.get(key)
      into.series.set(key, { labels, value: known === undefined ? value : combine(metric, known.value, value) })
    }
  }
  return [...merged.values()].map(({ metric, series }) => ({
    ...metric,
    series: [...series.values()].map(({ labels, value }) => [labels, value] as const),
  }))
}

interface MergedSeries {
  readonly labels: readonly string[]
  readonly value: number | HistogramValue
}

function combine(
  metric: MetricSnapshot,
  a: number | HistogramValue,
  b: number | HistogramValue,
): number | HistogramValue {
  if (typeof a === 'number' || typeof b === 'number') {
    const [left, right] = [Number(a), Number(b)]
    return metric.aggregation === 'max' ? Math.max(left, right) : left + right
  }
  return { counts: a.counts.map((count, index) => count + (b.counts[index] ?? 0)), sum: a.sum + b.sum }
}
