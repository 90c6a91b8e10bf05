import type { Row } from '../dataset.ts'
import type { Method, TrainedRouter } from '../predictor.ts'
import { promptOf } from '../prompt.ts'
import type { Predictions } from './curve.ts'

/** Predictions of several methods for the rows of one table, filled in fold by fold. */
export class PredictionTable {
  readonly models: readonly string[]
  readonly methods: readonly Method[]
  readonly byMethod: ReadonlyMap<Method, Predictions>
  /** Of the first method: features, prediction and choice of one prompt. */
  readonly microseconds: number[] = []

  constructor(models: readonly string[], methods: readonly Method[], rows: number) {
    this.models = models
    this.methods = methods
    const cells = rows * models.length
    const empty = (): Predictions => ({
      quality: new Float64Array(cells).fill(Number.NaN),
      cost: new Float64Array(cells),
      unit: new Float64Array(rows).fill(1),
    })
    this.byMethod = new Map(methods.map(method => [method, empty()]))
  }

  /** Asks a router about rows it was not trained on. @param at their numbers in the table */
  fill(router: TrainedRouter, rows: readonly Row[], at: readonly number[]): void {
    const columns = router.models.map(model => this.models.indexOf(model.id))
    const prediction = router.prediction()
    this.methods.forEach((method, order) => {
      const into = this.byMethod.get(method)
      if (into === undefined) return
      rows.forEach((row, index) => {
        const number = at[index] ?? 0
        const prompt =
          row.shape === undefined
            ? promptOf(row.text, row.system)
            : { ...promptOf(row.text, row.system), shape: row.shape }
        const start = process.hrtime.bigint()
        router.predict(prompt, method, prediction)
        into.unit[number] = router.meanCost > 0 ? router.meanCost : 1
        columns.forEach((column, model) => {
          const facts = router.models[model]
          if (column < 0 || facts === undefined) return
          const cell = number * this.models.length + column
          into.quality[cell] = prediction.quality[model] ?? Number.NaN
          into.cost[cell] =
            facts.inputPrice * row.inputTokens + facts.outputPrice * (prediction.outputTokens[model] ?? 0)
        })
        if (order === 0) this.microseconds.push(Number(process.hrtime.bigint() - start) / 1000)
      })
    })
  }
}
