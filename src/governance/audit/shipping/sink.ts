import type { Checkpoint } from '../checkpoint.ts'
import type { AuditRecord } from '../record.ts'

/** Records of `(after, last]`, in order. The same batch is sent again, with the same bounds, until it is confirmed. */
export interface Batch {
  readonly first: number
  readonly last: number
  /** Never empty. */
  readonly records: readonly AuditRecord[]
  /** Records joined as NDJSON. */
  readonly ndjson: string
}

/** When a batch is full, and how long one that is not waits for more records. */
export interface BatchLimits {
  readonly records: number
  readonly bytes: number
  /** Milliseconds. */
  readonly wait: number
}

/** A place outside the gateway that keeps a copy of the audit log. */
export interface AuditSink {
  /** Names the cursor: another name starts from the beginning. */
  readonly name: string
  /** Where it is, for logs; no credentials. */
  readonly description: string
  readonly limits: BatchLimits
  /** Resolves when the far side has confirmed that it keeps the batch. */
  send(batch: Batch, signal: AbortSignal): Promise<void>
  /** The same for a checkpoint. */
  sendCheckpoint(checkpoint: Checkpoint, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Milliseconds for one HTTP request: less than a batch has in all, so that the sink's own words tell what took long. */
export const requestTimeout = 25_000

/** A sink said no. The message names status and reason, never a credential. */
export class SinkRefused extends Error {
  override readonly name = 'SinkRefused'
}
