import type { Row } from '../dataset.ts'
import type { Predictions } from './curve.ts'

/**
 * A baseline that is told the task of each prompt, which a gateway is not: per task and model the mean quality and cost
 * of the training rows. What it cannot beat is what topics alone can give.
 */
export function fillTaskTable(
  into: Predictions,
  models: number,
  training: readonly Row[],
  rows: readonly Row[],
  at: readonly number[],
): void {
  const means = new Map<string, Means>()
  const all = new Means(models)
  for (const row of training) {
    all.add(row)
    const task = row.task ?? ''
    let own = means.get(task)
    if (own === undefined) {
      own = new Means(models)
      means.set(task, own)
    }
    own.add(row)
  }
  const unit = all.meanCost()
  rows.forEach((row, index) => {
    const number = at[index] ?? 0
    const table = means.get(row.task ?? '') ?? all
    into.unit[number] = unit
    for (let model = 0; model < models; model++) {
      into.quality[number * models + model] = table.mean('quality', model) ?? all.mean('quality', model) ?? Number.NaN
      into.cost[number * models + model] = table.mean('cost', model) ?? all.mean('cost', model) ?? 0
    }
  })
}

class Means {
  readonly #sums: { readonly quality: Float64Array; readonly cost: Float64Array }
  readonly #counts: { readonly quality: Float64Array; readonly cost: Float64Array }

  constructor(models: number) {
    this.#sums = { quality: new Float64Array(models), cost: new Float64Array(models) }
    this.#counts = { quality: new Float64Array(models), cost: new Float64Array(models) }
  }

  add(row: Row): void {
    for (const field of ['quality', 'cost'] as const)
      row[field].forEach((value, model) => {
        if (Number.isNaN(value)) return
        this.#sums[field][model] = (this.#sums[field][model] ?? 0) + value
        this.#counts[field][model] = (this.#counts[field][model] ?? 0) + 1
      })
  }

  mean(field: 'quality' | 'cost', model: number): number | undefined {
    const count = this.#counts[field][model] ?? 0
    return count === 0 ? undefined : (this.#sums[field][model] ?? 0) / count
  }

  /** Over all pairs of query and model. */
  meanCost(): number {
    const sum = this.#sums.cost.reduce((a, b) => a + b, 0)
    const count = this.#counts.cost.reduce((a, b) => a + b, 0)
    return count === 0 || sum === 0 ? 1 : sum / count
  }
}
