/** What a look at the directory found; sizes are those of a moment, so the writer keeps its own account of its own files. */
export interface Listing {
  /** Bytes of files that other instances wrote. */
  readonly others: number
  /** Names of the files this instance wrote. */
  readonly own: readonly string[]
  /** When the look began, `monotonicMs`. */
  readonly at: number
}

/** One clock for all threads of a process: `performance.now()` starts anew in each. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000
