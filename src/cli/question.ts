import type { GivenConfig } from './runtime.ts'

/** What a worker asks its primary. */
export type WorkerQuestion =
  /** The configuration to start with. */
  | { readonly what: 'config' }
  /** The start failed; the text says why. */
  | { readonly what: 'failed'; readonly text: string }
  | FleetQuestion

/** What any worker may be asked by a caller and only all of them together can answer. */
export type FleetQuestion =
  | { readonly what: 'reload' }
  | { readonly what: 'metrics' }
  | { readonly what: 'denials' }
  | { readonly what: 'secrets' }
  | { readonly what: 'artifacts' }
  | { readonly what: 'explain'; readonly id: string; readonly keyHash: string }

/** What the primary asks a worker. */
export type PrimaryQuestion =
  | { readonly what: 'apply'; readonly config: GivenConfig }
  | { readonly what: 'refused'; readonly problems: readonly string[] }
  | { readonly what: 'metrics' }
  | { readonly what: 'denials' }
  | { readonly what: 'secrets' }
  | { readonly what: 'artifacts' }
  | { readonly what: 'explain'; readonly id: string; readonly keyHash: string }

/**
 * A message to a process that has just ended is lost; without a listener the failure would end the sender as well. Who
 * waits for an answer is told by the channel's closing.
 */
export const ignoreLost = (): void => {}

/** Milliseconds one process has to answer another. */
export const patience = 10_000
