import type { Listing } from '../journal/listing.ts'
import type { Progress } from './backlog.ts'

/** What the serving thread and the thread that ships say to each other. */

export interface ThreadSettings {
  readonly directory: string
  readonly instance: string
  readonly interval: number
  readonly batchSize: number
  readonly segmentAge: number
  readonly maxBytes: number
  readonly store: StorePlace
}

/** How to reach the store once more: secrets are plain here, and go nowhere but to the thread. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly path: string; readonly busyTimeoutMs: number }
  | { readonly kind: 'postgres'; readonly url: string; readonly timeouts: PostgresTimeouts }

export interface PostgresTimeouts {
  readonly connectTimeoutMs: number | undefined
  readonly statementTimeoutMs: number | undefined
  readonly lockTimeoutMs: number | undefined
  readonly socketTimeoutMs: number | undefined
}

/** To the thread. `stop` is the last. */
export type Order =
  | { readonly do: 'flush'; readonly id: number; readonly timeout: number }
  | { readonly do: 'stop'; readonly timeout: number }

/** From the thread. */
export type Report =
  | { readonly what: 'progress'; readonly progress: Progress }
  | { readonly what: 'listing'; readonly listing: Listing }
  | { readonly what: 'flushed'; readonly id: number; readonly complete: boolean }
  | { readonly what: 'stopped' }
  | { readonly what: 'log'; readonly level: LogLevel; readonly fields: object; readonly message: string }

export type LogLevel = 'info' | 'warn' | 'error'
