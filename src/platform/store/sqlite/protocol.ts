/** What the event loop and the thread that owns a SQLite connection say to each other. */

export interface ThreadSettings {
  /** `:memory:` or a file. */
  readonly path: string
  /** A connection for selects beside the one that writes. */
  readonly readOnly: boolean
  readonly busyTimeoutMs: number
}

export interface Statement {
  readonly id: number
  readonly sql: string
  readonly parameters: readonly (string | number | null)[]
}

export type Answer =
  | {
      readonly id: number
      /** Names of the columns; empty for a statement that returns no rows. */
      readonly columns: readonly string[]
      readonly rows: readonly (readonly unknown[])[]
      /** Rows changed; undefined for a statement that returns rows. */
      readonly changes: number | undefined
    }
  | { readonly id: number; readonly error: ThreadError }

export interface ThreadError {
  readonly message: string
  /** SQLite's extended result code; undefined when the error is not SQLite's. */
  readonly errcode: number | undefined
}

/** First message of a thread: open, or why not. */
export type Opened = { readonly opened: true } | { readonly opened: false; readonly error: ThreadError }

/** Last message to a thread: close the connection and end. */
export const closeThread = 'close'
