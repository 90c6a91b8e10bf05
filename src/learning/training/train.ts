import { availableParallelism } from 'node:os'
import { writeArtifact } from '../artifact/artifact.ts'
import type { Dataset } from '../dataset.ts'
import { foldsOf } from '../evaluation/folds.ts'
import { type Method, methods, type OperatingPoint } from '../predictor.ts'
import { averaged } from '../predictors/average.ts'
import { assemble, type OutOfFold } from './assemble.ts'
import { createCheckpoints, noCheckpoints, trainingKey } from './checkpoints.ts'
import type { FitOptions, FittedModel } from './fit-model.ts'
import type { RowPredictions } from './predict-rows.ts'
import { runTasks } from './run-tasks.ts'
import type { Task, TaskInput, TaskResult } from './task.ts'
import { trainingRows } from './training-rows.ts'

export interface TrainingOptions {
  readonly name: string
  /** Default: all. Neighbours and tables are always made: familiarity, cells and `average` stand on them. */
  readonly methods?: readonly Method[]
  /** Default 1. The same seed, data and options give the same artifact, but for its date. */
  readonly seed?: number
  /** Default 5, at most the number of rows and 100. */
  readonly folds?: number
  /**
   * What keeps rows in one fold: their group (session, template, question stem), or their id alone, the rule under which
   * figures of published tables were made. Default `group`.
   */
  readonly foldRule?: 'group' | 'id'
  /** Dimensions of the projected words; default 64. */
  readonly components?: number
  /** Weight of surface and request features; default 0.25. */
  readonly columnWeight?: number
  /** Worker threads; default: as many as there are cores, at most 6. 0: in the caller's thread. */
  readonly threads?: number
  /** A folder for finished stages; a training with the same data and options goes on from them. */
  readonly checkpoints?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TrainingProgress) => void
  readonly now?: () => number
}

export interface TrainingProgress {
  /** `fold 3: clusters`, for people. */
  readonly stage: string
  /** 0..1 */
  readonly share: number
}

export interface TrainingResult {
  readonly artifact: Uint8Array
  readonly outOfFold: OutOfFold
  readonly operatingPoints: readonly OperatingPoint[]
}

/** @throws RangeError for data that nothing can be learnt from; the signal's reason when it is given */
export async function train(dataset: Dataset, options: TrainingOptions): Promise<TrainingResult> {
  const rowCount = dataset.rows.length
  if (dataset.models.length === 0) throw new RangeError('the data set names no models')
  if (rowCount < 2) throw new RangeError(`the data set has ${rowCount} rows: at least 2 are needed, 250 to be of use`)
  const folds = Math.max(2, Math.min(options.folds ?? 5, rowCount, 100))
  const input: TaskInput = {
    rows: trainingRows(dataset),
    foldOf: spread(Uint8Array.from(foldsOf(dataset.rows, folds, options.foldRule ?? 'group')), folds),
    fit: fitOptions(options),
  }
  const results = await allTasks(dataset, input, folds, options)
  const predictions = inRowOrder(input, folds, results.predictions)
  const { contents, outOfFold } = assemble(dataset, input, folds, results.model, predictions, {
    name: options.name,
    createdAt: (options.now ?? Date.now)(),
  })
  return { artifact: writeArtifact(contents), outOfFold, operatingPoints: contents.operatingPoints }
}

function fitOptions({
  methods: wanted = methods,
  seed = 1,
  components = 64,
  columnWeight = 0.25,
}: TrainingOptions): FitOptions {
  const parts = wanted.includes('average') ? averaged : []
  return {
    methods: methods.filter(method => wanted.includes(method) || parts.includes(method)),
    seed,
    components,
    columnWeight,
  }
}

/** Where the rule puts all rows into one fold (one template, one session), they are dealt out in turn instead. */
function spread(foldOf: Uint8Array, folds: number): Uint8Array {
  return new Set(foldOf).size > 1 ? foldOf : foldOf.map((_, row) => row % folds)
}

interface TaskResults {
  readonly predictions: ReadonlyMap<number, RowPredictions>
  readonly model: FittedModel
}

async function allTasks(
  dataset: Dataset,
  input: TaskInput,
  folds: number,
  options: TrainingOptions,
): Promise<TaskResults> {
  const { checkpoints: folder, signal, onProgress } = options
  const checkpoints = folder === undefined ? noCheckpoints : createCheckpoints(folder, trainingKey(dataset.hash, input))
  const tasks: Task[] = [
    { kind: 'final' },
    ...Array.from({ length: folds }, (_, fold): Task => ({ kind: 'fold', fold })),
  ]
  const predictions = new Map<number, RowPredictions>()
  const models: FittedModel[] = []
  const keep = (result: TaskResult): void => {
    if (result.kind === 'fold') predictions.set(result.fold, result.predictions)
    else models.push(result.model)
  }
  const open: Task[] = []
  for (const task of tasks) {
    const finished = await checkpoints.read(task)
    if (finished === undefined) open.push(task)
    else keep(finished)
  }
  // Features, vectors, clusters, neighbours and lengths beside the methods; the count need only be about right.
  const stepsOfAll = tasks.length * (input.fit.methods.length + 4)
  let steps = (tasks.length - open.length) * (input.fit.methods.length + 4)
  await runTasks(input, open, {
    threads: options.threads ?? Math.min(6, availableParallelism()),
    signal,
    step: (task, name) => onProgress?.({ stage: `${task}: ${name}`, share: Math.min(0.99, steps++ / stepsOfAll) }),
    async done(result) {
      keep(result)
      await checkpoints.write(result)
    },
  })
  const model = models[0]
  if (model === undefined) throw new Error('the final model was not made')
  onProgress?.({ stage: 'calibration', share: 0.99 })
  return { predictions, model }
}

/** Puts the folds' predictions into the order of the rows. */
function inRowOrder(
  { rows, foldOf }: TaskInput,
  folds: number,
  byFold: ReadonlyMap<number, RowPredictions>,
): RowPredictions {
  const { models } = rows
  const size = foldOf.length * models
  const quality: RowPredictions['quality'] = {}
  const outputTokens = new Float32Array(size)
  const closeness = new Float32Array(foldOf.length)
  const next = new Uint32Array(folds)
  for (const [row, fold] of foldOf.entries()) {
    const from = byFold.get(fold)
    if (from === undefined) continue
    const place = next[fold] as number
    next[fold] = place + 1
    for (const method of methods) {
      const values = from.quality[method]
      if (values === undefined) continue
      const into = quality[method] ?? new Float32Array(size)
      quality[method] = into
      into.set(values.subarray(place * models, (place + 1) * models), row * models)
    }
    outputTokens.set(from.outputTokens.subarray(place * models, (place + 1) * models), row * models)
    closeness[row] = from.closeness[place] as number
  }
  return { quality, outputTokens, closeness }
}
