import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeMetrics, renderMetrics } from './exposition.ts'
import { latencyEdges } from './latency-buckets.ts'
import { MetricsRegistry } from './metrics.ts'

const lines = (registry: MetricsRegistry) => renderMetrics(registry.snapshot()).trimEnd().split('\n')

describe('rendering', () => {
  it('writes the text format', () => {
    const registry = new MetricsRegistry()
    registry.counter('a_total', 'Calls.', ['model', 'status']).labels('gpt', '200').inc(2)
    registry.gauge('b', 'State.').labels().set(-1.5)
    const histogram = registry.histogram('c', 'Time.', ['model'], [0.1, 1]).labels('gpt')
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value)
    expect(renderMetrics(registry.snapshot())).toBe(
      `# HELP a_total Calls.
# TYPE a_total counter
a_total{model="gpt",status="200"} 2
# HELP b State.
# TYPE b gauge
b -1.5
# HELP c Time.
# TYPE c histogram
c_bucket{model="gpt",le="0.1"} 2
c_bucket{model="gpt",le="1"} 3
c_bucket{model="gpt",le="+Inf"} 4
c_sum{model="gpt"} 7.65
c_count{model="gpt"} 4
`,
    )
  })

  it('writes histograms without labels', () => {
    const registry = new MetricsRegistry()
    registry.histogram('c', 'Time.', [], [1]).labels().observe(2)
    expect(lines(registry).slice(2)).toEqual(['c_bucket{le="1"} 0', 'c_bucket{le="+Inf"} 1', 'c_sum 2', 'c_count 1'])
  })

  it('escapes help and label values', () => {
    const registry = new MetricsRegistry()
    registry.counter('a_total', 'back\\slash\n"quoted"', ['x']).labels('a\\b"c\nd').inc()
    expect(lines(registry)).toEqual([
      '# HELP a_total back\\\\slash\\n"quoted"',
      '# TYPE a_total counter',
      'a_total{x="a\\\\b\\"c\\nd"} 1',
    ])
  })

  it('keeps one sample a line whatever the labels hold, and can be read back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 50 }),
        fc.string({ unit: 'binary', maxLength: 50 }),
        (a, b) => {
          const registry = new MetricsRegistry()
          registry.counter('a_total', 'h', ['x', 'y']).labels(a, b).inc()
          const sample = renderMetrics(registry.snapshot()).split('\n').slice(2)
          expect(sample).toHaveLength(2)
          const read = /^a_total\{x="((?:[^"\\]|\\.)*)",y="((?:[^"\\]|\\.)*)"\} 1$/su.exec(sample[0]!)!
          const readLabel = (text: string) => text.replace(/\\(.)/gs, (_, c: string) => (c === 'n' ? '\n' : c))
          expect([readLabel(read[1]!), readLabel(read[2]!)]).toEqual([a, b])
        },
      ),
    )
  })

  it.each([
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
    [1e21, '1e+21'],
  ])('writes %d as %s', (value, text) => {
    const registry = new MetricsRegistry()
    registry.gauge('g', 'h').labels().set(value)
    expect(lines(registry)[2]).toBe(`g ${text}`)
  })

  it('scales what is counted in small units', () => {
    const registry = new MetricsRegistry()
    registry.counter('spend_total', 'Dollars.', [], { scale: 1e-9 }).labels().inc(1_500_000_000)
    expect(lines(registry)[2]).toBe('spend_total 1.5')
  })
})

describe('histograms', () => {
  it('puts every value into the first bucket whose edge is not below it', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 400, noNaN: true })), values => {
        const registry = new MetricsRegistry()
        const series = registry.histogram('h', 'h', [], latencyEdges).labels()
        for (const value of values) series.observe(value)
        latencyEdges.forEach((edge, index) => {
          const cumulated = series.counts.slice(0, index + 1).reduce((sum, count) => sum + count, 0)
          expect(cumulated).toBe(values.filter(value => value <= edge).length)
        })
        expect(series.counts.reduce((sum, count) => sum + count, 0)).toBe(values.length)
      }),
    )
  })

  it('has ascending edges from 5 ms to 300 s', () => {
    expect(latencyEdges).toEqual(latencyEdges.toSorted((a, b) => a - b))
    expect([latencyEdges.length, latencyEdges[0], latencyEdges.at(-1)]).toEqual([35, 0.005, 300])
  })
})

describe('series', () => {
  it('are found again by their labels', () => {
    const counter = new MetricsRegistry().counter('a_total', 'h', ['x', 'y'])
    expect(counter.labels('a', 'b')).toBe(counter.labels('a', 'b'))
    expect(counter.labels('a', 'b')).not.toBe(counter.labels('ab', ''))
  })

  it('are bounded: what is over the bound shares one', () => {
    const registry = new MetricsRegistry()
    const counter = registry.counter('a_total', 'h', ['x', 'y'], { maxSeries: 2 })
    for (const x of ['1', '2', '3', '4', '1']) counter.labels(x, 'y').inc()
    expect(lines(registry).slice(2)).toEqual([
      'a_total{x="1",y="y"} 2',
      'a_total{x="2",y="y"} 1',
      'a_total{x="other",y="other"} 2',
    ])
  })

  it('bounds the length of a label, without two series of one name', () => {
    const registry = new MetricsRegistry()
    const counter = registry.counter('a_total', 'h', ['x'])
    counter.labels(`${'x'.repeat(200)}1`).inc()
    counter.labels(`${'x'.repeat(200)}2`).inc()
    expect(lines(registry).slice(2)).toEqual([`a_total{x="${'x'.repeat(200)}"} 2`])
  })

  it('refuses a wrong number of labels and a name used twice', () => {
    const registry = new MetricsRegistry()
    const counter = registry.counter('a_total', 'h', ['x'])
    expect(() => counter.labels()).toThrow(/a_total/)
    expect(() => registry.gauge('a_total', 'h')).toThrow(/a_total/)
  })

  it('can be forgotten', () => {
    const registry = new MetricsRegistry()
    const counter = registry.counter('a_total', 'h', ['x'])
    counter.labels('old').inc()
    counter.labels('kept').inc()
    counter.prune(([x]) => x === 'kept')
    expect(lines(registry).slice(2)).toEqual(['a_total{x="kept"} 1'])
  })
})

it('shows no series of a collector that throws', () => {
  const registry = new MetricsRegistry()
  registry.collected('gauge', 'g', 'h', [], () => {
    throw new Error('no')
  })
  expect(lines(registry)).toEqual(['# HELP g h', '# TYPE g gauge'])
})

describe('merging', () => {
  const worker = (n: number, edges = [1, 2]) => {
    const registry = new MetricsRegistry()
    const counter = registry.counter('calls_total', 'h', ['model'], { scale: 0.5 })
    counter.labels('both').inc(n)
    counter.labels(`only-${n}`).inc(n)
    registry.gauge('in_flight', 'h').labels().set(n)
    registry.gauge('version', 'h', [], { aggregation: 'max' }).labels().set(n)
    registry.histogram('time', 'h', [], edges).labels().observe(n)
    return registry.snapshot()
  }

  it('adds counters, histograms and gauges, and keeps the highest of those that say so', () => {
    // Through JSON, as between processes.
    const merged = mergeMetrics(JSON.parse(JSON.stringify([worker(1), worker(2), worker(5)])))
    expect(
      renderMetrics(merged)
        .split('\n')
        .filter(line => line !== '' && !line.startsWith('#')),
    ).toEqual([
      'calls_total{model="both"} 4',
      'calls_total{model="only-1"} 0.5',
      'calls_total{model="only-2"} 1',
      'calls_total{model="only-5"} 2.5',
      'in_flight 8',
      'version 5',
      'time_bucket{le="1"} 1',
      'time_bucket{le="2"} 2',
      'time_bucket{le="+Inf"} 3',
      'time_sum 8',
      'time_count 3',
    ])
  })

  it('leaves out a histogram with other buckets', () => {
    const merged = renderMetrics(mergeMetrics([worker(1), worker(1, [1, 3])]))
    expect(merged).toContain('time_count 1\n')
    expect(merged).toContain('in_flight 2\n')
  })

  it('of one is the one, and changes no input', () => {
    const one = worker(3)
    const before = JSON.stringify(one)
    mergeMetrics([one, worker(4)])
    expect(JSON.stringify(one)).toBe(before)
    expect(renderMetrics(mergeMetrics([one]))).toBe(renderMetrics(one))
    expect(mergeMetrics([])).toEqual([])
  })
})
