import { type FitOptions, type FittedModel, fitModel } from './fit-model.ts'
import { predictRows, type RowPredictions } from './predict-rows.ts'
import type { TrainingRows } from './training-rows.ts'

/** One stage of training, independent of the others: a fold's predictions, or the model of all rows. */
export type Task = { readonly kind: 'fold'; readonly fold: number } | { readonly kind: 'final' }

export type TaskResult =
  | { readonly kind: 'fold'; readonly fold: number; readonly predictions: RowPredictions }
  | { readonly kind: 'final'; readonly model: FittedModel }

export const taskName = (task: Task): string => (task.kind === 'fold' ? `fold ${task.fold + 1}` : 'final model')

/** What every task of a training needs; sent to a worker once. */
export interface TaskInput {
  readonly rows: TrainingRows
  readonly foldOf: Uint8Array
  readonly fit: FitOptions
}

export function runTask(input: TaskInput, task: Task, step: (name: string) => void): TaskResult {
  const { rows, foldOf, fit } = input
  const all = Uint32Array.from(foldOf.keys())
  if (task.kind === 'final') return { kind: 'final', model: fitModel(rows, all, fit, step) }
  const { fold } = task
  const model = fitModel(
    rows,
    all.filter(row => foldOf[row] !== fold),
    fit,
    step,
  )
  step('predictions')
  return { kind: 'fold', fold, predictions: predictRows(model, rows, rowsOfFold(foldOf, fold)) }
}

export const rowsOfFold = (foldOf: Uint8Array, fold: number): Uint32Array =>
  Uint32Array.from(foldOf.keys()).filter(row => foldOf[row] === fold)
