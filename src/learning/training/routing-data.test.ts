import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readArtifact } from '../artifact/artifact.ts'
import { loadDataset } from '../dataset/load.ts'
import { calibration, costError } from '../evaluation/calibration.ts'
import { aiq, choose, hull, lambdas, outcomeOf, type Predictions } from '../evaluation/curve.ts'
import { columnMeans, type Outcomes, outcomesOf } from '../evaluation/outcomes.ts'
import { pairMetrics } from '../evaluation/pair.ts'
import { type Method, methods } from '../predictor.ts'
import { promptOf } from '../prompt.ts'
import { type TrainingResult, train } from './train.ts'

// Public results of real models, which are not part of this repository. With ROUTING_DATA=<folder of *.jsonl.gz> these
// take about a minute of two cores each; without, they are skipped.
const folder = process.env['ROUTING_DATA']
const patience = 900_000

interface Expected {
  readonly file: string
  /** Of all single models. */
  readonly hull: number
  /** Of `average`, five folds by id. */
  readonly aiq: number
  readonly apgr?: number
}

const sets: readonly Expected[] = [
  { file: 'llmrouter-9m', hull: 0.5752, aiq: 0.6345 },
  { file: 'routerbench-11m', hull: 0.8221, aiq: 0.851 },
  { file: 'routellm-2m', hull: 0.7424, aiq: 0.772, apgr: 0.685 },
]

function predictionsOf(
  { outOfFold, meanCost }: { outOfFold: TrainingResult['outOfFold']; meanCost: number },
  method: Method,
): Predictions {
  const quality = Float64Array.from(outOfFold.quality[method] ?? [])
  const cost = Float64Array.from(outOfFold.cost)
  return { quality, cost, unit: new Float64Array(outOfFold.foldOf.length).fill(meanCost) }
}

function aiqOf(outcomes: Outcomes, predictions: Predictions): number {
  const points = lambdas.map(lambda => outcomeOf(outcomes, choose(predictions, outcomes.models.length, lambda)))
  const single = columnMeans(outcomes.cost, outcomes.models.length)
  return aiq(hull(points), Math.min(...single), Math.max(...single))
}

describe.skipIf(folder === undefined || !existsSync(folder))('on results of real models', () => {
  it.each(sets)(
    '$file: the average reaches $aiq, and every method beats the single models',
    async ({ file, ...expected }) => {
      const dataset = await loadDataset(join(folder ?? '', `${file}.jsonl.gz`))
      const { artifact, outOfFold } = await train(dataset, { name: file, foldRule: 'id' })
      const outcomes = outcomesOf(dataset)
      const router = readArtifact(artifact)
      const of = (method: Method): Predictions => predictionsOf({ outOfFold, meanCost: router.meanCost }, method)

      const table = Object.fromEntries(methods.map(method => [method, Number(aiqOf(outcomes, of(method)).toFixed(4))]))
      console.log(file, table)
      expect(router.methods).toEqual(methods)
      expect(table['average']).toBeGreaterThanOrEqual(expected.aiq)
      for (const method of methods) expect(table[method], method).toBeGreaterThan(expected.hull)
      if (expected.apgr !== undefined) {
        expect(pairMetrics(outcomes, of('average'))?.apgr).toBeGreaterThanOrEqual(expected.apgr)
      }
      expect(calibration(outcomes, of('average')).ece).toBeLessThan(0.02)
      const costs = costError(outcomes, of('average'))
      console.log(costs, calibration(outcomes, of('average')))
      expect(costs?.perCall).toBeLessThan(0.25)
      expect(Math.abs(costs?.total ?? 1)).toBeLessThan(0.05)

      if (dataset.rows.length <= 5000) expect(artifact.length).toBeLessThan(5 * 1024 * 1024)
    },
    patience,
  )

  it(
    'llmrouter-9m: the same prompt written otherwise gets the same model, nine times of ten',
    async () => {
      const dataset = await loadDataset(join(folder ?? '', 'llmrouter-9m.jsonl.gz'))
      const router = readArtifact(
        (await train(dataset, { name: 'perturbed', foldRule: 'id', folds: 2, methods: ['average'] })).artifact,
      )
      const prediction = router.prediction()
      const choice = (text: string): number => {
        router.predict(promptOf(text), 'average', prediction)
        return prediction.quality.indexOf(Math.max(...prediction.quality))
      }
      const rewrites: Record<string, (text: string) => string> = {
        'upper case': text => text.toUpperCase(),
        'lower case': text => text.toLowerCase(),
        'wide spaces': text => text.replaceAll(' ', '  '),
        'a typo': text => text.replace(/([a-z])([a-z])([a-z] )/, '$2$1$3'),
        'a greeting': text => `Hello! ${text}`,
        'a thank-you': text => `${text} Thank you.`,
      }
      const some = dataset.rows.filter((_, row) => row % 8 === 0)
      const kept = Object.entries(rewrites).map(([name, rewrite]) => {
        const same = some.filter(({ text }) => choice(text) === choice(rewrite(text))).length
        return [name, same / some.length] as const
      })
      console.log(Object.fromEntries(kept))
      expect(kept.reduce((sum, [, share]) => sum + share / kept.length, 0)).toBeGreaterThanOrEqual(0.9)
    },
    patience,
  )
})
