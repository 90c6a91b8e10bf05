import { createHash } from 'node:crypto'
import type { Dataset, Row } from '../dataset.ts'
import type { Method, TrainedRouter } from '../predictor.ts'
import { choose, outcomeOf, type Predictions } from './curve.ts'
import { foldsOf } from './folds.ts'
import { bestSingle, columnMeans, type Outcomes, outcomesOf } from './outcomes.ts'
import { PredictionTable } from './predict-rows.ts'
import { type EvaluationReport, report, type UnseenTask } from './report.ts'
import { fillTaskTable } from './task-table.ts'

/** Trains a router on rows it is given and no others. */
export type Train = (dataset: Dataset) => Promise<TrainedRouter>

export interface EvaluateOptions {
  /** The recommended one first. */
  readonly methods: readonly Method[]
  readonly seed: number
  /** Bootstrap resamples. */
  readonly resamples: number
  /** Of the report. */
  readonly now: Date
  readonly onProgress?: (done: number, of: number, doing: string) => void
}

export interface CrossValidation extends EvaluateOptions {
  readonly folds: number
  readonly by?: 'group' | 'id'
  /** Trains once more per task: what happens to prompts of a kind never seen. */
  readonly unseenTasks?: boolean
}

/** Scores a trained router on rows of another file. @param training what it was trained on, where that is known */
export function evaluateRouter(
  router: TrainedRouter,
  test: Dataset,
  training: Dataset | undefined,
  options: EvaluateOptions,
): EvaluationReport {
  const outcomes = outcomesOf(test)
  const table = new PredictionTable(outcomes.models, options.methods, outcomes.rows.length)
  const at = outcomes.rows.map((_, row) => row)
  table.fill(router, outcomes.rows, at)
  let taskTable: Predictions | undefined
  if (training !== undefined && hasTasks(training.rows) && hasTasks(outcomes.rows)) {
    taskTable = emptyPredictions(outcomes)
    fillTaskTable(taskTable, outcomes.models.length, aligned(training, outcomes.models), outcomes.rows, at)
  }
  return report({
    outcomes,
    predictions: table.byMethod,
    taskTable,
    microseconds: table.microseconds,
    resamples: options.resamples,
    facts: {
      split: training === undefined ? 'artifact' : 'test file',
      folds: undefined,
      seed: options.seed,
      createdAt: options.now.toISOString(),
      datasetHash: test.hash,
      trainingHash: router.datasetHash,
      unseenTasks: undefined,
    },
  })
}

/** Every row is scored by a router trained without its fold: what to expect of one trained on all of them. */
export async function crossValidate(
  dataset: Dataset,
  train: Train,
  options: CrossValidation,
): Promise<EvaluationReport> {
  const outcomes = outcomesOf(dataset)
  // Rows with gaps cannot be scored but are learned from: they have folds like the rest, or they would leak.
  const all = foldsOf(dataset.rows, options.folds, options.by)
  const foldOf = new Map(dataset.rows.map((row, at) => [row, all[at]]))
  const table = new PredictionTable(outcomes.models, options.methods, outcomes.rows.length)
  const taskTable = hasTasks(outcomes.rows) ? emptyPredictions(outcomes) : undefined
  const tasks = options.unseenTasks === true ? taskGroups(outcomes.rows) : []
  const steps = options.folds + tasks.length
  for (let fold = 0; fold < options.folds; fold++) {
    options.onProgress?.(fold, steps, `fold ${fold + 1} of ${options.folds}`)
    const { inside, at } = divide(outcomes.rows, row => foldOf.get(row) === fold)
    if (inside.length === 0) continue
    const training = part(
      dataset,
      dataset.rows.filter(row => foldOf.get(row) !== fold),
      `fold ${fold}`,
    )
    table.fill(await train(training), inside, at)
    if (taskTable !== undefined) fillTaskTable(taskTable, outcomes.models.length, training.rows, inside, at)
  }
  const unseenTasks: UnseenTask[] = []
  for (const [index, task] of tasks.entries()) {
    options.onProgress?.(options.folds + index, steps, `without ${task.name}`)
    unseenTasks.push(await unseen(dataset, outcomes, task, train, options.methods))
  }
  options.onProgress?.(steps, steps, 'scoring')
  return report({
    outcomes,
    predictions: table.byMethod,
    taskTable,
    microseconds: table.microseconds,
    resamples: options.resamples,
    facts: {
      split: 'cross-validation',
      folds: options.folds,
      seed: options.seed,
      createdAt: options.now.toISOString(),
      datasetHash: dataset.hash,
      trainingHash: dataset.hash,
      unseenTasks: options.unseenTasks === true ? unseenTasks : undefined,
    },
  })
}

/** More tasks than this are left out several at a time. */
const mostTrainings = 15

interface TaskGroup {
  readonly name: string
  readonly tasks: ReadonlySet<string>
}

function taskGroups(rows: readonly Row[]): TaskGroup[] {
  const counts = new Map<string, number>()
  for (const { task } of rows) if (task !== undefined) counts.set(task, (counts.get(task) ?? 0) + 1)
  const names = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([task]) => task)
  if (names.length < 2) return []
  const groups = Array.from({ length: Math.min(mostTrainings, names.length) }, (): string[] => [])
  names.forEach((task, index) => {
    groups[index % groups.length]?.push(task)
  })
  return groups.map(tasks => ({
    name: tasks.length === 1 ? (tasks[0] ?? '') : `${tasks[0]} and ${tasks.length - 1} more`,
    tasks: new Set(tasks),
  }))
}

async function unseen(
  dataset: Dataset,
  outcomes: Outcomes,
  { name, tasks }: TaskGroup,
  train: Train,
  methods: readonly Method[],
): Promise<UnseenTask> {
  const { inside, outside } = divide(outcomes.rows, row => tasks.has(row.task ?? ''))
  const router = await train(part(dataset, outside, name))
  const own = outcomesOf({ ...dataset, rows: inside })
  const known = outcomesOf({ ...dataset, rows: outside })
  const width = outcomes.models.length
  const table = new PredictionTable(outcomes.models, methods.slice(0, 1), inside.length)
  table.fill(
    router,
    inside,
    inside.map((_, row) => row),
  )
  const [predictions] = table.byMethod.values()
  const best = bestSingle(columnMeans(known.quality, width), columnMeans(known.cost, width))
  return {
    task: name,
    rows: inside.length,
    quality: predictions === undefined ? Number.NaN : outcomeOf(own, choose(predictions, width, 0)).quality,
    bestByTraining: columnMeans(own.quality, width)[best] ?? Number.NaN,
  }
}

function divide(rows: readonly Row[], isInside: (row: Row) => boolean) {
  const [inside, outside, at]: [Row[], Row[], number[]] = [[], [], []]
  rows.forEach((row, number) => {
    if (isInside(row)) {
      inside.push(row)
      at.push(number)
    } else outside.push(row)
  })
  return { inside, outside, at }
}

/** A part of a dataset has a lineage of its own. */
const part = (dataset: Dataset, rows: readonly Row[], name: string): Dataset => ({
  ...dataset,
  rows,
  hash: createHash('sha256').update(`${dataset.hash}|${name}`).digest('hex'),
})

const hasTasks = (rows: readonly Row[]): boolean => rows.some(({ task }) => task !== undefined)

const emptyPredictions = (outcomes: Outcomes): Predictions => ({
  quality: new Float64Array(outcomes.quality.length).fill(Number.NaN),
  cost: new Float64Array(outcomes.cost.length),
  unit: new Float64Array(outcomes.rows.length).fill(1),
})

/** Rows of a training set in the test set's order of models. */
function aligned(training: Dataset, models: readonly string[]): Row[] {
  const order = models.map(model => training.models.findIndex(({ id }) => id === model))
  const pick = (values: Float64Array): Float64Array => Float64Array.from(order, at => values[at] ?? Number.NaN)
  return training.rows.map(row => ({ ...row, quality: pick(row.quality), cost: pick(row.cost) }))
}
