import { describe, expect, it } from 'vitest'
import type { Dataset, Row } from '../dataset.ts'
import type { TrainedRouter } from '../predictor.ts'
import { type CrossValidation, crossValidate, evaluateRouter } from './evaluate.ts'
import { dice } from './random.ts'

const kinds = ['sums', 'songs', 'facts'] as const
const models = ['a', 'b']

/** Model `a` is good at sums, `b` at songs, nobody at facts; the first word says which is which. */
function rowsOf(count: number): Row[] {
  const random = dice(1)
  return Array.from({ length: count }, (_, n) => {
    const kind = kinds[n % 3] ?? 'sums'
    const empty = Float64Array.of(Number.NaN, Number.NaN)
    const right = (model: number): number => (random() < (kinds[model] === kind ? 0.9 : 0.2) ? 1 : 0)
    return {
      id: `r${n}`,
      text: `${kind} prompt ${n}`,
      task: kind,
      group: `g${Math.floor(n / 6)}`,
      quality: Float64Array.of(right(0), right(1)),
      cost: Float64Array.of(0.003, 0.001),
      inputTokens: 1000,
      outputTokens: empty,
      latency: empty,
    }
  })
}

const datasetOf = (rows: readonly Row[]): Dataset => ({
  name: 'test',
  hash: 'h',
  models: [
    { id: 'a', inputPrice: 3e-6, outputPrice: 0 },
    { id: 'b', inputPrice: 1e-6, outputPrice: 0 },
  ],
  rows,
})

/** A router that knows the mean of each first word, in an order of models of its own. */
function trained(dataset: Dataset): TrainedRouter {
  const mean = (model: number, word: string): number => {
    const same = dataset.rows
      .filter(({ text }) => text.startsWith(word))
      .map(({ quality }) => quality[model] ?? Number.NaN)
    const known = same.filter(value => !Number.isNaN(value))
    return known.length === 0 ? 0.4 : known.reduce((sum, value) => sum + value, 0) / known.length
  }
  return {
    models: [...dataset.models].reverse(),
    methods: ['average'],
    meanCost: 0.002,
    datasetHash: dataset.hash,
    prediction: () => ({ quality: new Float32Array(2), outputTokens: new Float32Array(2) }),
    predict({ text }: { text: string }, _method: string, into: { quality: Float32Array }) {
      const word = text.split(' ')[0] ?? ''
      into.quality.set([mean(1, word), mean(0, word)])
    },
  } as unknown as TrainedRouter
}

const options: CrossValidation = { methods: ['average'], seed: 1, resamples: 50, now: new Date(0), folds: 4 }

describe('cross-validation', () => {
  it('trains without the rows it scores, their groups, and rows of these groups that have gaps', async () => {
    const rows = rowsOf(240).map((row, n) =>
      n % 5 === 0 ? { ...row, quality: Float64Array.of(row.quality[0] ?? 0, Number.NaN) } : row,
    )
    const trainings: Dataset[] = []
    const report = await crossValidate(
      datasetOf(rows),
      async dataset => {
        trainings.push(dataset)
        return trained(dataset)
      },
      options,
    )
    expect(trainings).toHaveLength(4)
    expect(new Set(trainings.map(({ hash }) => hash)).size).toBe(4)
    expect(report).toMatchObject({ rows: 192, leftOut: 48, split: 'cross-validation', folds: 4 })
    const groups = new Set(rows.map(({ group }) => group))
    const left = trainings.map(({ rows: used }) => {
      const seen = new Set(used.map(({ group }) => group))
      // Whole groups, with their rows that have gaps.
      expect(used).toHaveLength(rows.filter(({ group }) => seen.has(group)).length)
      return [...groups].filter(group => !seen.has(group))
    })
    expect(left.flat().sort()).toEqual([...groups].sort())
  })

  it('finds what a router knows, by names of models and not by their order', async () => {
    const report = await crossValidate(datasetOf(rowsOf(600)), async dataset => trained(dataset), options)
    const [method] = report.methods
    expect(report.models).toEqual(models)
    const share = (task: string) => method?.tasks.find(found => found.task === task)?.quality ?? 0
    expect(share('sums')).toBeGreaterThan(0.8)
    expect(share('songs')).toBeGreaterThan(0.8)
    expect(method?.costError?.perCall).toBeCloseTo(0, 6)
    expect(report.baselines.taskTable?.aiq).toBeCloseTo(method?.aiq ?? 0, 2)
    expect(report.gate.passed).toBe(true)
  })

  it('trains once more without each task, where that is asked for', async () => {
    const without: string[] = []
    const report = await crossValidate(
      datasetOf(rowsOf(300)),
      async dataset => {
        const present = new Set(dataset.rows.map(({ task }) => task))
        const missing = kinds.filter(kind => !present.has(kind))
        if (missing.length > 0) without.push(missing.join())
        return trained(dataset)
      },
      { ...options, unseenTasks: true },
    )
    expect(without.sort()).toEqual(['facts', 'songs', 'sums'])
    const songs = report.unseenTasks?.find(({ task }) => task === 'songs')
    // The router has no idea of songs; without them `a` is the best model, which is bad at them.
    expect(songs?.rows).toBe(100)
    expect(songs?.bestByTraining).toBeLessThan(0.4)
  })
})

describe('a router that is given', () => {
  it('is scored on all rows, against a table by task where the training data are known', () => {
    const rows = rowsOf(300)
    const [training, test] = [datasetOf(rows.slice(0, 150)), datasetOf(rows.slice(150))]
    const report = evaluateRouter(trained(training), test, training, options)
    expect(report).toMatchObject({ split: 'test file', rows: 150, trainingHash: 'h' })
    expect(report.baselines.taskTable).toBeDefined()
    expect(report.microseconds.p50).toBeGreaterThan(0)
    const alone = evaluateRouter(trained(training), test, undefined, options)
    expect(alone.split).toBe('artifact')
    expect(alone.baselines.taskTable).toBeUndefined()
    expect(alone.methods[0]?.aiq).toBe(report.methods[0]?.aiq)
  })
})
