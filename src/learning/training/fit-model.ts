import { createFeaturizer, type FeatureSpec } from '../features/featurizer.ts'
import type { Method } from '../predictor.ts'
import type { Part } from '../predictors/part.ts'
import type { Parts } from '../predictors/predictors.ts'
import { describeClusters } from './describe-clusters.ts'
import { fitElo } from './fit-elo.ts'
import { fitFactors } from './fit-factors.ts'
import { type FeatureOptions, fitFeatures } from './fit-features.ts'
import { fitKernelSupportVectors, fitLogistic, fitSupportVectors } from './fit-linear.ts'
import { fitMlp } from './fit-mlp.ts'
import { fitKnn, fitNeighbours } from './fit-neighbours.ts'
import { fitOutputLength } from './fit-output-length.ts'
import { fitRidge } from './fit-ridge.ts'
import { fitTables, partitions } from './fit-tables.ts'
import { fitTrees } from './fit-trees.ts'
import { sampled } from './sample.ts'
import { labelMeans, type Problem, type TrainingRows } from './training-rows.ts'

export interface FitOptions extends FeatureOptions {
  readonly methods: readonly Method[]
  readonly seed: number
}

/** Everything that is learnt from one set of rows, before calibration. */
export interface FittedModel {
  readonly features: FeatureSpec
  readonly parts: Parts
  readonly clusters: readonly { readonly size: number; readonly about: string }[]
}

type Step = (name: string) => void

/** @param rows which rows to learn from, as places in `all` */
export function fitModel(
  all: TrainingRows,
  rows: Uint32Array,
  options: FitOptions,
  step: Step = () => {},
): FittedModel {
  const prompts = Array.from(rows, row => promptAt(all, row))
  step('features')
  const features = fitFeatures(prompts, options, options.seed)
  step('vectors')
  const problem = problemOf(all, rows, features, options.seed)
  step('clusters')
  const tables = partitions(problem)
  const finest = tables.at(-1)
  if (finest === undefined) throw new Error('there are no partitions')
  const few = sampled(problem, finest)
  const { part: neighbours, order } = fitNeighbours(few.problem, few.partition)
  step('output length')
  const outputLength = fitOutputLength(problem, taken(all.logTokens, rows, all.models))
  const parts: Record<string, Part> = { neighbours, outputLength, tables: fitTables(problem, tables) }
  const fit: Partial<Record<Method, () => Part>> = {
    ridge: () => fitRidge(problem),
    knn: () => fitKnn(few.problem, order),
    trees: () => fitTrees(few.problem),
    svm: () => fitSupportVectors(problem),
    'rbf-svm': () => fitKernelSupportVectors(few.problem),
    logistic: () => fitLogistic(problem),
    mlp: () => fitMlp(few.problem),
    mf: () => fitFactors(problem),
    elo: () => fitElo(problem, tables),
  }
  for (const method of options.methods) {
    const fitMethod = fit[method]
    if (fitMethod === undefined) continue
    step(method)
    parts[method] = fitMethod()
  }
  return { features, parts, clusters: describeClusters(prompts, finest) }
}

function promptAt(all: TrainingRows, row: number): TrainingRows['prompts'][number] {
  const prompt = all.prompts[row]
  if (prompt === undefined) throw new RangeError(`row ${row} of ${all.prompts.length}`)
  return prompt
}

/** Vectors as they will be at a call, made by the same code from the same rounded projection. */
function problemOf(all: TrainingRows, rows: Uint32Array, spec: FeatureSpec, seed: number): Problem {
  const { models } = all
  const { dims, features: vector } = createFeaturizer(spec)
  const features = new Float32Array(rows.length * dims)
  for (const [place, row] of rows.entries()) {
    vector(promptAt(all, row), features.subarray(place * dims, (place + 1) * dims))
  }
  const quality = taken(all.quality, rows, models)
  const weight = taken(all.weight, rows, models)
  return { rows: rows.length, dims, models, features, quality, weight, seed, ...labelMeans(quality, weight, models) }
}

function taken(values: Float32Array, rows: Uint32Array, models: number): Float32Array {
  const result = new Float32Array(rows.length * models)
  for (const [place, row] of rows.entries())
    result.set(values.subarray(row * models, (row + 1) * models), place * models)
  return result
}
