import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readArtifact } from '../artifact/artifact.ts'
import type { Dataset, Row } from '../dataset.ts'
import { type Method, methods, type TrainedRouter } from '../predictor.ts'
import { plainShape, promptOf } from '../prompt.ts'
import { everyKind, type Kind, promptOfKind, specialists, syntheticDataset } from './synthetic.fixtures.ts'
import { runTask } from './task.ts'
import { type TrainingOptions, train } from './train.ts'
import { trainingRows } from './training-rows.ts'

const quick = { name: 'test', threads: 0, folds: 2, components: 16, now: () => 1 } satisfies TrainingOptions

const bestAt: Record<Kind, string> = { mathematics: 'euler', code: 'turing', talk: 'austen' }

async function trained(dataset: Dataset, options: Partial<TrainingOptions> = {}): Promise<TrainedRouter> {
  return readArtifact((await train(dataset, { ...quick, ...options })).artifact)
}

/** Prompts that no training saw. */
const unseen = everyKind.flatMap(kind =>
  Array.from({ length: 20 }, (_, index) => ({ kind, text: promptOfKind(kind, 5000 + index) })),
)

function choice(router: TrainedRouter, text: string, method: Method): string {
  const prediction = router.prediction()
  router.predict(promptOf(text), method, prediction)
  const best = prediction.quality.indexOf(Math.max(...prediction.quality))
  return router.models[best]?.id ?? ''
}

const share = (hits: readonly boolean[]): number => hits.filter(Boolean).length / hits.length

describe('training', () => {
  let router: TrainedRouter
  beforeAll(async () => {
    router = await trained(syntheticDataset())
  })

  it.each(methods)('%s sends each kind of prompt to the model that is good at it', method => {
    expect(router.methods).toContain(method)
    expect(share(unseen.map(({ kind, text }) => choice(router, text, method) === bestAt[kind]))).toBeGreaterThan(0.9)
  })

  it('predicts shares of right answers, not ranks', () => {
    const prediction = router.prediction()
    for (const kind of everyKind) {
      const its = unseen.filter(other => other.kind === kind)
      const best = router.models.findIndex(({ id }) => id === bestAt[kind])
      const mean = its.reduce((sum, { text }) => {
        router.predict(promptOf(text), 'average', prediction)
        return sum + (prediction.quality[best] ?? 0) / its.length
      }, 0)
      expect(Math.abs(mean - 0.95), kind).toBeLessThan(0.12)
    }
  })

  it('predicts the length of answers per model', () => {
    const prediction = router.prediction()
    router.predict(promptOf(unseen[0]!.text), 'average', prediction)
    for (const [model, { wordy }] of specialists.entries()) {
      expect(prediction.outputTokens[model]! / wordy).toBeGreaterThan(0.8)
      expect(prediction.outputTokens[model]! / wordy).toBeLessThan(1.25)
    }
  })

  it('says how familiar a prompt is', () => {
    const prediction = router.prediction()
    const familiarity = (text: string): number => {
      router.predict(promptOf(text), 'average', prediction)
      return prediction.familiarity
    }
    const known = unseen.map(({ text }) => familiarity(text))
    expect(known.reduce((sum, value) => sum + value, 0) / known.length).toBeGreaterThan(0.9)
    expect(familiarity('{"a":[1,2,{"b":"c"}]};\n'.repeat(40))).toBeLessThan(0.5)
  })

  it('is less sure of what is unfamiliar', () => {
    const prediction = router.prediction()
    router.predict(promptOf(unseen[0]!.text), 'average', prediction)
    const known = prediction.variance[0]!
    router.predict(promptOf('{"a":[1,2,{"b":"c"}]};\n'.repeat(40)), 'average', prediction)
    expect(known).toBeGreaterThan(0)
    expect(prediction.variance[0]).toBeGreaterThan(known)
  })

  it('takes any prompt', () => {
    const prediction = router.prediction()
    for (const text of [
      '',
      ' ',
      '\u0000',
      '\ud800',
      '🙂',
      'a'.repeat(100_000),
      '中'.repeat(100_000),
      '\n'.repeat(5000),
      '<|endoftext|>',
    ]) {
      for (const method of router.methods) {
        router.predict(promptOf(text), method, prediction)
        for (const value of [...prediction.quality, ...prediction.variance, ...prediction.outputTokens]) {
          expect(Number.isFinite(value)).toBe(true)
        }
        expect(Math.min(...prediction.quality)).toBeGreaterThanOrEqual(0)
        expect(Math.max(...prediction.quality)).toBeLessThanOrEqual(1)
        expect(Math.min(...prediction.variance)).toBeGreaterThanOrEqual(0)
      }
    }
  })

  it('chooses the same for the same prompt written otherwise', () => {
    const written = [
      (text: string) => text.toUpperCase(),
      (text: string) => text.replaceAll(' ', '  '),
      (text: string) => `${text}\n`,
      (text: string) => text.replace(/([a-z])([a-z]) /, '$2$1 '),
      (text: string) => `Hello. ${text}`,
    ]
    const same = unseen.flatMap(({ text }) =>
      written.map(rewrite => choice(router, rewrite(text), 'average') === choice(router, text, 'average')),
    )
    expect(share(same)).toBeGreaterThanOrEqual(0.9)
  })

  it('is not swayed by a tail of repeated words', () => {
    const swayed = unseen.map(
      ({ kind, text }) => choice(router, `${text}${' poem'.repeat(200)}`, 'average') === bestAt[kind],
    )
    expect(share(swayed)).toBeGreaterThanOrEqual(0.6)
  })

  it('refuses a method it was not trained for', async () => {
    const small = await trained(syntheticDataset({ rows: 60 }), { methods: ['ridge'] })
    expect(small.methods).toEqual(['ridge', 'tables'])
    expect(() => small.predict(promptOf('x'), 'mlp', small.prediction())).toThrow(/'mlp' is not in this artifact/)
  })

  it('records operating points with rising λ and falling cost', () => {
    const points = router.operatingPoints.filter(({ method }) => method === 'average')
    expect(points.length).toBeGreaterThan(3)
    for (const [index, point] of points.entries()) {
      expect(point.shares.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4)
      const before = points[index - 1]
      if (before === undefined) continue
      expect(point.lambda).toBeGreaterThan(before.lambda)
      expect(point.cost).toBeLessThan(before.cost)
    }
    expect(points.at(-1)?.shares[3]).toBeGreaterThan(0.95)
  })

  it('describes clusters by words that many prompts share', () => {
    const words = router.clusters.flatMap(({ about }) => about.split(', ').filter(word => word !== ''))
    expect(words.length).toBeGreaterThan(0)
    const { rows } = syntheticDataset()
    for (const word of words) {
      expect(rows.filter(({ text }) => text.toLowerCase().includes(word)).length, word).toBeGreaterThanOrEqual(20)
    }
  })
})

describe('training is honest about its data', () => {
  it('gives the same artifact for the same seed, with and without threads', async () => {
    const dataset = syntheticDataset({ rows: 90 })
    const one = await train(dataset, quick)
    const other = await train(dataset, { ...quick, threads: 2 })
    expect(Buffer.from(other.artifact).equals(one.artifact)).toBe(true)
    expect(other.outOfFold).toEqual(one.outOfFold)
    const seeded = await train(dataset, { ...quick, seed: 2 })
    expect(Buffer.from(seeded.artifact).equals(one.artifact)).toBe(false)
  })

  it('does not depend on the order of the models', async () => {
    const back = [...specialists].reverse()
    const one = await trained(syntheticDataset())
    const other = await trained(syntheticDataset({ models: back }))
    for (const method of ['average', 'ridge', 'knn', 'tables', 'trees', 'svm', 'logistic', 'elo'] as const) {
      const same = unseen.map(({ text }) => choice(one, text, method) === choice(other, text, method))
      expect(share(same), method).toBeGreaterThanOrEqual(0.98)
    }
  })

  it('takes nothing from rows on which all models are equal', async () => {
    // LLMRouter's labels name the model listed first on such rows: 'novice' stands first here, and must not gain.
    const models = [specialists[3]!, specialists[0]!, specialists[1]!, specialists[2]!]
    const dataset = syntheticDataset({ models })
    const ties = dataset.rows.map(
      (row, index): Row => ({ ...row, id: `tie-${index}`, quality: row.quality.map(() => index % 2) }),
    )
    const router = await trained({ ...dataset, rows: [...dataset.rows, ...ties] })
    for (const method of methods) {
      const right = unseen.map(({ kind, text }) => choice(router, text, method) === bestAt[kind])
      expect(share(right), method).toBeGreaterThan(0.8)
    }
  })

  it('learns where each row was tried on one or two models only', async () => {
    const router = await trained(
      syntheticDataset({ rows: 900, tried: (row, model) => (row >> 2) % 4 === model || (row * 7) % 5 === model }),
    )
    for (const method of methods) {
      const right = unseen.map(({ kind, text }) => choice(router, text, method) === bestAt[kind])
      expect(share(right), method).toBeGreaterThan(0.75)
    }
  })

  it('places a new model from few labels', async () => {
    const newcomer = { id: 'gauss', skill: { mathematics: 1, code: 0.1, talk: 0.1 }, price: 1e-6, wordy: 200 }
    const models = [...specialists.slice(1), newcomer]
    const router = await trained(
      syntheticDataset({ rows: 600, models, tried: (row, model) => model !== 3 || row < 60 }),
    )
    expect(router.models[3]?.labels).toBe(60)
    const prediction = router.prediction()
    const mean = (kind: Kind): number => {
      const its = unseen.filter(other => other.kind === kind)
      return its.reduce((sum, { text }) => {
        router.predict(promptOf(text), 'mf', prediction)
        return sum + prediction.quality[3]! / its.length
      }, 0)
    }
    expect(mean('mathematics') - mean('talk')).toBeGreaterThan(0.2)
    expect(mean('mathematics') - mean('code')).toBeGreaterThan(0.2)
  })

  it('keeps a model without any label at the mean of all', async () => {
    const router = await trained(syntheticDataset({ rows: 120, tried: (_row, model) => model !== 2 }))
    expect(router.models[2]?.labels).toBe(0)
    const prediction = router.prediction()
    for (const method of router.methods) {
      router.predict(promptOf(unseen[0]!.text), method, prediction)
      expect(prediction.quality[2]).toBeCloseTo(router.models[2]!.meanQuality, 2)
    }
  })

  it.each([1, 2])('trains on %i model(s)', async count => {
    const router = await trained(syntheticDataset({ rows: 60, models: specialists.slice(0, count) }))
    for (const method of router.methods) expect(choice(router, 'Solve it.', method)).toBeTruthy()
  })

  it.each([2, 7, 25])('trains on %i rows', async rows => {
    const router = await trained(syntheticDataset({ rows }))
    for (const method of router.methods) expect(choice(router, 'Solve it.', method)).toBeTruthy()
  })

  it('refuses data that nothing can be learnt from', async () => {
    await expect(train(syntheticDataset({ rows: 1 }), quick)).rejects.toThrow(/at least 2/)
    await expect(train({ ...syntheticDataset(), models: [] }, quick)).rejects.toThrow(/no models/)
  })

  it('predicts a fold by what the others know, and by nothing else', () => {
    const dataset = syntheticDataset({ rows: 120 })
    const rows = trainingRows(dataset)
    const foldOf = Uint8Array.from(dataset.rows, (_, row) => row % 4)
    const fit = { methods: [...methods], seed: 1, components: 8, columnWeight: 0.25 }
    const predicted = (labels: Float32Array) =>
      runTask({ rows: { ...rows, quality: labels }, foldOf, fit }, { kind: 'fold', fold: 0 }, () => {})
    const turned = rows.quality.map((value, at) => (foldOf[Math.floor(at / rows.models)] === 0 ? 1 - value : value))
    expect(predicted(turned)).toEqual(predicted(rows.quality))
    const others = rows.quality.map((value, at) => (foldOf[Math.floor(at / rows.models)] === 1 ? 1 - value : value))
    expect(predicted(others)).not.toEqual(predicted(rows.quality))
  })

  it('keeps rows of one group in one fold', async () => {
    const dataset = syntheticDataset({ rows: 120 })
    const rows = dataset.rows.map((row, index): Row => ({ ...row, group: `template ${index % 10}` }))
    const { outOfFold } = await train({ ...dataset, rows }, { ...quick, methods: ['ridge'] })
    expect(new Set(outOfFold.foldOf).size).toBeGreaterThan(1)
    for (const [row, fold] of outOfFold.foldOf.entries()) expect(fold).toBe(outOfFold.foldOf[row % 10])
  })

  it.each([
    [
      'the system prompt',
      (tutor: boolean) => ({ system: tutor ? 'You are a tutor of algebra.' : 'You are the bard of an inn.' }),
    ],
    ['the request', (tutor: boolean) => ({ system: '', shape: { ...plainShape, tools: tutor ? 3 : 0 } })],
  ])('learns what %s tells', async (_name, told) => {
    const dataset = syntheticDataset({ rows: 200 })
    const rows = dataset.rows.map((row, index): Row => {
      const tutor = index % 2 === 0
      const quality = Float64Array.from([tutor ? 1 : 0, 0.5, tutor ? 0 : 1, 0.2])
      return { ...row, ...told(tutor), text: `Question ${index} on rivers`, quality }
    })
    const router = await trained({ ...dataset, rows }, { methods: ['average'] })
    const prediction = router.prediction()
    const bestFor = (tutor: boolean): string => {
      router.predict({ ...promptOf('Question 7777 on rivers'), ...told(tutor) }, 'average', prediction)
      return router.models[prediction.quality.indexOf(Math.max(...prediction.quality))]?.id ?? ''
    }
    expect(bestFor(true)).toBe('euler')
    expect(bestFor(false)).toBe('austen')
  })
})

describe('training can be stopped and goes on', () => {
  it('from finished stages, to the same artifact', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'training-'))
    try {
      const dataset = syntheticDataset({ rows: 90 })
      const whole = await train(dataset, quick)
      const stop = new AbortController()
      const stopped = train(dataset, {
        ...quick,
        checkpoints: folder,
        signal: stop.signal,
        onProgress: ({ stage }) => stage.startsWith('fold 2') && stop.abort(new Error('enough')),
      })
      await expect(stopped).rejects.toThrow('enough')
      expect((await readdir(folder)).sort()).toContain('final-model.checkpoint')

      const stages = new Set<string>()
      const resumed = await train(dataset, {
        ...quick,
        checkpoints: folder,
        onProgress: ({ stage }) => stages.add(stage),
      })
      expect([...stages].some(stage => stage.startsWith('final model'))).toBe(false)
      expect(Buffer.from(resumed.artifact).equals(whole.artifact)).toBe(true)
      expect(resumed.outOfFold).toEqual(whole.outOfFold)

      // Stages of other data, and broken ones, are computed again.
      const file = join(folder, 'fold-1.checkpoint')
      await writeFile(file, (await readFile(file)).subarray(0, 1000))
      const repaired = await train(dataset, { ...quick, checkpoints: folder })
      expect(Buffer.from(repaired.artifact).equals(whole.artifact)).toBe(true)
      const others = syntheticDataset({ rows: 90, seed: 2 })
      const fresh = await train(others, quick)
      expect((await train(others, { ...quick, checkpoints: folder })).outOfFold).toEqual(fresh.outOfFold)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('at once, in its threads', async () => {
    const stop = new AbortController()
    const running = train(syntheticDataset({ rows: 900 }), {
      ...quick,
      threads: 2,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    })
    await expect(running).rejects.toThrow('enough')
  })

  it('tells how far it is', async () => {
    const shares: number[] = []
    await train(syntheticDataset({ rows: 60 }), { ...quick, onProgress: ({ share: done }) => shares.push(done) })
    expect(shares.length).toBeGreaterThan(10)
    expect(shares).toEqual([...shares].sort((a, b) => a - b))
    expect(shares.at(-1)).toBeLessThanOrEqual(1)
  })
})
