import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { packContainer, unpackContainer } from '../artifact/container.ts'
import { modelArrays, modelHeader, modelSchema, readModel } from '../artifact/model-sections.ts'
import { featureVersion } from '../features/featurizer.ts'
import { methods } from '../predictor.ts'
import type { TypedArray } from '../predictors/part.ts'
import type { RowPredictions } from './predict-rows.ts'
import { type Task, type TaskInput, type TaskResult, taskName } from './task.ts'

/** Raised when a method would be fitted otherwise: stages kept by an older release are then computed again. */
const recipeVersion = 1

/** Finished stages of a training, in a folder: a training that was stopped goes on from them. */
export interface Checkpoints {
  /** Undefined: not there, of another training, or broken; compute it. */
  read(task: Task): Promise<TaskResult | undefined>
  write(result: TaskResult): Promise<void>
}

export const noCheckpoints: Checkpoints = { read: async () => undefined, write: async () => {} }

/** What identifies a training: the same key gives the same stages, to the byte. */
export function trainingKey(datasetHash: string, { rows, foldOf, fit }: TaskInput): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify({ recipeVersion, featureVersion, datasetHash, fit }))
  for (const array of [foldOf, rows.quality, rows.weight, rows.logTokens]) hash.update(array)
  for (const prompt of rows.prompts) hash.update(JSON.stringify(prompt))
  return hash.digest('hex')
}

export function createCheckpoints(folder: string, key: string): Checkpoints {
  const fileOf = (task: Task): string => join(folder, `${taskName(task).replace(' ', '-')}.checkpoint`)
  return {
    async read(task) {
      try {
        const { contents, arrays } = unpackContainer(await readFile(fileOf(task)))
        const header = headerSchema.parse(contents)
        return header.key === key ? toResult(header, arrays) : undefined
      } catch {
        return undefined
      }
    },
    async write(result) {
      await mkdir(folder, { recursive: true })
      const file = fileOf(result)
      const { header, arrays } = fromResult(result, key)
      await writeFile(`${file}.new`, packContainer(header, arrays))
      await rename(`${file}.new`, file)
    },
  }
}

const headerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ key: z.string(), kind: z.literal('fold'), fold: z.int() }),
  z.strictObject({ key: z.string(), kind: z.literal('final'), model: modelSchema }),
])
type Header = z.infer<typeof headerSchema>

function fromResult(result: TaskResult, key: string): { header: Header; arrays: Map<string, TypedArray> } {
  if (result.kind === 'final') {
    const { model } = result
    return { header: { key, kind: 'final', model: modelHeader(model) }, arrays: modelArrays(model) }
  }
  const { quality, outputTokens, closeness } = result.predictions
  const arrays = new Map<string, TypedArray>(
    Object.entries(quality).map(([method, values]) => [`quality/${method}`, values]),
  )
  arrays.set('outputTokens', outputTokens).set('closeness', closeness)
  return { header: { key, kind: 'fold', fold: result.fold }, arrays }
}

function toResult(header: Header, arrays: ReadonlyMap<string, TypedArray>): TaskResult {
  if (header.kind === 'final') return { kind: 'final', model: readModel(header.model, arrays) }
  const quality: RowPredictions['quality'] = {}
  for (const method of methods) {
    const values = arrays.get(`quality/${method}`)
    if (values instanceof Float32Array) quality[method] = values
  }
  const predictions = {
    quality,
    outputTokens: floatsIn(arrays, 'outputTokens'),
    closeness: floatsIn(arrays, 'closeness'),
  }
  return { kind: 'fold', fold: header.fold, predictions }
}

function floatsIn(arrays: ReadonlyMap<string, TypedArray>, name: string): Float32Array {
  const array = arrays.get(name)
  if (!(array instanceof Float32Array)) throw new Error(`${name} is missing`)
  return array
}
