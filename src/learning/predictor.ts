import type { ModelFacts } from './dataset.ts'
import type { Prompt } from './prompt.ts'

/**
 * How quality is predicted from the features of a prompt.
 * `average` is the mean of ridge, KNN, k-means tables and trees (these twice), calibrated: the recommended one (`routeiq-auto`).
 */
export const methods = [
  'average',
  'ridge',
  'knn',
  'tables',
  'trees',
  'svm',
  'rbf-svm',
  'logistic',
  'mlp',
  'mf',
  'elo',
] as const
export type Method = (typeof methods)[number]

/** Features of one prompt, in one vector: projected words, surface, request. */
export interface Featurizer {
  /** sha256 (hex) of everything the vector depends on. */
  readonly id: string
  readonly dims: number
  /** Microseconds; the work is capped whatever the prompt's length. */
  features(prompt: Prompt, into: Float32Array): void
}

/** Quality per model from features. Loaded from an artifact; holds no state of a call. */
export interface Predictor {
  readonly method: Method
  /** @param quality 0..1 per model @param variance of that estimate, per model */
  predict(features: Float32Array, quality: Float32Array, variance: Float32Array): void
}

/** What an artifact says about one prompt. Reused from call to call: copy what must stay. */
export interface Prediction {
  readonly features: Float32Array
  /** Per model, 0..1, calibrated and, by `familiarity`, shrunk to the model's mean. */
  readonly quality: Float32Array
  readonly variance: Float32Array
  /** Expected output tokens per model. */
  readonly outputTokens: Float32Array
  /** 0 (nothing like it in training) to 1. */
  familiarity: number
  /** Nearest cell of the finest table, for explanations and online learning. */
  cluster: number
}

export interface ArtifactModel extends ModelFacts {
  /** Labelled rows. */
  readonly labels: number
  readonly meanQuality: number
  /** Milliseconds per call in training data; undefined where they do not say. */
  readonly meanLatency: number | undefined
}

/** A trained router, loaded. Immutable. */
export interface TrainedRouter {
  /** sha256 (hex) of the artifact. */
  readonly id: string
  readonly name: string
  /** Epoch ms. */
  readonly createdAt: number
  readonly models: readonly ArtifactModel[]
  /** Those trained, `average` included where its parts are. */
  readonly methods: readonly Method[]
  readonly featurizer: Featurizer
  /** US dollars per call: mean over all query and model pairs in training; the unit of λ. */
  readonly meanCost: number
  /** Measured on out-of-fold predictions, for targets: λ rising, mean cost falling. */
  readonly operatingPoints: readonly OperatingPoint[]
  /** Of clusters: size, and a few words of typical prompts' vocabulary (never a prompt). */
  readonly clusters: readonly { readonly size: number; readonly about: string }[]
  readonly datasetHash: string
  readonly signed: boolean
  prediction(): Prediction
  /** @throws RangeError for a method that is not in `methods` */
  predict(prompt: Prompt, method: Method, into: Prediction): void
}

export interface OperatingPoint {
  readonly method: Method
  readonly lambda: number
  /** Mean over training rows, out of fold. */
  readonly quality: number
  /** US dollars per call. */
  readonly cost: number
  /** Share of calls per model. */
  readonly shares: readonly number[]
}
