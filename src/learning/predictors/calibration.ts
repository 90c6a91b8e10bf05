import { fact, floats, type Part } from './part.ts'

/**
 * Turns what a method predicts into what then came true on average. Two stretches, one for how hard the prompt is for all
 * models and one for how much they differ on it, because methods exaggerate the two unequally; and an offset per model.
 */
export interface Calibration {
  apply(quality: Float32Array, variance: Float32Array): void
}

export function createCalibration(part: Part, method: string, models: number): Calibration {
  const common = fact(part, `${method}.common`)
  const gap = fact(part, `${method}.gap`)
  /** Mean prediction, and mean quality, per model. */
  const from = floats(part, `${method}.from`, models)
  const to = floats(part, `${method}.to`, models)
  /** How far each model's label count lets it leave its mean, 0..1. */
  const trust = floats(part, `${method}.trust`, models)

  const apply = (quality: Float32Array, variance: Float32Array): void => {
    let shared = 0
    for (let model = 0; model < models; model++)
      shared += ((quality[model] as number) - (from[model] as number)) / models
    for (let model = 0; model < models; model++) {
      const own = (quality[model] as number) - (from[model] as number) - shared
      const value = (to[model] as number) + (trust[model] as number) * (common * shared + gap * own)
      quality[model] = Math.max(0, Math.min(1, value))
      variance[model] = (variance[model] as number) * gap * gap
    }
  }
  return { apply }
}
