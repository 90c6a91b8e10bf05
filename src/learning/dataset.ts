import type { PromptShape } from './prompt.ts'

/** A model as data and artifacts know it. Prices are US dollars per token. */
export interface ModelFacts {
  /** As the data name it; matched to deployments by name (see `pipeline/routing/learned`). */
  readonly id: string
  readonly inputPrice: number
  readonly outputPrice: number
}

/**
 * One prompt and what came of it. Arrays follow the order of `Dataset.models`; NaN where the model was not tried or the
 * number is not known.
 */
export interface Row {
  readonly id: string
  readonly text: string
  readonly system?: string
  readonly shape?: PromptShape
  /** Rows of one group (stem, template, session) fall on one side of every split. Default: made from the text. */
  readonly group?: string
  /** For tables of the report; never a feature. */
  readonly task?: string
  /** 0..1. */
  readonly quality: Float64Array
  /** US dollars of this one call. */
  readonly cost: Float64Array
  readonly inputTokens: number
  readonly outputTokens: Float64Array
  /** Milliseconds. */
  readonly latency: Float64Array
  /** How far the labels are trusted, per model, 0..1; undefined: 1. */
  readonly weight?: Float64Array
  /**
   * How probable it was, per model, that its outcome would be seen, 0..1; NaN where it was not. Logged calls have it, and
   * their rows have gaps; undefined: as probable as in the other rows.
   */
  readonly propensity?: Float64Array
  /** Epoch ms. */
  readonly at?: number
}

export interface Dataset {
  readonly name: string
  readonly models: readonly ModelFacts[]
  readonly rows: readonly Row[]
  /** sha256 (hex) of the content that labels and texts came from: the first link of the lineage. */
  readonly hash: string
}
