import { createHash } from 'node:crypto'
import type { Clock } from '../../platform/clock.ts'
import type { RouterCaptureRow } from '../../platform/store/learning-tables.ts'
import { type Store, StoreUnavailable } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { CapturedText, DecidedCall } from '../rollout/port.ts'
import { redactText } from './redact.ts'

export interface CaptureSettings {
  /** Characters kept of one text. Default 16,000. */
  readonly maxCharacters?: number
  /** Rows kept at most; the oldest go first. Default 200,000. */
  readonly maxRows?: number
  /** Milliseconds. Default 30 days. */
  readonly keepFor?: number
}

export interface CapturesOptions extends CaptureSettings {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
}

interface Offered {
  readonly call: Pick<DecidedCall, 'recordId' | 'token' | 'teamId' | 'at'>
  readonly text: CapturedText
}

/** Texts waiting for the store: they are large, and none is worth memory. */
const maxQueued = 500
const interval = 500
const batch = 50

/**
 * Share of a caller's calls whose text may be kept: `metadata.routeiq_capture` of its key, else of its team, as a number
 * 0..1, `true`, or `{ sample: 0.1 }`. Anything else is no consent.
 */
export function captureShare(metadata: Readonly<Record<string, unknown>>): number {
  const value = metadata['routeiq_capture']
  if (value === undefined || value === null || value === false) return 0
  if (value === true) return 1
  const share =
    typeof value === 'object' && !Array.isArray(value) ? (value as { readonly sample?: unknown }).sample : value
  return typeof share === 'number' && share > 0 ? Math.min(1, share) : 0
}

/** By the id of the call, so that every process and every retry decides alike. */
export function sampled(recordId: string, share: number): boolean {
  if (share >= 1) return true
  if (!(share > 0)) return false
  return createHash('sha256').update(recordId).digest().readUInt32BE(0) / 2 ** 32 < share
}

/**
 * Text of calls whose key or team agreed to it, and of no other: the only place of the loop that holds words of a caller.
 * Cleaned within a turn of the event loop, kept in a table of its own, with an end.
 */
export class Captures {
  readonly #options: Required<CapturesOptions>
  /** Of calls that just ended, as they were. */
  #uncleaned: Offered[] = []
  #queue: RouterCaptureRow[] = []
  #cleaning = false
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined
  #closed = false
  dropped = 0
  written = 0

  constructor(options: CapturesOptions) {
    this.#options = { maxCharacters: 16_000, maxRows: 200_000, keepFor: 30 * 86_400_000, ...options }
  }

  offer(call: Offered['call'], share: number, text: CapturedText): void {
    if (this.#closed || !sampled(call.recordId, share)) return
    if (this.#uncleaned.length + this.#queue.length >= maxQueued) {
      if (this.#queue.shift() === undefined) this.#uncleaned.shift()
      this.dropped++
    }
    this.#uncleaned.push({ call, text })
    this.#cleanSoon()
  }

  /** One text in a turn of the event loop, after the answer went out: each takes some 50 µs that no call shall wait for. */
  #cleanSoon(): void {
    if (this.#cleaning) return
    this.#cleaning = true
    setImmediate(() => {
      this.#cleaning = false
      this.#cleanNext()
      if (this.#uncleaned.length > 0) this.#cleanSoon()
    })
  }

  #cleanNext(): void {
    const next = this.#uncleaned.shift()
    if (next === undefined) return
    const { call, text } = next
    const { maxCharacters, keepFor, clock } = this.#options
    this.#queue.push({
      id: call.recordId,
      at: Math.floor(call.at),
      token: call.token,
      team_id: call.teamId ?? null,
      prompt: redactText(text.prompt, maxCharacters),
      system: redactText(text.system, maxCharacters),
      response: text.response === undefined ? null : redactText(text.response, maxCharacters),
      expires_at: Math.floor(clock.epoch() + keepFor),
    })
    this.#plan()
  }

  flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#flushing?.catch(() => undefined)
    await this.flush().catch(() => undefined)
  }

  /** Deletes what is over its time, and the oldest of too many. @returns rows removed */
  async expire(): Promise<number> {
    const { store, clock, maxRows } = this.#options
    const over = await store.db
      .deleteFrom('router_captures')
      .where('expires_at', '<', Math.floor(clock.epoch()))
      .executeTakeFirst()
    let removed = Number(over.numDeletedRows)
    const edge = await store.db
      .selectFrom('router_captures')
      .select('at')
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .offset(maxRows)
      .limit(1)
      .executeTakeFirst()
    if (edge !== undefined) {
      const old = await store.db.deleteFrom('router_captures').where('at', '<=', edge.at).executeTakeFirst()
      removed += Number(old.numDeletedRows)
    }
    return removed
  }

  async #write(): Promise<void> {
    while (this.#uncleaned.length > 0) this.#cleanNext()
    while (this.#queue.length > 0) {
      const rows = this.#queue.splice(0, batch)
      try {
        await this.#options.store.db
          .insertInto('router_captures')
          .values(rows)
          .onConflict(conflict => conflict.column('id').doNothing())
          .execute()
        this.written += rows.length
      } catch (error) {
        if (error instanceof StoreUnavailable) this.#queue = [...rows, ...this.#queue].slice(-maxQueued)
        else this.dropped += rows.length
        throw error
      }
    }
  }

  #plan(): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flush().catch((error: unknown) => {
        // The rows are not in the message: an error of the store may quote what it was given.
        const name = error instanceof Error ? error.name : 'unknown error'
        if (!(error instanceof StoreUnavailable)) this.#options.log.error({ error: name }, 'captured text was not kept')
        if (this.#queue.length > 0) this.#plan()
      })
    }, interval)
    this.#timer.unref()
  }
}
