/**
 * Counters, gauges and histograms for Prometheus. Written here rather than taken from prom-client because that one
 * hashes and looks up the label object on every `inc`; a handle from `labels(…)` is looked up once, when the
 * configuration is compiled, and a call then only adds numbers.
 *
 * Best of five runs of 10⁷ calls, Node 24: `counter.inc(n)` 1 ns, `histogram.observe(v)` over 35 edges 18 ns; finding
 * the handle of a known series with four labels takes 180 ns, which is why it is kept.
 */
export type MetricType = 'counter' | 'gauge' | 'histogram'

/** How one series of several processes becomes one: parts of a whole are added, states of one thing are not. */
export type Aggregation = 'sum' | 'max'

export interface MetricOptions {
  /** Series kept per metric; later label sets share one whose labels all say `other`. Default 1000. */
  readonly maxSeries?: number
  /** Default `sum`. */
  readonly aggregation?: Aggregation
  /** Multiplies values when they are shown: nano-dollars are counted exactly and shown as dollars. Default 1. */
  readonly scale?: number
}

export interface HistogramValue {
  /** Observations per bucket, not cumulated; the last one is the bucket above every edge. */
  readonly counts: readonly number[]
  readonly sum: number
}

export interface MetricSnapshot {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly aggregation: Aggregation
  readonly scale: number
  readonly labelNames: readonly string[]
  /** Upper edges of a histogram's buckets, without +Inf. */
  readonly edges?: readonly number[]
  readonly series: readonly (readonly [labels: readonly string[], value: number | HistogramValue])[]
}

/** Plain JSON: worker processes send it to the one that is scraped. */
export type MetricsSnapshot = readonly MetricSnapshot[]

const overflow = 'other'
const maxLabelLength = 200

/** The series of one metric, bounded in number. */
abstract class Family<Series> {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  readonly #maxSeries: number
  readonly #series = new Map<string, { readonly labels: readonly string[]; readonly series: Series }>()

  protected abstract readonly type: MetricType
  protected readonly aggregation: Aggregation
  protected readonly scale: number
  protected readonly edges: readonly number[] | undefined

  constructor(
    name: string,
    help: string,
    labelNames: readonly string[],
    options: MetricOptions,
    edges?: readonly number[],
  ) {
    this.name = name
    this.help = help
    this.labelNames = labelNames
    this.aggregation = options.aggregation ?? 'sum'
    this.scale = options.scale ?? 1
    this.edges = edges
    this.#maxSeries = options.maxSeries ?? 1000
  }

  protected abstract create(): Series
  protected abstract valueOf(series: Series): number | HistogramValue

  /** The handle for these label values, in the order of `labelNames`. Keep it: finding it is the slow part. */
  labels(...values: readonly string[]): Series {
    if (values.length !== this.labelNames.length) {
      throw new TypeError(`${this.name} has the labels ${this.labelNames.join(', ') || '(none)'}, got ${values.length}`)
    }
    if (values.some(value => value.length > maxLabelLength)) {
      return this.labels(...values.map(value => value.slice(0, maxLabelLength)))
    }
    const key = values.join('\0')
    const known = this.#series.get(key)
    if (known !== undefined) return known.series
    if (this.#series.size >= this.#maxSeries && values.some(value => value !== overflow)) {
      return this.labels(...values.map(() => overflow))
    }
    const series = this.create()
    this.#series.set(key, { labels: values, series })
    return series
  }

  /** Forgets every series that `keep` refuses; a handle still held counts into nothing. */
  prune(keep: (labels: readonly string[]) => boolean): void {
    for (const [key, { labels }] of this.#series) if (!keep(labels)) this.#series.delete(key)
  }

  snapshot(): MetricSnapshot {
    return {
      name: this.name,
      help: this.help,
      type: this.type,
      aggregation: this.aggregation,
      scale: this.scale,
      labelNames: this.labelNames,
      ...(this.edges && { edges: this.edges }),
      series: [...this.#series.values()].map(({ labels, series }) => [labels, this.valueOf(series)] as const),
    }
  }
}

export class CounterSeries {
  value = 0
  inc(by = 1): void {
    this.value += by
  }
}

export class Counter extends Family<CounterSeries> {
  protected readonly type = 'counter'
  protected create(): CounterSeries {
    return new CounterSeries()
  }
  protected valueOf(series: CounterSeries): number {
    return series.value
  }
}

export class GaugeSeries {
  value = 0
  set(value: number): void {
    this.value = value
  }
  inc(by = 1): void {
    this.value += by
  }
  dec(by = 1): void {
    this.value -= by
  }
}

export class Gauge extends Family<GaugeSeries> {
  protected readonly type = 'gauge'
  protected create(): GaugeSeries {
    return new GaugeSeries()
  }
  protected valueOf(series: GaugeSeries): number {
    return series.value
  }
}

export class HistogramSeries {
  sum = 0
  readonly counts: Float64Array
  readonly #edges: Float64Array

  constructor(edges: Float64Array) {
    this.#edges = edges
    this.counts = new Float64Array(edges.length + 1)
  }

  observe(value: number): void {
    const edges = this.#edges
    // The first edge that is not below the value: `le` is inclusive.
    let low = 0
    let high = edges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((edges[middle] as number) < value) low = middle + 1
      else high = middle
    }
    this.counts[low] = (this.counts[low] as number) + 1
    this.sum += value
  }
}

export class Histogram extends Family<HistogramSeries> {
  protected readonly type = 'histogram'
  readonly #edges: Float64Array

  constructor(
    name: string,
    help: string,
    labelNames: readonly string[],
    edges: readonly number[],
    options: MetricOptions,
  ) {
    super(name, help, labelNames, options, edges)
    this.#edges = Float64Array.from(edges)
  }

  protected create(): HistogramSeries {
    return new HistogramSeries(this.#edges)
  }

  protected valueOf(series: HistogramSeries): HistogramValue {
    return { counts: [...series.counts], sum: series.sum }
  }
}

/** Values read when somebody looks, for what is counted elsewhere already. */
export type Collector = () => Iterable<readonly [labels: readonly string[], value: number]>

export class MetricsRegistry {
  readonly #families = new Map<string, { snapshot(): MetricSnapshot }>()

  /** A name that ends in `_total`, as the text format's counters do. */
  counter(name: string, help: string, labelNames: readonly string[] = [], options: MetricOptions = {}): Counter {
    return this.#add(new Counter(name, help, labelNames, options))
  }

  gauge(name: string, help: string, labelNames: readonly string[] = [], options: MetricOptions = {}): Gauge {
    return this.#add(new Gauge(name, help, labelNames, options))
  }

  /** `edges`: ascending upper bounds; +Inf is implied. */
  histogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    edges: readonly number[],
    options: MetricOptions = {},
  ): Histogram {
    return this.#add(new Histogram(name, help, labelNames, edges, options))
  }

  /** A gauge or counter whose values are asked for at every scrape. A collector that throws shows no series. */
  collected(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: Collector,
    options: MetricOptions = {},
  ): void {
    const { aggregation = 'sum', scale = 1, maxSeries = 1000 } = options
    this.#add({
      name,
      snapshot: (): MetricSnapshot => {
        const series: (readonly [readonly string[], number])[] = []
        try {
          for (const [labels, value] of collect()) if (series.push([labels, value]) >= maxSeries) break
        } catch {
          series.length = 0
        }
        return { name, help, type, aggregation, scale, labelNames, series }
      },
    })
  }

  snapshot(): MetricsSnapshot {
    return [...this.#families.values()].map(family => family.snapshot())
  }

  #add<F extends { readonly name: string; snapshot(): MetricSnapshot }>(family: F): F {
    if (this.#families.has(family.name)) throw new TypeError(`The metric ${family.name} exists already`)
    this.#families.set(family.name, family)
    return family
  }
}
