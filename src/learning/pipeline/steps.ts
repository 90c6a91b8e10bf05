/** What a run hands from step to step; the steps themselves are made where data sets, training and evaluation are at hand. */
export interface PipelineSteps {
  /** Own decisions, feedback and captured text, and whatever labelled data is configured. */
  collect(run: RunContext): Promise<Collected>
  train(run: RunContext, collected: Collected): Promise<Uint8Array>
  /** Held-out rows: is it better than the best single model and than the hull of single models by its noise? */
  evaluate(run: RunContext, collected: Collected, artifact: Uint8Array): Promise<Evaluation>
  /** The run is over, however it ended: what it left behind can go. */
  finished(run: Pick<RunContext, 'id'>): Promise<void>
}

export interface RunContext {
  readonly id: string
  readonly router: string
  readonly settings: PipelineRunSettings
  /** Told of what happens, for the record of the run. */
  progress(text: string): void
  readonly signal: AbortSignal
}

export interface PipelineRunSettings {
  readonly dataset: string | undefined
  readonly minRows: number
  /** Milliseconds. */
  readonly lookback: number
  readonly deploy: 'none' | 'rollout' | 'activate'
}

export interface Collected {
  readonly rows: number
  readonly models: readonly string[]
  readonly datasetHash: string
  /** Whatever the steps need to find it again: never shown. */
  readonly handle: unknown
  /** For the record. */
  readonly sources: Readonly<Record<string, number>>
}

export interface Evaluation {
  readonly passes: boolean
  /** Why it does not pass; empty when it does. */
  readonly reasons: readonly string[]
  /** The numbers, for the record and the artifact. */
  readonly report: Readonly<Record<string, unknown>>
}

/** The run ends without an artifact, and that is no fault: too few rows, or not good enough. */
export class NothingToDeploy extends Error {
  override readonly name = 'NothingToDeploy'
}
