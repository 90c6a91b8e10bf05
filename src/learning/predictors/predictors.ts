import { createFeaturizer, type FeatureSpec } from '../features/featurizer.ts'
import type { Featurizer, Method, Predictor } from '../predictor.ts'
import { averaged, createAverage } from './average.ts'
import { VectorSpace } from './dot-products.ts'
import { createElo } from './elo.ts'
import { createFactors } from './factors.ts'
import { createKnn } from './knn.ts'
import { createKernel, createLinear, sigmoid } from './linear.ts'
import { createMlp } from './mlp.ts'
import { createNeighbours, type Neighbours } from './neighbours.ts'
import { createOutputLength, type OutputLength } from './output-length.ts'
import { BrokenPart, count, type Part } from './part.ts'
import { createRidge } from './ridge.ts'
import { createTables, type Tables } from './tables.ts'
import { createTrees } from './trees.ts'

export type Parts = Readonly<Record<string, Part>>

/** What was learnt from a set of rows, ready to predict; not yet calibrated. */
export interface Predictors {
  readonly featurizer: Featurizer
  readonly neighbours: Neighbours
  readonly tables: Tables
  readonly outputLength: OutputLength
  /** By method; only those trained. */
  readonly byMethod: ReadonlyMap<Method, Predictor>
}

/** The parts that every router has: other things than a method's prediction are read from them. */
export const foundation = ['neighbours', 'tables', 'outputLength'] as const

/** @throws BrokenPart */
export function createPredictors(features: FeatureSpec, parts: Parts, models: number): Predictors {
  const featurizer = createFeaturizer(features)
  const { dims } = featurizer
  const part = (name: string): Part => {
    const found = parts[name]
    if (found === undefined) throw new BrokenPart(`the part '${name}' is missing`)
    return found
  }
  const space = new VectorSpace(dims)
  const neighbours = createNeighbours(part('neighbours'), dims, features.components, space)
  const tables = createTables(part('tables'), models, dims, space)
  const byMethod = new Map<Method, Predictor>([['tables', tables]])
  const add = (method: Method, create: (part: Part) => Predictor): void => {
    const found = parts[method]
    if (found !== undefined) byMethod.set(method, create(found))
  }
  add('ridge', found => createRidge(found, models, dims))
  add('knn', found => createKnn(found, models, neighbours, count(part('neighbours'), 'rows', 10_000_000)))
  add('trees', found => createTrees(found, models, dims))
  add('svm', found => createLinear('svm', found, models, dims, score => score))
  add('rbf-svm', found => createKernel('rbf-svm', found, models, dims))
  add('logistic', found => createLinear('logistic', found, models, dims, sigmoid))
  add('mlp', found => createMlp(found, models, dims))
  add('mf', found => createFactors(found, models, dims))
  add('elo', found => createElo(found, models, tables))
  const together = averaged.flatMap(method => byMethod.get(method) ?? [])
  if (together.length === averaged.length) byMethod.set('average', createAverage(together, models))
  return {
    featurizer,
    neighbours,
    tables,
    outputLength: createOutputLength(part('outputLength'), models, dims),
    byMethod,
  }
}
