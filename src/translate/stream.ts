import type { ChatChunk } from './openai/types.ts'
import type { SseEvent } from './sse.ts'

/** Upstream wire → hub, one event at a time. Pure: no I/O, no clock; state lives in the instance. */
export interface ChatStreamDecoder {
  /**
   * Takes one upstream event and appends zero or more hub chunks to `out`.
   * @throws UpstreamFailure for an error event or data that cannot be read.
   */
  push(event: SseEvent, out: ChatChunk[]): void
  /**
   * The upstream body ended.
   * @throws UpstreamFailure (`stream_interrupted`) when the wire's terminal event never came.
   */
  end(out: ChatChunk[]): void
}

/** Hub → the caller's dialect, as text ready for the socket. Pure. */
export interface ChatStreamEncoder {
  push(chunk: ChatChunk): string
  /** Closing frames of a stream that ended well. */
  end(): string
}
