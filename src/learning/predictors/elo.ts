import type { Predictor } from '../predictor.ts'
import { BrokenPart, count, floats, type Part } from './part.ts'
import type { Tables } from './tables.ts'

/**
 * Ratings in every cell of the tables, not one ranking for all prompts (which can only ever name one model). A model's
 * score is how often it is expected to win against the others, above or below what the cells give on average: ratings
 * know who is better, and nothing of how hard a prompt is.
 */
export function createElo(part: Part, models: number, cells: Tables): Predictor {
  const { cellCounts } = cells
  const tables = count(part, 'tables', 16)
  if (tables !== cellCounts.length)
    throw new BrokenPart(`${tables} tables of ratings for ${cellCounts.length} of cells`)
  /** Natural logarithm of odds per cell and model. */
  const ratings = cellCounts.map((its, table) => floats(part, `ratings${table}`, its * models))
  const battles = cellCounts.map((its, table) => floats(part, `battles${table}`, its * models))
  const nearest = new Uint16Array(tables)
  const own = new Float64Array(models)

  const predict = (features: Float32Array, quality: Float32Array, variance: Float32Array): void => {
    cells.predict(features, quality, variance)
    let common = 0
    for (let model = 0; model < models; model++) common += (quality[model] as number) / models
    cells.nearestOfEach(features, nearest)
    own.fill(0)
    variance.fill(0)
    for (let table = 0; table < tables; table++) {
      const start = (nearest[table] as number) * models
      for (let model = 0; model < models; model++) {
        own[model] = (own[model] as number) + (ratings[table]?.[start + model] as number) / tables
        variance[model] =
          (variance[model] as number) + 0.25 / ((battles[table]?.[start + model] as number) + 5) / tables
      }
    }
    for (let model = 0; model < models; model++) {
      let wins = 0
      for (let other = 0; other < models; other++) {
        if (other !== model) wins += 1 / (1 + Math.exp((own[other] as number) - (own[model] as number)))
      }
      quality[model] = models > 1 ? common + wins / (models - 1) - 0.5 : common
    }
  }
  return { method: 'elo', predict }
}
