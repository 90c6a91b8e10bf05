import { readArtifact } from '../../learning/artifact/artifact.ts'
import { DatasetError } from '../../learning/dataset/problems.ts'
import type { Dataset } from '../../learning/dataset.ts'
import { defaultKey } from '../../learning/evaluation/folds.ts'
import type { Method, TrainedRouter } from '../../learning/predictor.ts'
import { train } from '../../learning/training/train.ts'
import { wholeNumber } from './misuse.ts'

/** Options of every command that trains. */
export const trainerOptions = {
  seed: { type: 'string' },
  threads: { type: 'string' },
} as const

export const trainerUsage = `Training:
  --seed <number>          same data, options and seed: same artifact (default 1)
  --threads <number>       worker threads, 0 for none (default: one per core, at most 6)
`

export interface TrainerSettings {
  readonly seed: number
  readonly threads: number | undefined
}

export const trainerSettings = (values: { readonly seed?: string; readonly threads?: string }): TrainerSettings => ({
  seed: wholeNumber('seed', values.seed, 1, 0, 4_294_967_295),
  threads: values.threads === undefined ? undefined : wholeNumber('threads', values.threads, 0, 0, 64),
})

export interface Trained {
  readonly artifact: Uint8Array
  readonly router: TrainedRouter
}

export type Trainer = (dataset: Dataset, onProgress?: (share: number, doing: string) => void) => Promise<Trained>

/** Training as every command does it; what is scored is what would be deployed: the artifact, written and read back. */
export function trainer(
  settings: TrainerSettings & {
    readonly methods: readonly Method[]
    readonly name?: string
    readonly folds?: number
    readonly checkpoints?: string
  },
): Trainer {
  const { seed, threads, methods, name, folds, checkpoints } = settings
  return async (dataset, onProgress) => {
    const { artifact } = await train(dataset, {
      name: name ?? dataset.name,
      methods,
      seed,
      foldRule: defaultKey(dataset.rows),
      ...(threads !== undefined && { threads }),
      ...(folds !== undefined && { folds }),
      ...(checkpoints !== undefined && { checkpoints }),
      ...(onProgress !== undefined && { onProgress: ({ share, stage }) => onProgress(share, stage) }),
    })
    const router = readArtifact(artifact)
    const missing = methods.filter(method => !router.methods.includes(method))
    if (missing.length > 0)
      throw new DatasetError(
        `${missing.join(', ')} cannot be learned from ${dataset.name} (${dataset.rows.length} prompts)`,
      )
    return { artifact, router }
  }
}
