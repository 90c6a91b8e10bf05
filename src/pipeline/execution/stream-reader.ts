import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { EventSignals, Wire } from '../../providers/wire.ts'
import type { ChatChunk } from '../../translate/openai/types.ts'
import { SseParser } from '../../translate/sse.ts'
import type { ChatStreamDecoder, ChatStreamEncoder } from '../../translate/stream.ts'
import { type TokenUsage, tokenUsageOf } from '../../translate/token-usage.ts'
import { EventRuns, eachEvent } from './event-runs.ts'

/** Turns upstream bytes into the caller's bytes and notes what they mean. */
export interface StreamReader {
  /** @returns bytes ready for the caller, or undefined when none are yet. @throws UpstreamFailure on an error event. */
  push(chunk: Buffer): Buffer | string | undefined
  /**
   * The upstream ended.
   * @param broken its connection broke: half an event that is left is not looked at.
   * @throws UpstreamFailure when it ended too early.
   */
  end(broken?: boolean): Buffer | string | undefined
  /** After a throw: bytes of the events that came before the one that failed. */
  beforeFailure(): Buffer | string | undefined
  /** Real content was seen: from here on an error can no longer become a fallback. */
  readonly content: boolean
  readonly contentFiltered: boolean
  readonly usage: TokenUsage | undefined
}

const interrupted = () =>
  new UpstreamFailure('connection', 'The upstream stream ended before it was complete.', { code: 'stream_interrupted' })

/** Cost in US dollars of a usage, for `usage.cost` in the last chunk; undefined where no price is known. */
export type CostInUsage = (usage: TokenUsage) => number | undefined

/** Bytes of a run to leave out, or to put others in their place. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly replacement: Buffer | undefined
}

/** Same dialect on both sides: bytes pass untouched; only events that may say something are looked into. */
export class RelayReader implements StreamReader {
  readonly #wire: Wire
  readonly #stripUsage: boolean
  readonly #costInUsage: CostInUsage | undefined
  readonly #runs = new EventRuns()
  readonly #signals: EventSignals = {
    usage: undefined,
    failure: undefined,
    contentFiltered: false,
    content: false,
    terminal: false,
    usageOnly: false,
  }
  content = false
  contentFiltered = false
  usage: TokenUsage | undefined
  #terminal = false
  #beforeFailure: Buffer | undefined

  constructor(wire: Wire, stripUsage: boolean, costInUsage?: CostInUsage) {
    this.#wire = wire
    this.#stripUsage = stripUsage
    this.#costInUsage = costInUsage
  }

  push(chunk: Buffer): Buffer | undefined {
    const run = this.#runs.push(chunk)
    return run === undefined ? undefined : this.#read(run)
  }

  end(broken = false): Buffer | undefined {
    const rest = broken ? undefined : this.#runs.rest()
    const out = rest === undefined ? undefined : this.#read(rest)
    if (!this.#terminal) throw interrupted()
    return out
  }

  beforeFailure(): Buffer | undefined {
    return this.#beforeFailure
  }

  #read(run: Buffer): Buffer | undefined {
    // Behind the first content an event that is no JSON is noticed only by its end (see `maySignal`): one that is broken
    // in its middle is relayed, because finding it would mean parsing every event.
    if (this.content && !this.#wire.maySignal(run)) return run
    const signals = this.#signals
    let edits: Edit[] | undefined
    let failure: UpstreamFailure | undefined
    let failedAt = 0
    eachEvent(run, (event, data, start, end) => {
      if (failure !== undefined) return
      signals.usage = this.usage
      signals.failure = undefined
      signals.contentFiltered = false
      signals.content = false
      signals.terminal = false
      signals.usageOnly = false
      this.#wire.readEvent(event, data, signals)
      // An event without usage (the `[DONE]` behind it, for one) takes nothing back.
      const counted = signals.usage !== undefined && signals.usage !== this.usage
      if (counted) this.usage = signals.usage
      if (signals.failure !== undefined) {
        failure = signals.failure
        failedAt = start
        return
      }
      if (signals.content) this.content = true
      if (signals.contentFiltered) this.contentFiltered = true
      if (signals.terminal) this.#terminal = true
      if (signals.usageOnly && this.#stripUsage) {
        edits ??= []
        edits.push({ start, end, replacement: undefined })
      } else if (counted && this.#costInUsage !== undefined && signals.usage !== undefined) {
        edits ??= []
        edits.push({
          start,
          end,
          replacement: withCost(data, this.#costInUsage(signals.usage)) ?? run.subarray(start, end),
        })
      }
    })
    if (failure !== undefined) {
      this.#beforeFailure = edited(run.subarray(0, failedAt), edits ?? [])
      throw failure
    }
    return edits === undefined ? run : edited(run, edits)
  }
}

function edited(run: Buffer, edits: readonly Edit[]): Buffer | undefined {
  const kept: Buffer[] = []
  let from = 0
  for (const { start, end, replacement } of edits) {
    if (start > from) kept.push(run.subarray(from, start))
    if (replacement !== undefined) kept.push(replacement)
    from = end
  }
  if (from < run.length) kept.push(run.subarray(from))
  return kept.length === 0 ? undefined : kept.length === 1 ? kept[0] : Buffer.concat(kept)
}

function withCost(data: string, cost: number | undefined): Buffer | undefined {
  if (cost === undefined) return undefined
  const chunk = JSON.parse(data) as { usage?: object }
  return Buffer.from(`data: ${JSON.stringify({ ...chunk, usage: { ...chunk.usage, cost } })}\n\n`)
}

/** Different dialects: upstream events become hub chunks, hub chunks become the caller's events. */
export class TranslateReader implements StreamReader {
  readonly #decoder: ChatStreamDecoder
  readonly #encoder: ChatStreamEncoder
  readonly #costInUsage: CostInUsage | undefined
  readonly #parser = new SseParser()
  readonly #chunks: ChatChunk[] = []
  content = false
  contentFiltered = false
  usage: TokenUsage | undefined
  /** Stated on the first chunk by some vendors, on every one by others; the usage comes with the last. */
  #tier: string | undefined

  constructor(decoder: ChatStreamDecoder, encoder: ChatStreamEncoder, costInUsage?: CostInUsage) {
    this.#decoder = decoder
    this.#encoder = encoder
    this.#costInUsage = costInUsage
  }

  push(chunk: Buffer): string | undefined {
    this.#parser.push(chunk, event => this.#decoder.push(event, this.#chunks))
    return this.#encode()
  }

  end(broken = false): string | undefined {
    if (!broken) this.#parser.end(event => this.#decoder.push(event, this.#chunks))
    this.#decoder.end(this.#chunks)
    const last = this.#encode() ?? ''
    return last + this.#encoder.end()
  }

  beforeFailure(): string | undefined {
    return this.#encode()
  }

  /** Hub chunks made elsewhere (a full answer replayed as a stream). */
  replay(chunks: readonly ChatChunk[]): string {
    this.#chunks.push(...chunks)
    return (this.#encode() ?? '') + this.#encoder.end()
  }

  #encode(): string | undefined {
    if (this.#chunks.length === 0) return undefined
    let text = ''
    for (const chunk of this.#chunks) {
      if (chunk.service_tier) this.#tier = chunk.service_tier
      if (chunk.usage) {
        this.usage = tokenUsageOf(chunk.usage, this.#tier)
        const cost = this.#costInUsage?.(this.usage)
        if (cost !== undefined) chunk.usage.cost = cost
      }
      for (const choice of chunk.choices) {
        if (choice.finish_reason === 'content_filter') this.contentFiltered = true
        if (!this.content && isContent(choice.delta, choice.finish_reason)) this.content = true
      }
      text += this.#encoder.push(chunk)
    }
    this.#chunks.length = 0
    return text === '' ? undefined : text
  }
}

function isContent(delta: ChatChunk['choices'][number]['delta'], finish: string | null): boolean {
  return Boolean(
    finish ||
      delta.content ||
      delta.tool_calls?.length ||
      delta.reasoning_content ||
      delta.thinking_blocks?.length ||
      delta.refusal ||
      delta.function_call ||
      delta.audio ||
      delta.images?.length,
  )
}
