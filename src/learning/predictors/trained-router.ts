import type { FeatureSpec } from '../features/featurizer.ts'
import {
  type ArtifactModel,
  type Method,
  methods,
  type OperatingPoint,
  type Prediction,
  type TrainedRouter,
} from '../predictor.ts'
import type { Prompt } from '../prompt.ts'
import { createCalibration } from './calibration.ts'
import { createNovelty, drawToMean } from './novelty.ts'
import { BrokenPart } from './part.ts'
import { createPredictors, type Parts } from './predictors.ts'

/** All that training makes and an artifact keeps. */
export interface RouterContents {
  readonly name: string
  readonly createdAt: number
  readonly models: readonly ArtifactModel[]
  readonly meanCost: number
  readonly datasetHash: string
  readonly operatingPoints: readonly OperatingPoint[]
  readonly clusters: readonly { readonly size: number; readonly about: string }[]
  readonly features: FeatureSpec
  readonly parts: Parts
}

/** @throws BrokenPart where the contents do not fit together */
export function createTrainedRouter(contents: RouterContents, id: string, signed: boolean): TrainedRouter {
  const { models, parts } = contents
  const { featurizer, neighbours, tables, outputLength, byMethod } = createPredictors(
    contents.features,
    parts,
    models.length,
  )
  const calibrationPart = parts['calibration']
  const noveltyPart = parts['novelty']
  if (calibrationPart === undefined || noveltyPart === undefined)
    throw new BrokenPart('calibration or novelty is missing')
  if (contents.clusters.length !== tables.cells)
    throw new BrokenPart(`${contents.clusters.length} clusters are described, ${tables.cells} exist`)
  const novelty = createNovelty(noveltyPart)
  const trained = methods.filter(method => byMethod.has(method))
  const calibrated = new Map(
    trained.flatMap(method => {
      const predictor = byMethod.get(method)
      return predictor === undefined
        ? []
        : [[method, { predictor, calibration: createCalibration(calibrationPart, method, models.length) }]]
    }),
  )
  const means = Float32Array.from(models, model => model.meanQuality)

  const predict = (prompt: Prompt, method: Method, into: Prediction): void => {
    const chosen = calibrated.get(method)
    if (chosen === undefined)
      throw new RangeError(`method '${method}' is not in this artifact: it has ${trained.join(', ')}`)
    const { features, quality, variance } = into
    featurizer.features(prompt, features)
    neighbours.find(features)
    chosen.predictor.predict(features, quality, variance)
    chosen.calibration.apply(quality, variance)
    into.cluster = tables.nearest(features)
    into.familiarity = novelty.familiarity(neighbours.closeness)
    drawToMean(quality, variance, into.familiarity, means)
    outputLength.predict(features, into.outputTokens)
  }

  return {
    id,
    name: contents.name,
    createdAt: contents.createdAt,
    models,
    methods: trained,
    featurizer,
    meanCost: contents.meanCost,
    operatingPoints: contents.operatingPoints,
    clusters: contents.clusters,
    datasetHash: contents.datasetHash,
    signed,
    prediction: () => ({
      features: new Float32Array(featurizer.dims),
      quality: new Float32Array(models.length),
      variance: new Float32Array(models.length),
      outputTokens: new Float32Array(models.length),
      familiarity: 1,
      cluster: 0,
    }),
    predict,
  }
}
