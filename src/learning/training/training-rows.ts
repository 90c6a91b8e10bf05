import type { Dataset } from '../dataset.ts'
import type { Prompt } from '../prompt.ts'
import { plainShape } from '../prompt.ts'

/** A data set as arrays: what training reads, and what its worker threads are sent. NaN where a number is not known. */
export interface TrainingRows {
  readonly prompts: readonly Prompt[]
  readonly models: number
  /** rows × models, as all below. */
  readonly quality: Float32Array
  /** 0 where there is no label. */
  readonly weight: Float32Array
  /** Natural logarithm of output tokens. */
  readonly logTokens: Float32Array
}

export function trainingRows(dataset: Dataset): TrainingRows {
  const { rows, models } = dataset
  const size = rows.length * models.length
  const quality = new Float32Array(size).fill(Number.NaN)
  const weight = new Float32Array(size)
  const logTokens = new Float32Array(size).fill(Number.NaN)
  for (const [index, row] of rows.entries()) {
    for (const [model, facts] of models.entries()) {
      const at = index * models.length + model
      const value = row.quality[model] ?? Number.NaN
      const trust = row.weight?.[model] ?? 1
      if (Number.isFinite(value) && trust > 0) {
        quality[at] = Math.max(0, Math.min(1, value))
        weight[at] = trust
      }
      const tokens = outputTokens(row.outputTokens[model], row.cost[model], row.inputTokens, facts)
      if (tokens !== undefined) logTokens[at] = Math.log(Math.max(1, tokens))
    }
  }
  const prompts = rows.map(row => ({ text: row.text, system: row.system ?? '', shape: row.shape ?? plainShape }))
  return { prompts, models: models.length, quality, weight, logTokens }
}

/** As counted, else what the price of the call says they must have been. */
function outputTokens(
  counted: number | undefined,
  cost: number | undefined,
  inputTokens: number,
  prices: { readonly inputPrice: number; readonly outputPrice: number },
): number | undefined {
  if (counted !== undefined && Number.isFinite(counted)) return counted
  if (cost === undefined || !Number.isFinite(cost) || prices.outputPrice <= 0) return undefined
  const rest = (cost - inputTokens * prices.inputPrice) / prices.outputPrice
  return rest > 0 ? rest : undefined
}

/** Features and labels of some rows: what a method is fitted to. */
export interface Problem {
  readonly rows: number
  readonly dims: number
  readonly models: number
  /** rows × dims */
  readonly features: Float32Array
  /** rows × models; NaN: not tried. */
  readonly quality: Float32Array
  readonly weight: Float32Array
  /** Per model: weighted mean of its labels; of a model without any, the mean of all. */
  readonly means: Float32Array
  /** Per model: labelled rows. */
  readonly labels: Uint32Array
  readonly seed: number
}

export function labelMeans(
  quality: Float32Array,
  weight: Float32Array,
  models: number,
): { means: Float32Array; labels: Uint32Array } {
  const sums = new Float64Array(models)
  const weights = new Float64Array(models)
  const labels = new Uint32Array(models)
  for (let at = 0; at < quality.length; at++) {
    const trust = weight[at] as number
    if (trust === 0) continue
    const model = at % models
    sums[model] = (sums[model] as number) + trust * (quality[at] as number)
    weights[model] = (weights[model] as number) + trust
    labels[model] = (labels[model] as number) + 1
  }
  const total = weights.reduce((sum, value) => sum + value, 0)
  const overall = total > 0 ? sums.reduce((sum, value) => sum + value, 0) / total : 0.5
  const means = Float32Array.from(sums, (sum, model) => {
    const weighed = weights[model] as number
    return weighed > 0 ? sum / weighed : overall
  })
  return { means, labels }
}
