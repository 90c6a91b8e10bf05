import type { Method } from '../predictor.ts'
import { createPredictors } from '../predictors/predictors.ts'
import type { FittedModel } from './fit-model.ts'
import type { TrainingRows } from './training-rows.ts'

/** What a model fitted to other rows says of these: in the order of `rows`. */
export interface RowPredictions {
  /** Per method, rows × models, not calibrated. */
  readonly quality: Partial<Record<Method, Float32Array>>
  readonly outputTokens: Float32Array
  /** Mean cosine of the 20 nearest training rows. */
  readonly closeness: Float32Array
}

/** Predicts through the very code that serves calls. */
export function predictRows(model: FittedModel, all: TrainingRows, rows: Uint32Array): RowPredictions {
  const { models } = all
  const { featurizer, neighbours, outputLength, byMethod } = createPredictors(model.features, model.parts, models)
  const quality: Partial<Record<Method, Float32Array>> = {}
  for (const method of byMethod.keys()) quality[method] = new Float32Array(rows.length * models)
  const outputTokens = new Float32Array(rows.length * models)
  const closeness = new Float32Array(rows.length)
  const features = new Float32Array(featurizer.dims)
  const variance = new Float32Array(models)
  for (const [place, row] of rows.entries()) {
    const prompt = all.prompts[row]
    if (prompt === undefined) continue
    featurizer.features(prompt, features)
    for (const [method, predictor] of byMethod) {
      predictor.predict(
        features,
        (quality[method] as Float32Array).subarray(place * models, (place + 1) * models),
        variance,
      )
    }
    neighbours.find(features)
    closeness[place] = neighbours.closeness
    outputLength.predict(features, outputTokens.subarray(place * models, (place + 1) * models))
  }
  return { quality, outputTokens, closeness }
}
